"""Inputs moved to where many units are on, and fresh answers that end where one is wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.convolutional.ending import Ending
from divulge.reconstruction.convolutional.inputs import fine
from divulge.reconstruction.convolutional.judge import ask_fresh
from divulge.reconstruction.convolutional.last_layer import LastLayer
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.raised import on_at, raised
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_JUDGE, CONV_LAST, Tolerances


def prefix_of(seed, offset=-2.0):
    """Two layers of which the second is seldom on."""
    rng = np.random.default_rng(seed)
    layers = [
        ConvLayer(rng.standard_normal((3, 1, 3, 3)), rng.standard_normal(3), signs=np.ones(3)),
        ConvLayer(rng.standard_normal((4, 3, 3, 3)), np.full(4, 5 * offset), signs=np.ones(4)),
    ]
    return Prefix((1, 9, 9), layers)


@pytest.mark.parametrize("domain", [None, (-2.0, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_more_wanted_units_are_on_at_a_raised_point(domain, seed):
    prefix, lines = prefix_of(seed), Lines(81, domain, np.random.default_rng(seed), 1.0)
    points = fine(lines, prefix.shape, 6)
    wanted = np.arange(4 * 5 * 5) % 3 > 0
    best = raised(prefix, lines, points, wanted)[None]
    assert on_at(prefix, best)[0, wanted].sum() > on_at(prefix, points)[:, wanted].sum(axis=1).max()
    assert domain is None or (best.min() >= domain[0] and best.max() <= domain[1])


@pytest.mark.parametrize("seed", range(3))
def test_a_raised_point_keeps_as_many_features_as_units_on(seed):
    prefix, lines = prefix_of(seed, offset=0.2), Lines(81, None, np.random.default_rng(seed), 1.0)
    wanted = np.ones(4 * 5 * 5, bool)
    before = Prefix(prefix.shape, prefix.layers[:1])
    starts = fine(lines, prefix.shape, 6)
    told = np.minimum(on_at(prefix, starts).sum(axis=1), on_at(before, starts).sum(axis=1)).max()
    best = raised(prefix, lines, starts, wanted)[None]
    assert min(on_at(prefix, best).sum(), on_at(before, best).sum()) >= told


class Answers:
    """A record of a network's answers; those from a number on are of another."""

    tolerances = Tolerances.of(1e-16)

    def __init__(self, network, wrong_from):
        self.network, self.wrong_from = network, wrong_from
        self.points = np.empty((0, network.prefix.size + 1))

    def __len__(self):
        return len(self.points)

    def ask(self, points):
        first = len(self)
        self.points = np.concatenate([self.points, np.column_stack([points, np.ones(len(points))])])
        return np.arange(first, len(self))

    @property
    def pieces(self):
        _, gradients = self.network.answers(self.points[:, :-1], 0)
        gradients[self.wrong_from :] += 1e-3
        return np.column_stack([gradients, np.zeros(len(self))])

    def told(self, rows):
        return self.network.answers(self.points[rows, :-1], 0)[0]


@pytest.mark.parametrize(("wrong_from", "asked"), [(0, 8), (9, 16), (1000, 32)])
def test_fresh_answers_end_where_one_is_wrong(wrong_from, asked):
    network = ConvNetwork(prefix_of(0), np.random.default_rng(1).standard_normal((1, 101)))
    lines, answers = Lines(81, None, np.random.default_rng(2), 1.0), Answers(network, wrong_from)
    ask_fresh(network, answers, lines)
    assert len(answers) == asked


def test_a_copy_that_was_mended_stands_all_fresh_answers_anew():
    network = ConvNetwork(prefix_of(0), np.random.default_rng(1).standard_normal((1, 101)))
    walk = Walk(Answers(network, 1000), Lines(81, None, np.random.default_rng(2), 1.0), network.prefix)
    ending = Ending(lambda _: walk.transcript, [0], walk)
    found = SimpleNamespace(weights=network.weights.T)
    ending.last = SimpleNamespace(cover=lambda: None, weights=lambda *_: found)
    walk.transcript.ask(walk.lines.samples(2))
    for times in (1, 2):
        assert ending._explains_all()
        assert len(walk.transcript) == 2 + times * (CONV_JUDGE.images + CONV_JUDGE.noise)


@pytest.mark.parametrize("seed", range(3))
def test_pixels_at_0_do_not_bound_what_an_answer_tells(seed):
    filters = np.random.default_rng(seed).standard_normal((2, 1, 3, 3))
    prefix = Prefix((1, 5, 5), [ConvLayer(filters, np.ones(2), signs=np.ones(2))])
    lines, wanted = Lines(25, (0.0, 0.5), np.random.default_rng(seed), 1.0), np.ones(18, bool)
    starts = np.stack([np.zeros(25), lines.samples(1)[0]])
    assert on_at(prefix, starts)[0].all()
    assert on_at(prefix, raised(prefix, lines, starts, wanted)[None]).all()


def test_no_more_points_are_made_where_weights_stay_undecided(monkeypatch):
    lines = Lines(81, None, np.random.default_rng(0), 1.0)
    walk = SimpleNamespace(known=prefix_of(0, 0.2), lines=lines, tolerances=Tolerances.of(1e-16))
    last, asked = LastLayer(walk), []
    monkeypatch.setattr(LastLayer, "_open_at", lambda _, points: asked.append(points) or np.ones(100, bool))
    points = fine(walk.lines, walk.known.shape, 4)
    last._turned_on(points)
    assert len(asked) == CONV_LAST.failures + 1


@pytest.mark.parametrize("seed", range(3))
def test_points_that_others_can_do_without_are_left_out(seed):
    lines = Lines(81, None, np.random.default_rng(seed), 1.0)
    prefix = prefix_of(seed, 0.2)
    last = LastLayer(SimpleNamespace(known=prefix, lines=lines, tolerances=Tolerances.of(1e-16)))
    points = np.concatenate([last._turned_on(fine(lines, prefix.shape, 4)), fine(lines, prefix.shape, 3)])
    fewer = last._fewer(points)
    assert len(fewer) < len(points)
    assert (on_at(prefix, fewer).any(axis=0) == on_at(prefix, points).any(axis=0)).all()
    assert not last._open_at(fewer).any()
    unknown = on_at(prefix, points).shape[1] + 1
    assert len(fewer) * (points.shape[1] + 1) >= 1.3 * unknown  # what is left over tests other outputs
