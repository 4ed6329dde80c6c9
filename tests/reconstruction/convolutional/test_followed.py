"""Windows with more features than a kink has pixels: units of the next layer are followed."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from conv_networks import conv, conv_net, error_of, filter_error, kinds, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.elsewhere import shows_elsewhere
from divulge.reconstruction.convolutional.followed import Follower
from divulge.reconstruction.convolutional.followed_sides import sides_followed
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.patches import box_of
from divulge.reconstruction.convolutional.sides import read_sides
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_FOLLOWED

SHAPE = (1, 9, 9)


def victim(slope, seed, channels=6):
    """Two layers of 3x3: a window has 9 features a channel, and 25 pixels."""
    parts = [conv(1, channels, 3), lambda: nn.LeakyReLU(slope), conv(channels, 4, 3), nn.ReLU]
    return conv_net(SHAPE, *parts, outputs=1, seed=seed)


def walk_of(net, seed=0):
    """A walk along a network's output, and signs that turn the first layer it knows as the network has it."""
    weights, bias = net[0].weight.detach().numpy(), net[0].bias.detach().numpy()
    layer = ConvLayer(np.zeros((0, *weights.shape[1:])), np.zeros(0))
    for filter_, offset in zip(weights, bias, strict=True):
        layer.add(filter_, float(offset))
    transcript = Transcript(AskedOutput(GradientOracle(victim_of(net, SHAPE)), 0))
    lines = Lines(81, None, np.random.default_rng(seed), 1.0)
    signs = np.sign((layer.filters * weights).sum(axis=(1, 2, 3)))
    return Walk(transcript, lines, Prefix(SHAPE, [layer])), signs


def kinks_of(walk, size, count):
    """So many kinks whose jumps cover a square of so many pixels, or all of less."""
    found = []
    while len(found) < count:
        found += [kink for kink in walk.step() if box_of(kink, SHAPE).size == (size, size)]
    return found


@pytest.mark.parametrize(("slope", "seed"), [(0.0, 0), (0.0, 1), (0.2, 2)])
def test_sides_that_no_single_kink_tells(slope, seed):
    net = victim(slope, seed)
    walk, signs = walk_of(net, seed)
    kinks = kinks_of(walk, 5, 3)
    assert read_sides(walk.known, kinks, walk.lines.rng, 1e-7) is None
    sides = sides_followed(walk, kinks)
    assert sides is not None
    assert np.array_equal(sides.layer.signs, signs)
    assert abs(sides.layer.slope - slope) < 1e-7
    assert sides.frame.pool is None
    assert sides.frame.kernel == (3, 3)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_followed_is_one_unit(seed):
    net = victim(0.0, seed)
    walk, _ = walk_of(net, seed)
    kink = kinks_of(walk, 5, 1)[0]
    top, _, left, _ = box_of(kink, SHAPE)

    def levels(point):
        z = net[:3](walk.known.images(point[None]))[0, :, top, left].detach().numpy()
        return np.abs(z)

    unit = int(levels(kink.point).argmin())
    assert levels(kink.point)[unit] < 1e-9
    followed = list(islice(Follower(walk, 1, kink).kinks(), 6))
    assert len(followed) > 3
    assert all(levels(each.point)[unit] < 1e-9 for each in followed)
    states = walk.known.states(np.stack([each.point for each in followed]))
    assert all((one != other).any() for one, other in pairwise(states))


def test_a_kink_of_another_unit_is_not_the_same():
    walk, _ = walk_of(victim(0.0, 3))
    kinks = kinks_of(walk, 5, 8)
    follower = Follower(walk, 1, kinks[0])
    assert not any(follower.same(kink) for kink in kinks[1:])


def test_a_unit_that_is_lost_ends_it(monkeypatch):
    walk, _ = walk_of(victim(0.0, 3))
    kink = kinks_of(walk, 5, 1)[0]
    monkeypatch.setattr(Follower, "same", lambda *_: False)
    asked = len(walk.transcript)
    assert len(list(Follower(walk, 1, kink).kinks())) == 1
    assert len(walk.transcript) - asked <= 100 * CONV_FOLLOWED.tries


@pytest.mark.parametrize("seed", range(2))
def test_a_filter_shows_elsewhere_and_a_pattern_of_features_does_not(seed):
    walk, _ = walk_of(victim(0.0, seed))
    own, walk.known.layers = walk.known.layers, []
    filters, deeper = kinks_of(walk, 3, 2), kinks_of(walk, 5, 2)
    walk.known.layers = own
    assert all(shows_elsewhere(walk, kink, box_of(kink, SHAPE)) for kink in filters)
    assert not any(shows_elsewhere(walk, kink, box_of(kink, SHAPE)) for kink in deeper)


VICTIMS = {
    "1x5": ((1, 10, 10), [conv(1, 4, (1, 5)), nn.ReLU, conv(4, 5, 3), nn.ReLU]),
    "7x7": ((1, 13, 13), [conv(1, 3, 3), nn.ReLU, conv(3, 4, 7), nn.ReLU]),
    "in groups": ((1, 11, 11), [conv(1, 4, 5), nn.ReLU, conv(4, 6, 3, groups=2), nn.ReLU]),
}


@pytest.mark.parametrize("name", VICTIMS)
def test_such_networks_are_found(name):
    shape, parts = VICTIMS[name]
    net = conv_net(shape, *parts, outputs=1, seed=4)
    oracle = GradientOracle(victim_of(net, shape), budget=4000)
    result = reconstruct(oracle, seed=1, input_shape=shape)
    assert result.complete, result.notes
    assert filter_error(result, net) < 1e-8
    assert all(error_of(result, net, shape, scale) < 1e-8 for scale in (0.3, 1.0, 10.0, 30.0))
    assert kinds(result.module) == kinds(net)
