"""Inputs far up combinations of features."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.extreme import few_alone, up_features
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.fresh_convolutional import Fresh
from divulge.reconstruction.settings import Tolerances


def prefix():
    rng = np.random.default_rng(0)
    layers = [
        ConvLayer(rng.standard_normal((2, 1, 3, 3)), np.zeros(2), signs=np.ones(2)),
        ConvLayer(rng.standard_normal((4, 2, 3, 3)), np.zeros(4), signs=np.ones(4)),
    ]
    return Prefix((1, 5, 5), layers)


def inner(known):
    return Prefix(known.shape, known.layers[:-1])


def test_in_a_box_they_are_corners_where_some_pixels_count():
    points = up_features(inner(prefix()), Lines(25, (-1.0, 2.0), np.random.default_rng(1), 1.0), 40)
    at_ends = np.isin(points, (-1.0, 2.0)).sum(axis=1)
    assert at_ends.min() >= 9
    assert points.min() >= -1.0
    assert points.max() <= 2.0


@pytest.mark.parametrize("domain", [None, (-1.0, 1.0)])
def test_they_are_far_up_where_random_points_are_not(domain):
    lines = Lines(25, domain, np.random.default_rng(1), 1.0)
    known = prefix()

    def highest(points):
        z = known.before(known.images(points))[0].flatten(1).abs().max(dim=1).values.numpy()
        return np.median(z / np.linalg.norm(points, axis=1))

    assert highest(up_features(inner(known), lines, 100)) > 1.2 * highest(lines.inside(100))


@pytest.mark.parametrize("domain", [None, (-1.0, 1.0)])
def test_few_features_are_on_alone(domain):
    lines = Lines(25, domain, np.random.default_rng(1), 1.0)
    known = inner(prefix())

    def share_of_largest(points):
        features = known.features(known.images(points), 1).flatten(1)
        return (features.max(dim=1).values / features.sum(dim=1)).median()

    points = few_alone(known, lines, 100)
    assert share_of_largest(points) > 1.5 * share_of_largest(lines.inside(100))
    assert domain is None or np.abs(points).max() <= 1.0


def test_only_a_layer_that_covers_its_map_is_dense():
    known = prefix()
    assert known.ends_dense
    known.layers[-1].padding = (1, 1)
    assert not known.ends_dense
    assert not Prefix(known.shape, known.layers[:1]).ends_dense


def test_behind_a_last_convolution_units_that_noise_does_not_switch_are_switched():
    seen = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        lines, biases = Lines(98, None, rng, 1.0), 0.1 * rng.standard_normal(2)
        known = Prefix((2, 7, 7), [ConvLayer(rng.standard_normal((2, 2, 3, 3)), biases, signs=np.ones(2))])
        weights = np.abs(rng.standard_normal(50))
        weights[rng.permutation(50)[:5]] *= -1

        def switched(points, known=known, weights=weights):
            return (known.features(known.images(points), 1).flatten(1).numpy() @ weights < -0.1).any()

        if switched(lines.inside(1000)):
            continue
        drawn = Fresh(known, lines, Tolerances.of(2e-16)).everywhere()[-1]
        assert drawn.how == "few features up alone"
        seen.append(switched(drawn.points))
    assert len(seen) >= 40
    assert np.mean(seen) >= 0.6
