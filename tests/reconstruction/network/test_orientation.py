"""Orientation of units from the affine part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.orientation import orient


def turned_layer(inputs: int, hidden: int, outputs: int, seed: int) -> tuple[Layer, Layer]:
    """A layer without an affine part, and the same with some units turned over."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(hidden, inputs + 1))
    rows /= np.linalg.norm(rows[:, :-1], axis=1)[:, None]
    base = np.zeros((outputs, inputs + 1))
    base[:, -1] = rng.normal(size=outputs)
    layer = Layer(rows, rng.normal(size=(outputs, hidden)), base)
    return layer, layer.flip(rng.random(hidden) < 0.5)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 3), st.integers(0, 10**6))
def test_finds_the_orientation(inputs, hidden, outputs, seed):
    hidden = min(hidden, inputs)
    layer, turned = turned_layer(inputs, hidden, outputs, seed)
    found = orient(turned, 1e-10)
    assert found.decided
    assert not found.slope
    np.testing.assert_allclose(found.layer.rows, layer.rows, atol=1e-12)
    np.testing.assert_allclose(found.layer.base, layer.base, atol=1e-9)


@pytest.mark.parametrize("hidden", [24, 28])
def test_more_units_than_inputs(hidden):
    layer, turned = turned_layer(20, hidden, 1, 3)
    found = orient(turned, 1e-10)
    assert found.decided
    np.testing.assert_allclose(found.layer.rows, layer.rows, atol=1e-12)


def test_flipping_keeps_the_function():
    layer, turned = turned_layer(10, 15, 2, 0)
    points = np.column_stack([np.random.default_rng(1).normal(size=(50, 10)), np.ones(50)])
    for output in range(2):
        np.testing.assert_allclose(layer.values(points, output), turned.values(points, output), atol=1e-12)


def test_an_affine_part_that_no_orientation_removes():
    _, turned = turned_layer(20, 8, 1, 0)
    turned.base[0, :-1] += 1.0
    found = orient(turned, 1e-10)
    assert found.slope
    assert found.decided
