"""Far out in the cells of a first layer: all of few, and as many as asked of many."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.samples import in_corners
from divulge.reconstruction.network.known_layers import Dense


def layer_of(units: int, inputs: int, seed: int, pairs: bool) -> Dense:
    rng = np.random.default_rng(seed)
    rows, offsets = rng.standard_normal((units, inputs)), rng.standard_normal(units)
    if pairs:  # clipped units: each row twice, the second one turned over
        rows, offsets = np.concatenate([rows, -rows]), np.concatenate([offsets, 3 - offsets])
    return Dense(rows, offsets).with_passage()


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("units", [3, 7])
def test_each_cell_of_few_is_met_once(units, pairs):
    layer = layer_of(units, 9, 1, pairs)
    points = in_corners(layer, Lines(9, None, np.random.default_rng(0)), 200)
    assert len(points) == 2**units
    assert len(np.unique(layer.levels(points)[:, :units] > 0, axis=0)) == 2**units


def test_of_many_so_many_are_drawn_as_are_asked_for():
    layer = layer_of(20, 25, 2, True)
    points = in_corners(layer, Lines(25, None, np.random.default_rng(0)), 300)
    cells = layer.levels(points)[:, :20] > 0
    assert len(np.unique(cells, axis=0)) == 300
    assert 0.4 < cells.mean() < 0.6


def test_dependent_rows_have_no_such_points():
    points = in_corners(layer_of(12, 9, 3, False), Lines(9, None, np.random.default_rng(0)), 100)
    assert points.shape == (0, 9)
