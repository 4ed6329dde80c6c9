"""Gradients alone: every unit, whatever the seed, and offsets to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from random_victims import random_network

from divulge import GradientOracle, Victim, reconstruct


def unit_planes(network) -> np.ndarray:
    """Rows with their offsets, scaled to unit rows, shape (h, d + 1)."""
    planes = np.column_stack([network[0].weight.detach().numpy(), network[0].bias.detach().numpy()])
    return planes / np.linalg.norm(planes[:, :-1], axis=1)[:, None]


@pytest.mark.parametrize("seed", range(12))
def test_every_unit_is_found(seed):
    network = random_network(80, 40, seed=seed)
    result = reconstruct(GradientOracle(Victim(network, input_shape=(80,)), values=False), seed=seed)
    assert result.complete, result.notes
    assert result.queries <= 12 * 40
    true, found = unit_planes(network), unit_planes(result.module)
    partner = (found[:, :-1] @ true[:, :-1].T).argmax(axis=1)
    assert sorted(partner) == list(range(40))
    assert np.abs(found - true[partner]).max() < 1e-10


def test_the_budget_keeps_the_units_found_so_far():
    victim = Victim(random_network(80, 40), input_shape=(80,))
    result = reconstruct(GradientOracle(victim, values=False, budget=150))
    assert not result.complete
    assert 0 < result.hidden_units <= 41
    assert result.queries == 150
