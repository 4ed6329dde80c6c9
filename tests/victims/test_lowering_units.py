"""Piecewise-linear units as ReLUs and a linear part, against what PyTorch computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kinds_of_units import Absolute, Around, Beside, Maxout, chain, prelu
from torch import nn

from divulge.victims.affine import AffineForm, ReluNetwork
from divulge.victims.lowering import lower, one_hidden_layer, trace

COMPUTED = {
    "leaky": nn.LeakyReLU(0.2),
    "leaky, upside down": nn.LeakyReLU(-1.5),
    "a slope each": prelu(6),
    "one slope": nn.PReLU(),
    "six": nn.ReLU6(),
    "hard": nn.Hardtanh(-0.3, 0.2),
    "absolute": Absolute(),
}
FUNCTIONS = {
    "leaky_relu": lambda x: F.leaky_relu(x, 0.3),
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, -0.1, 0.4),
    "clamp": lambda x: x.clamp(-0.2, 0.3),
    "clamp_min": lambda x: torch.clamp_min(x, -0.1),
    "clamp_max": lambda x: torch.clamp(x, max=0.1),
    "abs": torch.abs,
    "maximum": lambda x: torch.maximum(x, torch.full((6,), 0.1)),
    "minimum": lambda x: torch.minimum(0.5 * x, -x),
    "cat": lambda x: torch.cat([x, torch.relu(x)], dim=-1),
}


class Applied(nn.Module):
    """A linear layer, and a function of it."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(4, 6), function

    def forward(self, x):
        return self.function(self.linear(x))


def computed(network: ReluNetwork, points: np.ndarray) -> np.ndarray:
    """Values of a traced network."""
    sources = [points]

    def value(form: AffineForm) -> np.ndarray:
        parts = [sources[s] @ form.matrix(s, network.width(s)).T for s in form.terms]
        return sum(parts) + form.bias

    for form in network.relus:
        sources.append(np.maximum(value(form), 0))
    return value(network.output)


def check(module: nn.Module) -> None:
    """A module and its trace agree."""
    torch.manual_seed(0)
    module = module.double().eval().requires_grad_(False)
    network = trace(module, (4,))
    assert network is not None
    points = 3 * torch.randn(200, 4, dtype=torch.float64)
    np.testing.assert_allclose(computed(network, points.numpy()), module(points).numpy(), atol=1e-12)


@pytest.mark.parametrize("unit", COMPUTED)
def test_units_are_computed_as_torch_does(unit):
    check(nn.Sequential(nn.Linear(4, 6), COMPUTED[unit], nn.Linear(6, 3)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_computed_as_torch_does(function):
    check(Applied(FUNCTIONS[function]))


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(Around(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 2)),
        nn.Sequential(Beside(nn.Linear(4, 5), nn.ReLU()), nn.Linear(9, 2)),
        nn.Sequential(Maxout(4, 5), nn.Linear(5, 2)),
    ],
)
def test_skips_and_maxima_have_one_hidden_layer_and_a_linear_part(module):
    check(module)
    found = one_hidden_layer(module, (4,))
    assert found is not None
    assert found.affine.any()
    assert lower(module, (4,), torch.float64) is None  # the compiled core has no such network


def test_an_exported_graph_is_read_alike():
    module = chain(4, 6, 2, unit=lambda n: nn.LeakyReLU(0.1)).double().eval()
    exported = torch.export.export(module, (torch.zeros(2, 4, dtype=torch.float64),)).module()
    points = np.random.default_rng(0).standard_normal((50, 4))
    network = trace(exported, (4,))
    assert network is not None
    np.testing.assert_allclose(
        computed(network, points), module(torch.from_numpy(points)).detach().numpy(), atol=1e-13
    )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.clamp(0.4, -0.4),
        lambda x: torch.cat([x, x], dim=0),
        lambda x: torch.cat([x, torch.ones(2, 6)], dim=1),
        torch.tanh,
    ],
)
def test_what_is_no_such_unit_is_not_read(function):
    network = trace(Applied(function).eval(), (4,))
    assert network is None
