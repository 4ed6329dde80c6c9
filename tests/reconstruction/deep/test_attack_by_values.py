"""Networks of several hidden layers from values alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from divulge import ValueOracle, Victim, compare, reconstruct


def deep_network(sizes: tuple[int, ...], seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_hidden_layers(seed):
    victim = Victim(deep_network((10, 10, 10, 1), seed))
    result = reconstruct(ValueOracle(victim, budget=2**14), seed=seed)
    assert result.complete, result.notes
    assert result.hidden_units == 20
    assert result.certificate.error < 1e-9
    points = np.random.default_rng(1).standard_normal((2000, 10))
    true = victim.values(points)
    with torch.no_grad():
        error = np.abs(result.module(torch.from_numpy(points)).numpy() - true).max()
    assert error < 1e-9 * np.ptp(true)


@pytest.mark.parametrize("seed", [3, 7])
def test_rows_that_random_points_do_not_show_are_found(seed):
    """In both some units are on at a few of 100,000 points, and with some features together at none."""
    victim = Victim(deep_network((40, 20, 10, 10, 1), seed))
    result = reconstruct(ValueOracle(victim, budget=2**16), seed=seed)
    assert result.complete, result.notes
    found = compare(result, victim, np.random.default_rng(1).standard_normal((2000, 40)))
    assert found.units_matched == result.hidden_units == 40
    assert found.max_parameter_error < 1e-6
    assert found.max_output_error < 1e-8 * found.output_range


def test_a_budget_ends_it():
    victim = Victim(deep_network((10, 10, 10, 1), 0))
    result = reconstruct(ValueOracle(victim, budget=4000))
    assert not result.complete
    assert result.queries <= 4000
    assert "budget" in " ".join(map(str, result.notes))
