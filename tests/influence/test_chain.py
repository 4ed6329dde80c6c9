"""The compiled core computes for dense chains alone: whatever a module adds to one goes to torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chains import relative_error
from dense_influence import dense
from torch import nn
from torch.nn.utils import parametrizations, prune

from divulge import Influence
from divulge.influence.chain import find_chain

DAMPING = 4.0


def chain():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))


def hook(module):
    module[2].register_forward_hook(lambda layer, args, z: z * 1.5)


def rare_hook(module):
    """Acts on one of the inputs only, which is neither the first nor the last."""
    module[0].register_forward_hook(lambda layer, args, z: z.where(args[0][:, :1] < 2.0, 3 * z))


def pre_hook(module):
    module[2].register_forward_pre_hook(lambda layer, args: (args[0] + 0.3,))


def outer_hook(module):
    module.register_forward_hook(lambda layer, args, z: z * z)


def own_forward(module):
    module[2].forward = lambda x: F.linear(x, module[2].weight) * 2


def whole_forward(module):
    forward = module.forward
    module.forward = lambda x: forward(x) ** 2


def tied(module):
    module[2].weight = module[0].weight = nn.Parameter(torch.randn(4, 5))


def subclass(module):
    class Scaled(nn.Linear):
        def forward(self, x):
            return 3 * super().forward(x)

    module[4] = Scaled(4, 3)


def activation(module):
    class Softer(nn.Tanh):
        def forward(self, x):
            return torch.tanh(x / 2)

    module[1] = Softer()


CHANGES = {
    "hook": hook,
    "hook that acts seldom": rare_hook,
    "pre-hook": pre_hook,
    "hook of the whole": outer_hook,
    "forward of a layer": own_forward,
    "forward of the whole": whole_forward,
    "subclass of a layer": subclass,
    "subclass of an activation": activation,
    "weight norm": lambda m: parametrizations.weight_norm(m[2]),
    "spectral norm": lambda m: parametrizations.spectral_norm(m[2]),
    "old spectral norm": lambda m: torch.nn.utils.spectral_norm(m[2]),
    "pruned": lambda m: prune.l1_unstructured(m[0], "weight", amount=0.5),
}


def data():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((20, 5)), rng.integers(0, 3, 20)
    x[12, 0] = 2.5
    return (x[:16], y[:16]), (x[16:], y[16:])


@pytest.mark.parametrize("name", CHANGES)
def test_modules_that_are_more_than_their_layers(name):
    torch.manual_seed(0)
    module, (train, test) = chain().double(), data()
    assert Influence(module, train).path == "native"
    CHANGES[name](module)
    module.double().eval()
    influence = Influence(module, train, damping=DAMPING, tolerance=1e-12)
    expected = dense(module, train, test).scores(DAMPING)
    assert relative_error(influence.scores(test), expected, floor=1e-6) < 1e-9
    assert influence.path == "torch"


class Twice(nn.Module):
    """Two layers of one weight without biases."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)
        self.second.weight = self.first.weight
        self.last = nn.Linear(5, 3)

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


@pytest.mark.parametrize("names", [None, ["first"], ["second", "last"], ["last"]])
def test_tied_weights_are_summed_by_whichever_name(names):
    torch.manual_seed(0)
    module, (train, test) = Twice().double(), data()
    influence = Influence(module, train, damping=DAMPING, parameters=names, tolerance=1e-12)
    meant = {"last.weight", "last.bias"} if names == ["last"] else {"first.weight"}
    if names in (None, ["second", "last"]):
        meant |= {"last.weight", "last.bias"}
    expected = dense(module, train, test, names=meant).scores(DAMPING)
    assert relative_error(influence.scores(test), expected, floor=1e-6) < 1e-9


class Autoencoder(nn.Module):
    """Decodes with its encoder's weight."""

    def __init__(self):
        super().__init__()
        self.encode, self.bias = nn.Linear(5, 2), nn.Parameter(torch.randn(5))

    def forward(self, x):
        return F.linear(torch.relu(self.encode(x)), self.encode.weight.T, self.bias)


@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton"])
def test_a_weight_tied_autoencoder(curvature):
    torch.manual_seed(0)
    module, (train, test) = Autoencoder().double(), data()
    train, test = (train[0], train[0]), (test[0], test[0])
    expected = dense(module, train, test, lambda z, y: ((z - y) ** 2).sum() / 2).scores(60.0, curvature)
    influence = Influence(module, train, loss="squared", curvature=curvature, damping=60.0, tolerance=1e-12)
    assert relative_error(influence.scores(test), expected, floor=1e-6) < 1e-9


def test_weights_that_are_computed_are_not_asked_for():
    """spectral_norm in training renews its vectors whenever the weight is read."""
    module = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 3)))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert find_chain(module, list(module.parameters()), torch.zeros(2, 4)) is None
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_linear_layer_without_a_weight_is_no_chain():
    layer = nn.Linear(4, 3)
    del layer.weight
    assert (
        find_chain(nn.Sequential(layer, nn.Linear(3, 2)), [nn.Parameter(torch.zeros(1))], torch.zeros(2, 4))
        is None
    )
