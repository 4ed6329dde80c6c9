"""The noise floor: what is measured, what is borne, what is refused."""

from __future__ import annotations

import pytest
import torch
from noisy_oracle import noisy
from torch import nn

from divulge import GradientOracle, Noisy, NotPiecewiseLinear, Victim, compare, reconstruct


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
@pytest.mark.parametrize("activation", [nn.GELU, nn.Tanh, nn.Softplus])
def test_a_smooth_function_is_refused(dtype, activation):
    torch.manual_seed(0)
    smooth = nn.Sequential(nn.Linear(20, 10), activation(), nn.Linear(10, 3)).to(dtype)
    with pytest.raises(NotPiecewiseLinear, match="or smoothed"):
        reconstruct(GradientOracle(Victim(smooth, input_shape=(20,))))


def test_rounding_costs_two_queries(make_victim):
    oracle = GradientOracle(make_victim(30, 5), budget=2)
    assert "hidden units" in reconstruct(oracle).notes[0].sentence
