from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from divulge import Victim
from divulge.victims.lowering import convolution, lower, one_hidden_layer


def run(layers, x):
    for i, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
        x = (np.maximum(x, 0) if i else x) @ weight.T + bias
    return x


class Functional(nn.Module):
    """What people write by hand: functions, methods, shapes read from the input."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 9), nn.Linear(9, 8, bias=False), nn.Linear(8, 4)
        self.register_buffer("mean", torch.rand(1, 8, 8))
        self.register_buffer("std", torch.rand(1, 8, 8) + 0.5)

    def forward(self, x):
        x = (x - self.mean) / self.std
        x = F.relu(self.fc1(x.view(x.size(0), -1)))
        x = torch.relu(F.dropout(self.fc2(x), 0.5, self.training)).relu()
        x = self.fc3(x.reshape(x.shape[0], 8))
        return 2 - x * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 1


class Skip(nn.Module):
    """One hidden layer in two parts, and an affine skip term."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 4), nn.Linear(5, 3), nn.Linear(5, 2)
        self.a_out, self.b_out = nn.Linear(4, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.a_out(torch.relu(self.a(x))) + self.b_out(torch.relu(self.b(x))) - self.c(x)


class Stacked(nn.Module):
    """The same kind of network, its parts summed over a stack."""

    def __init__(self):
        super().__init__()
        self.terms = nn.ModuleList(
            [nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)), nn.Linear(5, 2)]
        )

    def forward(self, x):
        return torch.stack([term(x) for term in self.terms]).sum(dim=0)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x) if x.sum() > 0 else -self.fc(x)


def batch_norm():
    layer = nn.BatchNorm1d(9)
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


class ChannelsLast(nn.Module):
    """Axes moved before flattening, and ReLUs written as clamps."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(24, 5), nn.Linear(5, 3)

    def forward(self, x):
        x = (2 * x).permute(0, 2, 3, 1).transpose(-1, 1).flatten(1)
        x = torch.clamp(self.fc1(x), min=0)
        return self.fc2(x).clamp_min(0)


CHAINS = {
    "channels last": (ChannelsLast, (2, 3, 4), [(5, 24), (3, 5), (3, 3)]),
    "nested": (
        lambda: nn.Sequential(
            nn.Flatten(),
            nn.Sequential(nn.Linear(64, 9), nn.ReLU(inplace=True)),
            nn.Identity(),
            nn.Linear(9, 4),
        ),
        (1, 8, 8),
        [(9, 64), (4, 9)],
    ),
    "functional": (Functional, (1, 8, 8), [(9, 64), (8, 9), (4, 8)]),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(5, 9), batch_norm(), nn.ReLU(), batch_norm(), nn.Linear(9, 4)),
        (5,),
        [(9, 5), (4, 9)],
    ),
    "linear": (lambda: nn.Linear(3, 2), (3,), [(2, 3)]),
    "two linear layers in a row": (lambda: nn.Sequential(nn.Linear(3, 7), nn.Linear(7, 2)), (3,), [(2, 3)]),
    "relu first and last": (
        lambda: nn.Sequential(nn.ReLU(), nn.Linear(3, 2), nn.ReLU()),
        (3,),
        [(3, 3), (2, 3), (2, 2)],
    ),
    "unbiased with a flat image": (
        lambda: nn.Sequential(nn.Flatten(1, 2), nn.Flatten(), nn.Linear(6, 2, bias=False)),
        (2, 3),
        [(2, 6)],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_read(name):
    torch.manual_seed(0)
    build, shape, sizes = CHAINS[name]
    module = build().double().eval()
    layers = lower(module, shape, torch.float64)
    assert [w.shape for w in layers.weights] == sizes
    assert [b.shape for b in layers.biases] == [w.shape[:1] for w in layers.weights]
    x = torch.randn(50, *shape, dtype=torch.float64)
    np.testing.assert_allclose(run(layers, x.reshape(50, -1).numpy()), module(x).detach().numpy(), atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plain_layers_come_out_bit_for_bit(dtype):
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).to(dtype)
    layers = lower(module, (6,), dtype)
    for weight, layer in zip(layers.weights, (module[0], module[2]), strict=True):
        assert weight.dtype == (np.float32 if dtype == torch.float32 else np.float64)
        assert weight.flags.c_contiguous
        np.testing.assert_array_equal(weight, layer.weight.detach().numpy())


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.GELU()), (3,)),
        (nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)), (3,)),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), (1, 8, 8)),
        (nn.Sequential(nn.Linear(3, 2), nn.Dropout()).train(), (3,)),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train(), (3,)),
        (Branching(), (3,)),
        (Skip(), (5,)),
        (nn.Linear(3, 2), (4, 3)),
    ],
)
def test_anything_else_is_left_alone(module, shape):
    assert lower(module, shape, torch.float32) is None


def test_a_subclass_with_its_own_forward_is_not_mistaken_for_its_base():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    module = nn.Sequential(Doubled(3, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    layers = lower(module, (3,), torch.float64)
    x = torch.randn(10, 3, dtype=torch.float64)
    np.testing.assert_allclose(run(layers, x.numpy()), module(x).detach().numpy(), atol=1e-14)


LAYERS = {
    "linear": lambda width: nn.Linear(width, 1 + (7 * width) % 5),
    "relu": lambda width: nn.ReLU(),
    "norm": lambda width: nn.BatchNorm1d(width),
    "dropout": lambda width: nn.Dropout(),
    "flatten": lambda width: nn.Flatten(),
    "identity": lambda width: nn.Identity(),
}


@settings(deadline=None, max_examples=60)
@given(names=st.lists(st.sampled_from(sorted(LAYERS)), max_size=7), seed=st.integers(0, 1000))
def test_any_order_of_layers_is_read(names, seed):
    torch.manual_seed(seed)
    layers, width = [nn.Flatten()], 6
    for name in names:
        layers.append(LAYERS[name](width))
        width = getattr(layers[-1], "out_features", width)
    module = nn.Sequential(*layers).double().eval()
    for parameter in module.buffers():
        if parameter.is_floating_point():
            parameter.uniform_(0.5, 2)
    x = torch.randn(20, 2, 3, dtype=torch.float64)
    found = lower(module, (2, 3), torch.float64)
    np.testing.assert_allclose(run(found, x.reshape(20, 6).numpy()), module(x).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(("build", "units"), [(Skip, 7), (Stacked, 4)])
def test_one_hidden_layer_with_a_skip_term(build, units):
    module = build().double()
    net = one_hidden_layer(module, (5,))
    assert net.rows.shape == (units, 5)
    x = torch.randn(30, 5, dtype=torch.float64)
    hidden = np.maximum(x.numpy() @ net.rows.T + net.offsets, 0)
    values = hidden @ net.outputs.T + x.numpy() @ net.affine.T + net.bias
    np.testing.assert_allclose(values, module(x).detach().numpy(), atol=1e-13)
    beside = -module.c.weight if build is Skip else module.terms[1].weight
    np.testing.assert_array_equal(net.affine, beside.detach().numpy())


def test_one_hidden_layer_of_a_linear_map_has_no_units():
    net = one_hidden_layer(nn.Linear(5, 2), (5,))
    assert net.rows.shape == (0, 5)
    assert net.outputs.shape == (2, 0)


def test_deeper_networks_are_not_one_hidden_layer():
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    assert one_hidden_layer(module, (3,)) is None


class Clamped(nn.Module):
    def forward(self, x):
        return torch.clamp(x, -1, 1)


def test_a_clamp_from_both_sides_and_a_moved_batch_are_no_chain():
    assert lower(Clamped(), (3,), torch.float64) is None

    class Moved(nn.Module):
        def forward(self, x):
            return x.permute(1, 0)

    assert lower(Moved(), (3,), torch.float64) is None


def test_convolutions_are_named():
    module = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Conv1d(1, 2, 2)))
    assert convolution(module) == "1.1"
    exported = torch.export.export(module, (torch.zeros(3, 1, 4),)).module()
    assert convolution(exported) == "conv1d"
    assert convolution(module[0]) is None


def test_threads_lower_side_by_side():
    modules = [nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)) for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        victims = list(pool.map(Victim, modules))
    assert all(victim.lowered for victim in victims)
