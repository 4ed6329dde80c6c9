"""Images that are chosen so that known features differ show a channel that is seldom on more often."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.inputs import grainy
from divulge.reconstruction.convolutional.judge import fresh_points
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.unlike import most_unlike
from divulge.reconstruction.settings import CONV_JUDGE

SHAPE = (1, 14, 14)


def prefix_of(rng):
    first = ConvLayer(np.zeros((0, 1, 5, 5)), np.zeros(0), pool=Pool("avg", 2, 2))
    for _ in range(6):
        first.add(rng.standard_normal((1, 5, 5)), 0.1 * rng.standard_normal())
    first.signs = rng.choice([-1.0, 1.0], 6)
    return Prefix(SHAPE, [first, ConvLayer(rng.standard_normal((2, 6, 3, 3)), np.zeros(2))])


def most_up(prefix, points, rng):
    """The highest z at points of a channel that one feature turns on and all others turn off, shape (n,)."""
    filter_ = -rng.uniform(1.0, 3.0, (1, 6, 3, 3))
    filter_[0, rng.integers(6)] = rng.uniform(0.5, 1.0, (3, 3))
    features = prefix.features(prefix.images(points), 1)
    z = torch.nn.functional.conv2d(features, torch.from_numpy(filter_))
    return z.flatten(1).amax(1).numpy()


def test_a_seldom_channel_is_on_at_more_of_the_images_chosen():
    share = []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        prefix, points = prefix_of(rng), grainy(Lines(196, None, rng, 1.0), SHAPE, 1000)
        filters = np.random.default_rng(seed)
        level = np.quantile(most_up(prefix, points, filters), 0.96)
        filters = np.random.default_rng(seed)
        share.append((most_up(prefix, most_unlike(prefix, points, 24), filters) > level).mean())
    assert np.mean(share) > 0.06  # of images as they come it is on at 4 %


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("domain", [None, (0.0, 1.0)])
def test_points_are_chosen_once_each_and_differ_more_than_the_first(seed, domain):
    rng = np.random.default_rng(seed)
    prefix, lines = prefix_of(rng), Lines(196, domain, rng, 1.0)
    points = grainy(lines, SHAPE, 200)
    chosen = most_unlike(prefix, points, 20)
    assert len(np.unique(chosen, axis=0)) == 20
    assert (chosen[:, None] == points).all(axis=2).any(axis=1).all()

    def alike(some):
        rows = prefix.features(prefix.images(some), 1).flatten(1).numpy()
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows @ rows.T - 2 * np.eye(len(rows))).max()

    assert alike(chosen) < alike(points[:20])


def test_there_are_no_more_than_were_drawn_and_features_that_are_all_off_do_no_harm():
    rng = np.random.default_rng(0)
    prefix = prefix_of(rng)
    prefix.layers[0].offsets[:] = -1e6 * prefix.layers[0].signs
    points = rng.standard_normal((5, 196))
    assert len(np.unique(most_unlike(prefix, points, 9), axis=0)) == 5


def test_fresh_points_are_as_many_as_before_and_inside_a_box():
    prefix = prefix_of(np.random.default_rng(1))
    for domain in (None, (0.0, 1.0)):
        points = fresh_points(Lines(196, domain, np.random.default_rng(2), 1.0), prefix)
        assert points.shape == (CONV_JUDGE.images + CONV_JUDGE.noise, 196)
        assert domain is None or (points.min() >= 0 and points.max() <= 1)
