"""K-FAC and EK-FAC of layers that they have no factors for: a refusal that names the layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense_influence import dense, small_problem
from torch import nn
from torch.nn.utils import parametrizations, prune

from divulge import Influence


class Tied(nn.Module):
    """An autoencoder that decodes with its encoder's weight, read as a tensor."""

    def __init__(self):
        super().__init__()
        self.encode, self.last = nn.Linear(6, 4), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(F.linear(torch.relu(self.encode(x) - 1), self.encode.weight.T))


class Lora(nn.Linear):
    """A low-rank update by hand, as parameters of a subclass."""

    def __init__(self):
        super().__init__(6, 3)
        self.a, self.b = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        return F.linear(x, self.weight + self.b @ self.a, self.bias)


class Doubled(nn.Linear):
    """Computes something else than its class."""

    def forward(self, x):
        return 2 * super().forward(x)


class Positions(nn.Module):
    """A layer that sees no sample, but what belongs to all of them."""

    def __init__(self):
        super().__init__()
        self.places, self.last = nn.Linear(6, 6), nn.Linear(6, 3)
        self.register_buffer("table", torch.eye(6)[:1])

    def forward(self, x):
        return self.last(torch.tanh(x + self.places(self.table)))


class Routed(nn.Module):
    """Layers that see some of the samples only."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(6, 3), nn.Linear(6, 3)])

    def forward(self, x):
        out = x.new_zeros(len(x), 3)
        for sign, expert in zip((x[:, 0] > 0, x[:, 0] <= 0), self.experts, strict=True):
            out = out.index_put((sign.nonzero()[:, 0],), expert(x[sign]))
        return out


def chain(change):
    def build():
        module = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
        change(module)
        return module

    return build


def two_biases(module):
    module.append(nn.Linear(3, 3))
    module.append(nn.Linear(3, 3))
    module[4].weight = module[3].weight


def own_forward(module):
    module[0].forward = lambda x: F.linear(x, module[0].weight * 2, module[0].bias)


REFUSED = {
    "tied": (Tied, "'encode' to be read by its layers alone"),
    "lora": (Lora, "'weight' belongs to Lora"),
    "doubled": (chain(lambda m: m.append(Doubled(3, 3))), "'3.weight' belongs to Doubled"),
    "positions": (Positions, r"'places' sees, .* shape \(1, 6\)"),
    "routed": (Routed, "'experts.0' sees, which none of its axes holds"),
    "two biases": (chain(two_biases), "'3.weight' is the weight of '3' and '4', whose biases differ"),
    "own forward": (chain(own_forward), "'0.weight' belongs to Linear"),
    "pruned": (
        chain(lambda m: prune.random_unstructured(m[0], "weight", amount=0.4)),
        r"'0.weight_orig' belongs to Linear: .*prune.remove",
    ),
    "weight norm": (
        chain(lambda m: parametrizations.weight_norm(m[0])),
        r"'0.parametrizations.weight.original0' belongs to ParametrizationList: .*remove_parametrizations",
    ),
    "spectral norm": (
        chain(lambda m: parametrizations.spectral_norm(m[0])),
        r"'0.bias'|'0.parametrizations.weight.original' belongs to",
    ),
    "old weight norm": (
        chain(lambda m: torch.nn.utils.spectral_norm(m[2])),
        r"'2.bias'|'2.weight_orig' belongs to Linear",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_factors_is_refused_with_the_layers_name(name):
    build, message = REFUSED[name]
    module, train, test = small_problem(build)
    for curvature in ("kfac", "ekfac"):
        with pytest.raises(ValueError, match=message):
            Influence(module, train, curvature=curvature, damping=0.1, lower=False).scores(test)
    expected = dense(module, train, test).scores(0.1, "gauss_newton")
    exact = Influence(module, train, curvature="gauss_newton", damping=0.1, tolerance=1e-12)
    np.testing.assert_allclose(exact.scores(test), expected, rtol=1e-6, atol=1e-9)


def test_other_parameters_of_such_modules_are_exact():
    module, train, test = small_problem(REFUSED["weight norm"][0])
    truth = dense(module, train, test, names=("2.weight", "2.bias"))
    influence = Influence(module, train, curvature="ekfac", damping=0.3, parameters=["2"])
    expected = np.einsum("ij,ij->i", truth.train, influence.solve(truth.train).vectors)
    np.testing.assert_allclose(influence.self_influence(), expected, rtol=1e-9)


def test_dead_layers_whose_axis_cannot_be_told_are_refused():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, x):
            rows = x[:, None].expand(-1, 10, -1).transpose(0, 1)
            return self.last(torch.relu(self.first(rows) - 100).sum(0))

    module, train, _ = small_problem(Dead)
    with pytest.raises(ValueError, match=r"cannot tell the samples' axis in 'first'"):
        Influence(module, train, curvature="kfac", damping=1.0).self_influence()
