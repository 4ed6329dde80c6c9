"""An oracle whose answers are noisy."""

from __future__ import annotations

import numpy as np

from divulge import CallableOracle, Victim


def noisy(victim: Victim, level: float, fixed: bool) -> CallableOracle:
    """Add noise of this size, relative to a gradient of 1, to every answer; fixed: the same for one input."""
    rng = np.random.default_rng(0)

    def answer(points, output):
        values, gradients = victim.values_and_gradients(points, output)
        noise = np.stack([own(point).normal(size=1 + points.shape[1]) for point in points])
        return values + level * noise[:, 0], gradients + level * noise[:, 1:] / points.shape[1] ** 0.5

    def own(point):
        return np.random.default_rng(np.frombuffer(point.tobytes(), np.uint32)) if fixed else rng

    return CallableOracle(answer, victim.input_size, output_size=victim.output_size)
