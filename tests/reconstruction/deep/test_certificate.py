"""Certificates of deep copies are honest: where one is small, so is the error on fresh points."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import random_deep, victim_of
from random_victims import function_error

from divulge import GradientOracle, reconstruct

RUNS, TOGETHER = 20, 5  # so that several processes share them


def sizes_for(seed):
    """Two or three hidden layers of 3 to 9 units, not always narrowing."""
    rng = np.random.default_rng(1000 + seed)
    return int(rng.integers(4, 12)), *map(int, rng.integers(3, 10, rng.integers(2, 4))), 1


def run(seed):
    """Whether the result claims to be right, and its error."""
    sizes = sizes_for(seed)
    victim = victim_of(random_deep(*sizes, seed=seed))
    result = reconstruct(GradientOracle(victim, budget=15_000), seed=seed)
    points = np.random.default_rng(54321).standard_normal((2000, sizes[0]))
    return result.complete and result.certificate.error < 1e-8, function_error(result.module, victim, points)


@pytest.mark.parametrize("first", range(0, RUNS, TOGETHER))
def test_no_certificate_lies(first):
    runs = {seed: run(seed) for seed in range(first, first + TOGETHER)}
    claimed = {seed: error for seed, (claims, error) in runs.items() if claims}
    assert claimed
    assert {seed: error for seed, error in claimed.items() if not error < 1e-6} == {}
