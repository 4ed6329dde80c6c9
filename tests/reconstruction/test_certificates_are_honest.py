"""A small certificate means a small error: counted over many random networks."""

from __future__ import annotations

import numpy as np
from random_victims import function_error, random_network

from divulge import GradientOracle, Victim, reconstruct


def test_no_exception_over_random_networks():
    rng = np.random.default_rng(2026)
    exceptions = []
    for seed in range(100):
        inputs = int(rng.integers(2, 70))
        sizes = inputs, int(rng.integers(1, min(inputs, 40) + 1)), int(rng.integers(1, 4))
        victim = Victim(random_network(*sizes, seed=seed), input_shape=(inputs,))
        result = reconstruct(GradientOracle(victim), seed=seed)
        error = function_error(result.module, victim, rng.normal(size=(1000, inputs)))
        if result.certificate.error < 1e-8 and error > 1e-6:
            exceptions.append((seed, sizes, result.certificate.error, error))
    assert not exceptions
