"""Kinks of one channel taken together: their triangle says what all their equations say."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Shown, Together, equations, fragment, refuted


def kinks_of(weights, offset, count, pixels, rng):
    """Kinks of weights . h + offset, features h being other linear maps of an input at each."""
    for _ in range(count):
        rows, values = rng.standard_normal((len(weights), pixels)), rng.standard_normal(len(weights))
        values -= weights * (weights @ values + offset) / (weights @ weights)
        point = np.zeros(pixels)
        yield Shown(rows, values, Kink(point, weights @ rows, 0.0, np.stack([point, point])))


@pytest.mark.parametrize(("count", "pixels"), [(1, 20), (3, 9), (6, 5)])
def test_the_triangle_has_the_singular_values_of_all_equations(count, pixels):
    rng = np.random.default_rng(count)
    views = list(kinks_of(rng.standard_normal(7), 0.3, count, pixels, rng))
    system = np.concatenate([equations(view) for view in views])
    system /= np.linalg.norm(system, axis=0)
    found = Together(*views).scaled()[0]
    slow = np.linalg.svd(system, compute_uv=False)
    assert np.abs(np.linalg.svd(found, compute_uv=False)[: len(slow)] - slow).max() < 1e-12 * slow[0]


def test_kinks_too_small_alone_tell_a_channel_together():
    rng = np.random.default_rng(1)
    weights = rng.standard_normal(12)
    views = list(kinks_of(weights, -0.4, 5, 6, rng))
    assert fragment(Together(views[0]), 1e-9) is None
    found = fragment(Together(*views), 1e-9)
    truth = np.append(weights, -0.4)
    assert found.known.all()
    assert np.abs(found.weights * truth[0] / found.weights[0] - truth).max() < 1e-9
    other = next(kinks_of(rng.standard_normal(12), 0.1, 1, 6, rng))
    assert not refuted(Together(*views), 1e-9, margin=4)
    assert refuted(Together(*views, other), 1e-9, margin=4)


def test_features_that_are_left_out_are_no_unknowns():
    rng = np.random.default_rng(2)
    weights = rng.standard_normal(6) * [1, 1, 1, 1, 0, 0]
    together = Together(*kinks_of(weights, 0.2, 3, 8, rng))
    found = fragment(together.without(np.array([4, 5])), 1e-9)
    assert not found.known[4:6].any()
    assert np.abs(found.weights[:4] / found.weights[0] - weights[:4] / weights[0]).max() < 1e-9
    assert fragment(together, 1e-9).known.all()
