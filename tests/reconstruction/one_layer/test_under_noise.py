"""Noise that drowns single answers: what circles of many still show."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from divulge import GradientOracle, Noisy, NotPiecewiseLinear, Rounded, compare, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.one_layer.under_noise import (
    half_circle,
    read,
    recurring,
    split,
    varying_directions,
)


def rows_found(result, victim):
    """How many of the victim's rows the copy has to within 8 degrees."""
    hidden = next(part for part in result.module.modules() if isinstance(part, nn.Linear))
    mine = hidden.weight.detach().numpy()
    rows = victim.layers.weights[0]
    cosine = (mine / np.linalg.norm(mine, axis=1, keepdims=True)) @ (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ).T
    return int((np.abs(cosine).max(axis=0) > 0.99).sum())


@pytest.mark.parametrize(
    "defend",
    [
        lambda oracle: Noisy(oracle, 1e-3),
        lambda oracle: Noisy(oracle, 1e-3, fixed_per_input=True),
        lambda oracle: Rounded(oracle, decimals=3),
    ],
)
def test_most_units_are_found_under_noise(make_victim, defend):
    victim = make_victim(60, 12, seed=3)
    result = reconstruct(defend(GradientOracle(victim)))
    assert rows_found(result, victim) >= 11
    assert result.hidden_units <= 12
    points = np.random.default_rng(0).standard_normal((500, 60))
    found = compare(result, victim, points)
    assert found.max_output_error < 0.02 * found.output_range
    assert any("of the gradient's size" in note.sentence for note in result.notes)


def test_gradients_alone_under_noise(make_victim):
    victim = make_victim(60, 12, seed=3)
    result = reconstruct(Noisy(GradientOracle(victim, values=False), 1e-3))
    assert rows_found(result, victim) >= 11


def test_several_outputs_under_noise_do_not_fail(make_victim):
    victim = make_victim(40, 6, 3, seed=1)
    result = reconstruct(Noisy(GradientOracle(victim), 1e-3))
    assert rows_found(result, victim) >= 5


def test_noise_without_a_unit_is_refused(make_victim):
    with pytest.raises(NotPiecewiseLinear, match="too noisy"):
        reconstruct(Noisy(GradientOracle(make_victim(50, 10)), 1.0))


def test_rounding_in_a_box_is_refused_with_its_size(make_victim):
    oracle = Rounded(GradientOracle(make_victim(50, 10), domain=(0, 1)), decimals=2)
    with pytest.raises(NotPiecewiseLinear, match=r"rounded to 0\.01"):
        reconstruct(oracle)


def test_a_budget_that_ends_on_the_circles_is_said(make_victim):
    result = reconstruct(Noisy(GradientOracle(make_victim(50, 10), budget=600), 1e-3))
    assert not result.complete
    assert "budget" in " ".join(map(str, result.notes))


def test_directions_that_vary_by_more_than_noise():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((400, 5)) @ rng.standard_normal((5, 60))
    axes, noise = varying_directions(signal + 0.01 * rng.standard_normal((400, 60)))
    assert axes.shape == (5, 60)
    assert noise == pytest.approx(0.01, rel=0.05)
    assert len(varying_directions(0.01 * rng.standard_normal((400, 60)))[0]) == 0


def test_a_half_circle_has_equal_steps():
    points = half_circle(Lines(20, None, np.random.default_rng(0)), 50)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2 * 20**0.5)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0])


def test_a_difference_that_recurs_is_a_jump():
    rng = np.random.default_rng(1)
    jump, parts = rng.standard_normal(9), []
    for _ in range(6):
        on = np.arange(10) >= rng.integers(1, 9)
        parts.append(on[:, None] * jump + 0.01 * rng.standard_normal((10, 9)))
    rows = np.split(np.arange(60), 6)
    found = recurring(np.concatenate(parts), rows, 0.1)
    assert len(found) == 1
    np.testing.assert_allclose(np.abs(found[0]), np.abs(jump), atol=0.05)


def test_states_and_thresholds():
    rng = np.random.default_rng(2)
    jumps, states = rng.standard_normal((4, 30)), rng.random((200, 4)) > 0.5
    np.testing.assert_array_equal(read(states @ jumps + 0.01 * rng.standard_normal((200, 30)), jumps), states)
    levels = rng.standard_normal(100)
    threshold, told = split(levels, levels > 0.3)
    assert told == 1
    assert abs(threshold - 0.3) < 0.1
    assert split(levels, levels < 0.3)[1] == 1


def test_drowned_answers_leave_it_open_whether_all_units_are_found(make_victim):
    result = reconstruct(Noisy(GradientOracle(make_victim(50, 10)), 1e-4))
    assert result.hidden_units == 10
    assert not result.complete
    assert "noise drowns single answers" in " ".join(map(str, result.notes))
