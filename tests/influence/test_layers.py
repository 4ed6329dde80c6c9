"""K-FAC and EK-FAC of people's layers: exact gradients in factors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense_influence import dense, small_problem
from torch import nn
from torch.utils.checkpoint import checkpoint

from divulge import Influence
from divulge.influence.kronecker import KroneckerCurvature
from divulge.influence.operators import LayerPlace


class InPlace(nn.Module):
    """Activations and residuals that overwrite what layers saw and returned."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(6, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 3)

    def forward(self, x):
        h = self.first(x)
        h.relu_()
        g = self.second(h)
        g += h
        return self.third(g.tanh_())


class Convolutions(nn.Module):
    """In place, with a residual, on images."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 2, bias=False), nn.Conv2d(2, 2, 3, padding=1)
        self.act, self.last = nn.ReLU(inplace=True), nn.Linear(4, 3)

    def forward(self, x):
        h = self.act(self.first(x.reshape(-1, 1, 2, 3)))
        g = self.second(h)
        g += h
        return self.last(self.act(g).flatten(1))


class Shared(nn.Module):
    """One layer called twice, one weight in two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.twice, self.again = nn.Linear(6, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.again.weight, self.again.bias = self.twice.weight, self.twice.bias
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        h = self.twice(torch.tanh(self.first(x)))
        return self.last(self.again(torch.tanh(self.twice(torch.tanh(h)))))


class SequenceFirst(nn.Module):
    """A block of a transformer whose inputs are (time, samples, features)."""

    def __init__(self):
        super().__init__()
        self.enter, self.keys, self.values = nn.Linear(2, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        h = self.enter(x.reshape(-1, 3, 2).transpose(0, 1))
        weights = torch.einsum("tnd,snd->nts", h, self.keys(h)).softmax(-1)
        h = h + torch.einsum("nts,snd->tnd", weights, self.values(F.gelu(h)))
        return self.last(input=h.mean(0))


class Choices(nn.Module):
    """Each sample's choices are folded into the batch, as with multiple choice."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(self.first(x.reshape(-1, 2)).tanh()).reshape(-1, 3)


class Pairs(nn.Module):
    """Both halves of each sample, one batch behind the other."""

    def __init__(self):
        super().__init__()
        self.encode, self.last = nn.Linear(3, 4), nn.Linear(4, 3)

    def forward(self, x):
        a, b = self.encode(torch.cat([x[:, :3], x[:, 3:]])).tanh().chunk(2)
        return self.last(a * b)


class Hooked(nn.Module):
    """A forward hook that changes a layer's output, a pre-hook that changes another's input."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 3)
        self.first.register_forward_hook(lambda layer, args, z: torch.tanh(2 * z))
        self.last.register_forward_pre_hook(lambda layer, args: (args[0] * 3,))

    def forward(self, x):
        return self.last(self.first(x))


class Checkpointed(nn.Module):
    """Computes a part of itself again on the way back."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(checkpoint(lambda v: torch.tanh(self.first(v)), x, use_reentrant=False))


class Normed(nn.Module):
    """Every kind of normalisation, over features and over channels; one of them called twice."""

    def __init__(self):
        super().__init__()
        self.rows, self.rms, self.last = nn.LayerNorm(3), nn.RMSNorm(3), nn.Linear(6, 3)
        self.groups, self.batch = nn.GroupNorm(2, 4), nn.BatchNorm1d(4)
        self.widen, self.narrow = nn.Linear(3, 4), nn.Linear(4, 3)
        for norm in (self.rows, self.rms, self.groups, self.batch):
            for p in norm.parameters():
                nn.init.normal_(p)
        self.batch.running_mean.normal_()
        self.batch.running_var.uniform_(0.5, 2)

    def forward(self, x):
        h = self.rows(x.reshape(-1, 2, 3))
        h = h + torch.tanh(self.rows(h * h))
        channels = self.batch(torch.tanh(self.groups(self.widen(h).transpose(1, 2))))
        return self.last((h + self.rms(self.narrow(channels.transpose(1, 2)))).flatten(1))


class LookedUp(nn.Module):
    """Tokens, one of which is padding, looked up twice."""

    def __init__(self):
        super().__init__()
        self.table, self.last = nn.Embedding(4, 3, padding_idx=1), nn.Linear(6, 3)

    def forward(self, x):
        tokens = (x.abs() * 2).long().clamp(max=3)
        first = self.table(tokens[:, :4]).sum(1)
        return self.last(torch.tanh(torch.cat([first, self.table(tokens[:, 4]) * x[:, :3]], dim=1)))


class Grouped(nn.Module):
    """Convolutions whose channels keep to groups or to themselves, of images and of rows."""

    def __init__(self):
        super().__init__()
        self.widen, self.own = nn.Conv2d(1, 4, 2, groups=1), nn.Conv2d(4, 4, (1, 2), groups=4, bias=False)
        self.pairs = nn.Conv1d(4, 6, 2, groups=2, padding=1, stride=2, dilation=2)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        h = torch.tanh(self.widen(x.reshape(-1, 1, 2, 3)))
        rows = torch.tanh(self.own(torch.cat([h, h * 2], dim=3))).flatten(2)
        return self.last(self.pairs(rows).sum(2))


class Conv1D(nn.Module):
    """Hugging Face's name for a Linear with its weight transposed."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight, self.bias = nn.Parameter(torch.randn(nx, nf)), nn.Parameter(torch.randn(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], self.nf)


class MyLinear(nn.Linear):
    """Computes as its class does."""


EXACT = {
    "in place": InPlace,
    "convolutions": Convolutions,
    "shared": Shared,
    "sequence first": SequenceFirst,
    "choices": Choices,
    "pairs": Pairs,
    "hooked": Hooked,
    "checkpointed": Checkpointed,
    "normed": Normed,
    "looked up": LookedUp,
    "grouped": Grouped,
    "transposed": lambda: nn.Sequential(Conv1D(4, 6), nn.Tanh(), Conv1D(3, 4)),
    "subclass": lambda: nn.Sequential(MyLinear(6, 4), nn.Tanh(), nn.Linear(4, 3)),
}


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("name", EXACT)
def test_gradients_in_factors_are_those_of_autograd(name, curvature):
    module, train, test = small_problem(EXACT[name])
    truth = dense(module, train, test)
    influence = Influence(module, train, curvature=curvature, damping=0.3, batch_size=6, lower=False)
    matrix = influence.hvp(np.eye(len(truth.hessian)))
    if curvature == "ekfac":  # the mean squares of the gradients in any basis add up to the Fisher's trace
        assert np.trace(matrix) == pytest.approx(np.trace(truth.gauss_newton), rel=1e-9)
    inverse = np.linalg.inv(matrix + 0.3 * np.eye(len(matrix)))
    expected = np.einsum("ij,jk,ik->i", truth.train, inverse, truth.train)
    np.testing.assert_allclose(influence.self_influence(), expected, rtol=1e-8)
    np.testing.assert_allclose(influence.scores(test), -truth.test @ inverse @ truth.train.T, atol=1e-9)


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_scales_and_shifts_have_their_whole_fisher_matrix(curvature):
    module, train, test = small_problem(Normed)
    names = ["rms.weight", "groups.bias"]
    whole = dense(module, train, test, names=names).gauss_newton
    expected = np.zeros((7, 7))
    for part in (slice(0, 3), slice(3, 7)):
        expected[part, part] = whole[part, part]
    influence = Influence(module, train, curvature=curvature, damping=0.3, parameters=names)
    np.testing.assert_allclose(influence.hvp(np.eye(7)), expected, rtol=1e-9, atol=1e-12)


class SequenceFirstTwin(SequenceFirst):
    """The same, (samples, time, features)."""

    def forward(self, x):
        h = self.enter(x.reshape(-1, 3, 2))
        weights = torch.einsum("ntd,nsd->nts", h, self.keys(h)).softmax(-1)
        h = h + torch.einsum("nts,nsd->ntd", weights, self.values(F.gelu(h)))
        return self.last(h.mean(1))


class InPlaceTwin(InPlace):
    """The same, out of place."""

    def forward(self, x):
        h = self.first(x).relu()
        return self.third((self.second(h) + h).tanh())


@pytest.mark.parametrize(
    ("one", "other"), [(SequenceFirst, SequenceFirstTwin), (InPlace, InPlaceTwin)], ids=["axes", "in place"]
)
def test_kfac_is_that_of_the_same_function_written_otherwise(one, other):
    module, train, test = small_problem(one)
    twin = small_problem(other)[0]
    twin.load_state_dict(module.state_dict())
    scores = [Influence(m, train, curvature="kfac", damping=0.1).scores(test) for m in (module, twin)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-9)


def test_products_do_not_depend_on_what_memory_held():
    """A layer of 1 x 1 among three parameters: the curvature of the others is 0."""
    one = [np.ones((1, 1))]
    curvature = KroneckerCurvature(one, one, [2 * np.ones((1, 1))], [LayerPlace(1, 1, 1, None)], 0.5)
    for junk in (13.0, np.nan):
        [torch.full((4, 3), junk, dtype=torch.float64) for _ in range(50)]  # where the result may be put
        ones = torch.ones(4, 3, dtype=torch.float64)
        np.testing.assert_array_equal(curvature.multiply(ones), np.tile([0.0, 2, 0], (4, 1)))


class NormTwice(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.out = nn.LayerNorm(3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.out(self.norm(torch.tanh(self.linear(self.norm(x)))))


@pytest.mark.parametrize("name", ["norm.weight", "norm.bias"])
@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_a_scale_that_is_used_twice_has_its_whole_fisher_matrix(curvature, name):
    torch.manual_seed(0)
    module = NormTwice().double().eval()
    data = torch.randn(8, 3).double(), torch.randint(0, 3, (8,))
    products = [
        Influence(module, data, curvature=c, parameters=[name]).hvp(np.eye(3))
        for c in (curvature, "gauss_newton")
    ]
    np.testing.assert_allclose(*products, rtol=1e-9, atol=1e-12)
