"""Modules whose outputs or derivatives cannot be relied on are refused, others are not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chains import relative_error
from dense_influence import dense
from torch import nn
from torch.utils.checkpoint import checkpoint

from divulge import Influence
from divulge.errors import UnsupportedModel


class Net(nn.Module):
    """36 - 4 - 3, with something done to what is hidden."""

    def __init__(self, between=torch.tanh, inner=None):
        super().__init__()
        self.first, self.last, self.between = nn.Linear(36, 4), nn.Linear(4, 3), between
        self.inner = inner

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))


def drop(h):
    return F.dropout(h, 0.1)


def seldom(h):
    return F.dropout(h, 0.001)


def rrelu(h):
    return F.rrelu(h, training=True)


def noise(h):
    return h + 1e-9 * torch.randn_like(h)


def normalised(h):
    return F.batch_norm(h, None, None, training=True)


def running(h):
    return F.batch_norm(h, torch.zeros(4).to(h), torch.ones(4).to(h), training=True)


def centred(h):
    return h - 0.1 * h.mean(0)


@pytest.mark.parametrize("between", [drop, seldom, rrelu, noise, normalised, running, centred])
def test_chance_and_batches_are_noticed(make, between):
    _, train, _ = make()
    torch.manual_seed(0)
    module = Net(between).double().eval()
    state = torch.get_rng_state()
    with pytest.raises(
        UnsupportedModel, match=r"something else each time|for a sample alone|fails on inputs"
    ):
        Influence(module, train)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "layer",
    [nn.RReLU(), nn.LSTM(3, 3, num_layers=2, dropout=0.2)],
    ids=["rrelu", "lstm"],
)
def test_layers_of_chance_in_training_mode(make, layer):
    module, train, _ = make()
    with pytest.raises(ValueError, match=rf"{type(layer).__name__} '1' is in training mode"):
        Influence(nn.Sequential(module.eval(), layer).train(), train)


def test_spectral_norm_that_goes_on_iterating(make):
    _, train, _ = make()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(36, 3))).double()
    before = module[1].weight.clone()
    module.eval()
    frozen = {name: t.clone() for name, t in module.state_dict().items()}
    with pytest.raises(UnsupportedModel, match="returns something else each time"):
        Influence(module.train(), train)
    assert all(torch.equal(t, frozen[name]) for name, t in module.state_dict().items())
    Influence(module.eval(), train)
    assert before.shape == (3, 36)


class Blocks(nn.Module):
    """Two blocks that are computed again on the way back."""

    def __init__(self, reentrant, first):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(36, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.reentrant, self.first = reentrant, first

    def block(self, h):
        return torch.tanh(self.b(torch.tanh(h)))

    def forward(self, x):
        x = x.flatten(1)
        if self.first:
            h = checkpoint(lambda v: torch.tanh(self.a(v)), x, use_reentrant=self.reentrant)
        else:
            h = self.a(x)
        return self.c(checkpoint(self.block, h, use_reentrant=self.reentrant))


@pytest.mark.parametrize("first", [False, True])
def test_activation_checkpointing(make, first):
    _, train, test = make(n=14)
    torch.manual_seed(0)
    module = Blocks(False, first).double()
    expected = dense(module, train, test)
    options = {"damping": 2.0, "tolerance": 1e-12, "lower": False}
    influence = Influence(module, train, **options)
    assert relative_error(influence.scores(test), expected.scores(2.0), floor=1e-6) < 1e-9
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(1.3)
    assert relative_error(influence.scores(test), dense(module, train, test).scores(2.0), floor=1e-6) < 1e-9
    module.reentrant = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        message = (
            "use_reentrant=(False|True)" if not first else "no gradient leads to the parameter 'a.weight'"
        )
        with pytest.raises(UnsupportedModel, match=message):
            Influence(module, train, **options)
        assert all(p.grad is None for p in module.parameters())


class Disturbed(Blocks):
    """Changes its own weights on the way back, as training beside the influence would."""

    def forward(self, x):
        out = super().forward(x)
        if out.requires_grad:
            out.register_hook(self.disturb)
        return out

    def disturb(self, gradient):
        with torch.no_grad():
            for p in self.own():
                p.mul_(1.5)


def test_what_is_computed_again_does_not_see_the_modules_own_weights(make):
    _, train, _ = make(n=10)
    torch.manual_seed(0)
    module, plain = Disturbed(False, True).double(), Blocks(False, True).double()
    plain.load_state_dict(module.state_dict())
    own = list(module.parameters())
    options = {"train": train, "damping": 2.0, "lower": False, "batch_size": 4}
    expected = Influence(plain, **options).operator
    module.own = lambda: []
    disturbed = Influence(module, **options).operator
    module.own = lambda: own
    v = np.ones((1, expected.parameters))
    for kind in ("hessian", "gauss_newton"):
        np.testing.assert_allclose(disturbed.products(kind, v), expected.products(kind, v), rtol=1e-9)
    np.testing.assert_allclose(disturbed.scores(v), expected.scores(v), rtol=1e-9)
    assert not torch.equal(own[0], plain.a.weight)


class Detached(Net):
    def forward(self, x):
        h = self.first(x.flatten(1))
        return self.last(torch.tanh(h) + torch.tanh(h).detach())


class Unreachable(Net):
    def forward(self, x):
        with torch.no_grad():
            h = self.first(x.flatten(1))
        return self.last(torch.tanh(h))


class Nothing(Net):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


class Straight(torch.autograd.Function):
    """Tanh with the gradient of the identity."""

    @staticmethod
    def forward(ctx, h):
        return h.tanh()

    @staticmethod
    def backward(ctx, g):
        return g


def backward_hook():
    module = Net()
    module.last.register_full_backward_hook(lambda layer, before, after: (before[0] * 2,))
    return module


WRONG = {
    "a part detached": (Detached, "derivatives that torch computes are not those of Detached's outputs"),
    "no path": (Unreachable, "no gradient leads to the parameter 'first.weight'"),
    "no path at all": (Nothing, "no gradient leads to any parameter in question .'first"),
    "another backward": (lambda: Net(Straight.apply), "derivatives that torch computes are not those of Net"),
    "a backward hook": (backward_hook, "derivatives that torch computes are not those of Net"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", WRONG)
def test_gradients_that_are_not_those_of_the_outputs(make, name, dtype):
    build, message = WRONG[name]
    _, train, _ = make()
    torch.manual_seed(0)
    with pytest.raises(UnsupportedModel, match=message):
        Influence(build().to(dtype), train, lower=False)


def test_parameters_that_are_not_used_have_no_influence(make):
    _, train, test = make(n=14)
    torch.manual_seed(0)
    module = Net(inner=nn.Linear(5, 2)).double()
    options = {"damping": 2.0, "tolerance": 1e-12}
    scores = Influence(module, train, **options).scores(test)
    assert relative_error(scores, dense(module, train, test).scores(2.0), floor=1e-6) < 1e-9
    with pytest.raises(
        UnsupportedModel, match=r"leads to any parameter in question .*: the outputs do not depend"
    ):
        Influence(module, train, parameters=["inner"], **options)


def test_modules_that_change_their_own_parameters(make):
    module, train, _ = make("cnn")

    def clip(layer, args):
        layer.weight.data.clamp_(-0.1, 0.1)

    module[0].register_forward_pre_hook(clip)
    with pytest.raises(UnsupportedModel, match="changes its own parameters when it is called"):
        Influence(module, train)


class Overwrites(Net):
    """Changes its inputs in place, not as a projection does."""

    def forward(self, x):
        return super().forward(x.mul_(0.5).add_(0.1))


@pytest.mark.parametrize("curvature", ["gauss_newton", "ekfac"])
def test_inputs_that_are_overwritten(make, curvature):
    _, train, test = make(n=14)
    torch.manual_seed(0)
    module, plain = Overwrites().double(), Net().double()
    plain.load_state_dict(module.state_dict())
    changed = [(0.5 * x + 0.1, y) for x, y in (train, test)]
    options = {"curvature": curvature, "damping": 0.5, "lower": False}
    expected = Influence(plain, changed[0], **options)
    influence = Influence(module, train, **options)
    np.testing.assert_allclose(influence.scores(test), expected.scores(changed[1]), rtol=1e-9)
    np.testing.assert_allclose(influence.self_influence(), expected.self_influence(), rtol=1e-9)
    pixels = expected.perturbation(changed[1], [1]) / 2
    np.testing.assert_allclose(influence.perturbation(test, [1]), pixels, rtol=1e-6, atol=1e-12)
    trained = Influence(module, train, **options | {"lower": True})
    np.testing.assert_allclose(trained.scores(test), influence.scores(test), rtol=1e-6)


class Block(nn.Module):
    """A block of a transformer, of torch's own parts."""

    def __init__(self, inner=torch.float32):
        super().__init__()
        self.enter = nn.Linear(6, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=False)
        self.last, self.inner = nn.Linear(8, 3), inner

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.inner == torch.bfloat16):
            h = self.block(self.enter(x.reshape(-1, 6, 6).transpose(0, 1)))
            return self.last(h.mean(0)).float()


def deep(depth, width):
    layers = [nn.Flatten(), nn.Linear(36, width)]
    for _ in range(depth):
        layers += [nn.ReLU(inplace=True), nn.Linear(width, width)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(width, 3))


def without_bias():
    """On the kink of every unit, where the input is zero."""
    module = deep(2, 8)
    for part in module:
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
    return module


def saturated():
    module = deep(2, 32)
    module[-1].weight.data *= 3000  # some of the losses are 0, and their gradients rounding
    return module


class Language(nn.Module):
    """Predicts with its embedding's weight, and is sure of itself."""

    def __init__(self):
        super().__init__()
        self.table, self.mix = nn.Linear(36, 8, bias=False), nn.Linear(8, 8)

    def forward(self, x):
        h = torch.tanh(self.mix(x.flatten(1) @ self.table.weight.T))
        return 1e3 * h @ self.table.weight[:, :3]


GOOD = {
    "deep": lambda: deep(12, 32),
    "wide": lambda: deep(2, 512),
    "on its kinks": without_bias,
    "saturated": saturated,
    "tied and saturated": Language,
    "transformer": Block,
    "transformer in half precision inside": lambda: Block(torch.bfloat16),
    "normalised": lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(36), nn.Linear(36, 3), nn.Softsign()),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GOOD)
def test_no_false_alarms(make, name, seed):
    _, (x, y), _ = make(seed=seed)
    x[0] = 0
    torch.manual_seed(seed)
    module = GOOD[name]().eval()
    for lower in (True, False):
        assert Influence(module, (x, y), lower=lower).path in ("native", "torch")
    if not name.endswith("inside"):
        Influence(module.double(), (x, y), lower=False)


def test_no_false_alarm_at_the_kink_of_a_loss():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 4))
    module = nn.Linear(4, 1).double()
    with torch.no_grad():
        module.weight[:] = 1
        module.bias[:] = 0
        x[[0, -1]] = [0.25, 0.25, 0.25, 0.25]  # y z = 1
    y = np.where(x.sum(1) > 0, 1, -1)
    for temperature in (0.0, 1e-3):
        for lower in (True, False):
            Influence(module, (x, y), loss="smooth_hinge", temperature=temperature, lower=lower)
