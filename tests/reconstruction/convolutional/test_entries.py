"""Entries of channels: solved for from a kink, and aimed at where no kink has shown them."""

from __future__ import annotations

import numpy as np
import pytest
from conv_networks import conv, conv_net, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.aimed import Channel
from divulge.reconstruction.convolutional.completing import Completing
from divulge.reconstruction.convolutional.equations import Equations
from divulge.reconstruction.convolutional.inputs import fine
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.walk import Answer, Kink, Walk
from divulge.reconstruction.convolutional.window import Origin, Shown, completed

RNG = np.random.default_rng(0)


def view_of(weights, size=40):
    """What a window of features shows at a kink of a channel, weights (q + 1,)."""
    rows = RNG.standard_normal((len(weights) - 1, size))
    values = RNG.standard_normal(len(weights) - 1)
    values -= weights[:-1] * (weights[:-1] @ values + weights[-1]) / (weights[:-1] @ weights[:-1])
    jump = 3.0 * weights[:-1] @ rows
    return Shown(rows, values, Kink(np.zeros(size), jump, 1e-16, np.zeros((2, size))))


def test_a_kink_tells_the_entries_that_are_not_known():
    weights = RNG.standard_normal(13)
    known = np.arange(13) % 3 > 0
    found = completed(view_of(weights), np.where(known, weights, 0.0), known, 1e-9)
    assert found is not None
    assert found.known.all()
    assert np.allclose(found.weights, weights, atol=1e-10)


def test_a_kink_of_another_channel_tells_nothing():
    known = np.arange(13) % 3 > 0
    assert completed(view_of(RNG.standard_normal(13)), RNG.standard_normal(13), known, 1e-9) is None


def test_a_kink_with_too_few_equations_tells_nothing():
    weights = RNG.standard_normal(13)
    known = np.arange(13) < 2
    assert completed(view_of(weights, size=8), np.where(known, weights, 0.0), known, 1e-9) is None


def prefix_of(pool):
    first = ConvLayer(
        RNG.standard_normal((3, 1, 3, 3)), 0.3 * RNG.standard_normal(3), signs=np.ones(3), pool=pool
    )
    size = 2 if pool else 3
    second = ConvLayer(RNG.standard_normal((2, 3, size, size)), RNG.standard_normal(2))
    return Prefix((1, 10, 10), [first, second])


@pytest.mark.parametrize("pool", [None, Pool("avg", 2, 2), Pool("max", 2, 2)])
def test_an_aim_is_on_the_hyperplane_with_the_features_just_on(pool):
    prefix = prefix_of(pool)
    entries = prefix.layers[1].filters[0].size
    known = np.ones(entries + 1, bool)
    known[[0, 5, 9]] = False
    channel = Channel(prefix, 1, Row(np.ones(entries + 1), known), 0)
    aim = channel.aim(RNG.standard_normal(100), Origin(1, 1), 1e-4, 64)
    assert aim is not None
    kernel = prefix.layers[1].kernel
    maps = prefix.features(prefix.images(aim.point[None]), 1)[0].numpy()
    window = maps[:, 1 : 1 + kernel[0], 1 : 1 + kernel[1]].ravel()
    level = window @ prefix.layers[1].filters[0].ravel() + prefix.layers[1].offsets[0]
    assert (window[~known[:-1]] > 0).all()
    assert (window[~known[:-1]] < 2e-4).all()
    assert abs(level) < 1e-3


def test_units_that_few_answers_show_keep_their_equations():
    prefix = prefix_of(None)
    prefix.layers[1].signs = np.ones(2)
    prefix.layers[1].offsets = np.array([0.0, -60.0])  # the second channel is hardly ever on
    points = RNG.standard_normal((60, 100))
    points[0] *= 40.0
    equations = Equations(prefix, lambda point: moving(prefix, point, 2))
    found = equations.solve(points, np.zeros((60, 100, 1)), np.zeros((60, 1)))
    assert found.seen[len(found.seen) // 2 :].any()
    assert found.unique


def test_a_kink_beside_a_unit_that_is_known_by_now_is_not_alone():
    prefix = Prefix((1, 4, 4), [ConvLayer(np.ones((1, 1, 2, 2)), np.zeros(1))])
    walk = Walk.__new__(Walk)
    walk.known = prefix
    here, there = np.ones(16), -np.ones(16)
    assert walk.alone(Kink(here, here, 0.0, np.stack([here, 2 * here])))
    assert not walk.alone(Kink(here, here, 0.0, np.stack([here, there])))


def test_a_unit_known_in_part_does_not_part_a_step():
    prefix = Prefix((1, 2, 2), [ConvLayer(np.ones((1, 1, 2, 2)), np.zeros(1))])
    walk = Walk.__new__(Walk)
    walk.known = prefix
    here = np.ones(4)
    assert walk._cut(here, -here, [])[1] == 1
    assert walk._cut(here, -here, [0]) == (0.5, 0)


@pytest.mark.parametrize("seed", range(3))
def test_entries_aimed_at_beside_a_hyperplane_take_two_or_three_queries(seed):
    net = conv_net((1, 12, 12), conv(1, 3, 3), nn.ReLU, conv(3, 4, 3), nn.ReLU, outputs=1, seed=seed)
    asked = []

    def counted(self, row, aim, origin):
        before, missing = len(self.walk.transcript), int((~row.known).sum())
        taught = shown_across(self, row, aim, origin)
        if taught and missing > 1 and row.whole:
            asked.append(len(self.walk.transcript) - before)
        return taught

    shown_across = Completing._shown_across
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Completing, "_shown_across", counted)
        result = reconstruct(GradientOracle(victim_of(net, (1, 12, 12))), seed=seed, input_shape=(1, 12, 12))
    assert result.complete, result.notes
    assert asked
    assert np.median(asked) <= 3


def test_fine_noise_stays_in_a_box():
    lines = Lines(12, (np.full(12, -1.0), np.full(12, 3.0)), np.random.default_rng(0), 1.0)
    points = fine(lines, (3, 2, 2), 50)
    assert points.shape == (50, 12)
    assert points.min() >= -1.0
    assert points.max() <= 3.0


def test_a_kink_tells_that_entries_which_are_not_known_are_0():
    weights = RNG.standard_normal(13)
    known = np.arange(13) % 3 > 0
    weights[~known] = 0.0
    found = completed(view_of(weights), weights, known, 1e-9)
    assert found is not None
    assert found.known.all()
    assert np.allclose(found.weights, weights, atol=1e-10)


def a_walk_that_knows_a_unit(seed):
    """A walk, two points between which one unit alone of the known layers switches, and its number."""
    rng = np.random.default_rng(seed)
    shape = (1, 5, 5)
    layer = ConvLayer(rng.standard_normal((2, 1, 3, 3)), rng.standard_normal(2), signs=np.ones(2))
    transcript = Transcript(AskedOutput(GradientOracle(victim_of(conv_net(shape, conv(1, 2, 3)), shape)), 0))
    walk = Walk(transcript, Lines(25, None, rng, 1.0), Prefix(shape, [layer]))
    point = rng.standard_normal(25)
    unit = int(rng.integers(walk.known.sizes()[0]))
    slope = walk.known.gradients(point, np.array([unit]))[0]
    z = float(layer.before(walk.known.images(point[None]))[0].reshape(-1)[unit])
    at = point - z * slope / (slope @ slope)
    across = 1e-4 * slope / np.linalg.norm(slope)
    return walk, (at - across, at + across), unit, slope


@pytest.mark.parametrize("seed", range(4))
def test_a_known_unit_that_switches_as_predicted_is_a_kink(seed):
    walk, ends, unit, slope = a_walk_that_knows_a_unit(seed)
    gradient = np.random.default_rng(seed).standard_normal(25)
    way = ends[1] - ends[0]
    jump = -0.7 * slope
    before = Answer(ends[0], 0.0, gradient)
    after = Answer(ends[1], float(gradient @ way + jump @ way / 2), gradient + jump)
    (kink,) = walk.as_predicted(before, after, [unit])
    assert np.allclose(kink.point, (ends[0] + ends[1]) / 2)
    assert np.allclose(kink.jump, jump)
    assert walk.as_predicted(before, after, [unit + 1]) == []
    assert walk.as_predicted(before, after, []) == []
    more = Answer(after.point, after.value, after.gradient + np.random.default_rng(9).standard_normal(25))
    assert walk.as_predicted(before, more, [unit]) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_unit_behind_which_the_gradient_does_not_change_is_no_kink(seed):
    """Rounding has a crossing of tangents, too."""
    walk, ends, unit, _ = a_walk_that_knows_a_unit(seed)
    gradient = np.random.default_rng(seed).standard_normal(25)
    way, rounded = ends[1] - ends[0], gradient * (1 + 2.0**-51)
    before = Answer(ends[0], 0.0, gradient)
    value = (gradient @ way + rounded @ way) / 2
    assert walk.as_predicted(before, Answer(ends[1], float(value), rounded), [unit]) == []


def test_all_numbers_of_answers_are_solved_where_that_is_asked_for():
    prefix = Prefix((1, 2, 2), [])
    equations = Equations(prefix, lambda point: moving(prefix, point, 0), most=np.inf)
    equations.count = 1
    parts = [(np.array([0]), np.ones((9, 1)))] * 5
    assert [len(drawn) for drawn in equations._drawn(parts, 9)] == [9] * 5
