"""Points where some features are far larger than others."""

from __future__ import annotations

import numpy as np
from deep_networks import prefix_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.extreme_points import climbed

SIZES = (20, 16, 8, 1)


def test_rare_units_are_on_more_often():
    prefix = prefix_of(random_deep(*SIZES), 2)
    lines = Lines(20, None, np.random.default_rng(0))
    points = lines.samples(4000)
    rows = np.random.default_rng(1).standard_normal((40, 8))
    usual = prefix.features(points) @ rows.T
    offsets = -np.quantile(usual, 0.999, axis=0)  # units that are on at a thousandth of the points
    after = (prefix.features(climbed(prefix, points, lines)) @ rows.T + offsets > 0).mean(axis=0)
    assert np.median(after) > 0.02
    assert (after > 0.001).mean() > 0.8


def test_a_box_is_kept():
    prefix = prefix_of(random_deep(*SIZES), 2)
    lines = Lines(20, (np.full(20, -1.0), np.full(20, 2.0)), np.random.default_rng(0))
    points = climbed(prefix, lines.samples(50), lines)
    assert points.shape == (50, 20)
    assert points.min() >= -1
    assert points.max() <= 2


def test_no_points():
    prefix = prefix_of(random_deep(*SIZES), 1)
    assert climbed(prefix, np.empty((0, 20)), Lines(20, None, np.random.default_rng(0))).shape == (0, 20)
