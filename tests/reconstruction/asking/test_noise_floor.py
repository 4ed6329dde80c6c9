"""The noise floor: what is measured, what is borne, what is refused."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from noisy_oracle import noisy
from random_victims import random_network
from torch import nn

from divulge import GradientOracle, Noisy, NotPiecewiseLinear, Rounded, Victim, compare, reconstruct
from divulge.reconstruction import NoteKind


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("sizes", [(100, 30, 1), (200, 40, 3), (20, 10, 1)])
@pytest.mark.parametrize("level", [1e-10, 1e-7])
def test_mild_noise_is_borne(make_victim, sizes, fixed, level):
    victim = make_victim(*sizes, seed=1)
    result = reconstruct(noisy(victim, level, fixed))
    found = compare(result, victim)
    assert result.complete, result.notes
    assert result.hidden_units == sizes[1]
    assert found.max_output_error < 1e3 * level * found.output_range
    measured = [note for note in result.notes if "inside one linear piece" in note.sentence]
    assert len(measured) == 1
    assert ("same input" in measured[0].sentence) != fixed


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("seed", [0, 2])
def test_noise_in_every_coordinate_averages_out(make_victim, seed, fixed):
    victim = make_victim(300, 48, 1, seed=seed)
    result = reconstruct(noisy(victim, 1e-6 * 300**0.5, fixed))
    found = compare(result, victim)
    assert result.complete, result.notes
    assert result.hidden_units == 48
    assert found.max_output_error < 2e-4 * found.output_range


@pytest.mark.parametrize("fixed", [False, True])
def test_too_much_noise_in_a_box_is_refused_with_the_floor(make_victim, fixed):
    oracle = Noisy(GradientOracle(make_victim(50, 10), domain=(0, 1)), 0.004, fixed_per_input=fixed)
    with pytest.raises(NotPiecewiseLinear, match=r"too noisy: .* differ by 0\.0\d+ of the gradient's size"):
        reconstruct(oracle)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "activation", [nn.GELU, nn.Tanh, nn.Softplus, nn.Sigmoid, partial(nn.Softmax, dim=1)]
)
@pytest.mark.parametrize(("inputs", "units"), [(20, 10), (4, 8), (200, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_function_is_refused(dtype, activation, inputs, units, seed):
    torch.manual_seed(seed)
    smooth = nn.Sequential(nn.Linear(inputs, units), activation(), nn.Linear(units, 3)).to(dtype)
    oracle = GradientOracle(Victim(smooth, input_shape=(inputs,)), budget=100)
    with pytest.raises(NotPiecewiseLinear, match="or smoothed"):
        reconstruct(oracle, seed=seed)


@pytest.mark.parametrize("sizes", [(4, 8, 1), (784, 300, 1), (10, 300, 1), (20, 50, 50, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_many_kinks_in_single_precision_are_not_smooth(sizes, seed):
    torch.manual_seed(seed)
    layers = [(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
    module = nn.Sequential(*[part for pair in layers for part in pair][:-1])
    result = reconstruct(GradientOracle(Victim(module, input_shape=sizes[:1]), budget=60), seed=seed)
    assert not [note for note in result.notes if note.kind is NoteKind.NOISE]


def test_rounding_costs_two_queries(make_victim):
    oracle = GradientOracle(make_victim(30, 5), budget=2)
    assert "hidden units" in reconstruct(oracle).notes[0].sentence


def ramp() -> nn.Module:
    """relu(z + .5) - relu(z - .5): constant but for a slab."""
    direction = torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    module = nn.Sequential(nn.Linear(6, 2), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.stack([direction, direction]))
        module[0].bias.copy_(torch.tensor([0.5, -0.5]))
        module[2].weight.copy_(torch.tensor([[1.0, -1.0]]))
    return module


def hardly_ever_on() -> nn.Module:
    module = random_network(10, 8, seed=2)
    with torch.no_grad():
        module[0].bias.fill_(-4.0)
        module[2].bias.fill_(0.0)
    return module


def zero() -> nn.Module:
    module = random_network(5, 4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def whole_numbers() -> nn.Module:
    module, rng = random_network(8, 6), np.random.default_rng(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.integers(-4, 5, parameter.shape).astype(float)))
    return module


@pytest.mark.parametrize(("make", "size"), [(ramp, 6), (hardly_ever_on, 10), (zero, 5), (whole_numbers, 8)])
@pytest.mark.parametrize("seed", range(4))
def test_answers_of_nothing_and_round_weights_are_no_noise(make, size, seed):
    victim = Victim(make(), (size,))
    result = reconstruct(GradientOracle(victim), seed=seed)
    assert result.complete, result.notes
    assert not [note for note in result.notes if note.kind is NoteKind.NOISE]
    points = 10 * np.random.default_rng(3).standard_normal((2000, size))
    with torch.no_grad():
        wrong = result.module(torch.from_numpy(points)).numpy() - victim.values(points)
    assert np.abs(wrong).max() <= 1e-8 * max(np.ptp(victim.values(points)), 1.0)


@pytest.mark.parametrize("domain", [(0, 1), (-1, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_round_weights_in_a_box_are_no_rounding(domain, seed):
    oracle = GradientOracle(Victim(whole_numbers(), (8,)), domain=domain, budget=2000)
    result = reconstruct(oracle, seed=seed)
    assert not [note for note in result.notes if note.kind is NoteKind.NOISE]


def test_gradients_that_are_rounded_away_are_refused():
    oracle = GradientOracle(Victim(random_network(20, 6), (20,)))
    with pytest.raises(NotPiecewiseLinear, match=r"every gradient is 0 at 32 inputs|rounded to 1"):
        reconstruct(Rounded(oracle, decimals=0))
