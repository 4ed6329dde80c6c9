"""Kinks of one line from few answers, against those of the search that has all shown from both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import prefix_of, probe_of, random_deep, victim_of

from divulge import GradientOracle
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.deep.confirm_together import on_first_line
from divulge.reconstruction.settings import SHOWN_ONCE

ENDS = (-1000.0, 1000.0)


def line(seed, size):
    return np.random.default_rng(seed).standard_normal((2, size))


def all_kinks(network, origin, direction):
    low, high = np.array(ENDS)[:, None]
    probe = probe_of(network)
    return probe.kinks(origin[None], direction[None], low, high), len(probe.transcript)


@pytest.mark.parametrize("sizes", [(30, 1, 1, 1), (30, 20, 1), (60, 50, 30, 1), (25, 40, 30, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_all_kinks_are_found_once_all_are_shown_from_both_sides(sizes, seed):
    network, (origin, direction) = random_deep(*sizes, seed=seed), line(seed, sizes[0])
    expected, _ = all_kinks(network, origin, direction)
    search = probe_of(network).shown_once(origin, direction, *ENDS)
    search.run()
    kinks = search.prove(np.empty(0))
    np.testing.assert_allclose(kinks.t, expected.t, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(kinks.jumps, expected.jumps, atol=1e-10)
    np.testing.assert_allclose(kinks.points, origin + kinks.t[:, None] * direction)


@pytest.mark.parametrize("seed", range(3))
def test_one_side_shows_most_kinks_with_fewer_answers(seed):
    network, (origin, direction) = random_deep(100, 80, 60, 1, seed=seed), line(seed, 100)
    expected, asked = all_kinks(network, origin, direction)
    probe = probe_of(network)
    kinks = probe.shown_once(origin, direction, *ENDS).run()
    gap = np.abs(kinks.t[:, None] - expected.t).min(axis=1) / (1 + np.abs(kinks.t))
    assert (gap < 1e-7).sum() > 0.7 * len(expected.t)
    assert len(probe.transcript) < 0.8 * asked


def test_answers_that_lie_on_the_line_are_not_asked_for_again():
    network, (origin, direction) = random_deep(60, 40, 30, 1, seed=0), line(0, 60)
    begun, fresh = probe_of(network), probe_of(network)
    places = np.tan(np.linspace(*np.arctan(np.array(ENDS)), 60))
    begun.pieces(origin + places[:, None] * direction)
    begun.pieces(np.random.default_rng(9).standard_normal((20, 60)))  # off the line
    search = begun.shown_once(origin, direction, *ENDS)
    np.testing.assert_allclose(search.t, places, rtol=1e-9)
    search.run(), fresh.shown_once(origin, direction, *ENDS).run()
    assert len(begun.transcript) - 80 < len(fresh.transcript) - 30
    again = len(begun.transcript)
    begun.shown_once(origin, direction, *ENDS).run()
    assert len(begun.transcript) == again


def test_kinks_that_are_borne_out_are_not_asked_about_again():
    network, (origin, direction) = random_deep(60, 50, 40, 1, seed=1), line(1, 60)
    asked = []
    for share in (0.0, 1.0):
        probe = probe_of(network)
        search = probe.shown_once(origin, direction, *ENDS)
        kinks = search.run()
        before = len(probe.transcript)
        search.prove(kinks.t[: int(share * len(kinks))])
        asked.append(len(probe.transcript) - before)
    assert asked[0] > 0.4 * len(kinks)
    assert asked[1] < 0.2 * asked[0]


@pytest.mark.parametrize("seed", range(3))
def test_units_of_the_first_layer_come_whole_from_the_first_line(seed):
    network, (origin, direction) = random_deep(80, 60, 40, 1, seed=seed), line(seed, 80)
    probe = probe_of(network)
    lines = Lines(80, None, np.random.default_rng(seed))
    kinks = on_first_line(probe, probe.shown_once(origin, direction, *ENDS), lines)
    expected, asked = all_kinks(network, origin, direction)
    assert len(kinks) == len(expected)
    assert len(probe.transcript) < asked
    rows = prefix_of(network, 1).layers[0].rows
    cosine = np.abs(kinks.jumps @ rows.T) / np.linalg.norm(kinks.jumps, axis=1)[:, None]
    cosine /= np.linalg.norm(rows, axis=1)
    assert (cosine > 1 - 1e-9).any(axis=0).mean() > 0.95  # beyond the ends one in 1,500


def test_the_numbers_leave_a_gap_between_a_proof_and_a_split():
    assert SHOWN_ONCE.beside > 2
    assert SHOWN_ONCE.spacings > SHOWN_ONCE.narrow


def test_a_function_that_does_not_change_has_no_kinks():
    network, (origin, direction) = random_deep(20, 8, 6, 1), line(0, 20)
    with torch.no_grad():
        network[4].weight.zero_()
    probe = probe_of(network)
    assert not len(probe.shown_once(origin, direction, *ENDS).run())
    assert len(probe.transcript) == SHOWN_ONCE.first
    lines = Lines(20, None, np.random.default_rng(0))
    assert not len(on_first_line(probe, probe.shown_once(origin, direction, *ENDS), lines))
    assert len(probe.transcript) == SHOWN_ONCE.first


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_in_the_middle_of_a_search_is_not_lost(seed):
    network, (origin, direction) = random_deep(40, 30, 20, 1, seed=seed), line(seed, 40)
    asked = AskedOutput(GradientOracle(victim_of(network), budget=60), 0)
    probe = GradientProbe(Transcript(asked))
    with pytest.raises(Stopped):
        probe.shown_once(origin, direction, *ENDS).run()
    assert len(probe.transcript) == 60
    assert len(probe.shown_once(origin, direction, *ENDS).t) == 60
