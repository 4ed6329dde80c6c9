"""Units that the first output hardly shows, under noise: found once, and as sharp as the best output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from noisy_oracle import noisy
from random_victims import random_network

from divulge import CallableOracle, GradientOracle, Victim, compare, reconstruct
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.one_layer.combine_outputs import merged


def with_weight(weight: float) -> Victim:
    """Return a 200-30-3 victim whose first unit has this weight to the first output."""
    network = random_network(200, 30, 3, seed=1)
    with torch.no_grad():
        network[2].weight[0, 0] = weight
    return Victim(network, input_shape=(200,))


@pytest.mark.parametrize("level", [1e-10, 1e-7])
@pytest.mark.parametrize("weight", [1e-4, 1e-5, 1e-6, 0.0])
def test_a_unit_that_one_output_hardly_shows_is_found_once(weight, level):
    victim = with_weight(weight)
    result = reconstruct(noisy(victim, level, fixed=False))
    found = compare(result, victim)
    assert result.complete, result.notes
    assert result.hidden_units == 30
    assert found.max_output_error < 20 * level * found.output_range


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("level", [1e-7, 1e-5])
def test_a_complete_copy_is_as_good_as_noise_allows(make_victim, seed, fixed, level):
    victim = make_victim(300, 48, 3, seed=seed)
    result = reconstruct(noisy(victim, level, fixed))
    found = compare(result, victim)
    assert result.complete, result.notes
    assert result.certificate.error < 200 * level
    assert found.max_output_error < 50 * level * found.output_range


def test_a_certificate_far_above_the_noise_is_not_complete(make_victim):
    victim = make_victim(60, 12, 2)
    rng, asked = np.random.default_rng(0), []

    def answer(points, output):  # the noise that is measured first is a thousandth of what comes later
        values, gradients = victim.values_and_gradients(points, output)
        asked.extend([output] * len(points))
        level = 1e-3 if output else 1e-6
        return values + level * rng.normal(size=len(points)), gradients + level * rng.normal(
            size=points.shape
        )

    result = reconstruct(CallableOracle(answer, 60, output_size=2))
    assert 1 in asked
    assert not result.complete
    assert result.certificate.error > 1e-4
    assert "noise explains" in result.notes[-1].sentence or "not explained" in result.notes[-1].sentence


def test_rows_are_merged_within_their_errors():
    rows = np.array([[1.0, 0, 0, 0.2], [0, 1.0, 0, 0.1]])
    layer = Layer(rows, np.array([[1e-3, 1.0]]), np.zeros((1, 4)))
    sharp = np.array([[-1.0, 1e-3, 0, -0.2], [0, 0, 1.0, 0.3], [0, 1.0, 0, 0.5]])
    more = Layer(sharp, np.ones((1, 3)), np.zeros((1, 4)))
    grown, errors = merged(layer, np.array([2e-3, 1e-6]), more, np.full(3, 1e-6))
    assert len(grown) == 4  # parallel to a known row at another offset is another unit
    np.testing.assert_allclose(grown.rows[0], [1.0, -1e-3, 0, 0.2])
    np.testing.assert_allclose(errors, 1e-6)
    assert grown.weights.shape == (2, 4)


@pytest.mark.parametrize("values", [True, False])
@pytest.mark.parametrize("silent", [1, 2])
def test_units_are_found_behind_a_later_output_where_the_first_ones_are_constant(silent, values):
    network = random_network(8, 5, 4, seed=silent)
    with torch.no_grad():
        network[2].weight[:silent] = 0.0
    result = reconstruct(GradientOracle(Victim(network, input_shape=(8,)), values=values))
    assert result.complete, result.notes
    assert result.hidden_units == 5
    points = torch.randn(500, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wrong = (result.module(points) - network(points)).detach()
    assert (wrong if values else wrong - wrong[:1]).abs().max() < 1e-9
