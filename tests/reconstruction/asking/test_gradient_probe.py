"""What an attack on many layers asks, against the network itself."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import prefix_of, probe_of, random_deep, victim_of

from divulge import GradientOracle
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints


@pytest.mark.parametrize("sizes", [(8, 7, 1), (8, 7, 6, 1), (6, 9, 7, 5, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_every_kink_on_a_line_is_found(sizes, seed):
    network, rng = random_deep(*sizes, seed=seed), np.random.default_rng(seed)
    origins, directions = rng.standard_normal((2, 3, sizes[0]))
    low, high = np.array([-50.0, -1.0, 0.0]), np.array([50.0, 2.0, 30.0])
    kinks = probe_of(network).kinks(origins, directions, low, high)
    whole, victim = prefix_of(network, len(sizes) - 2), victim_of(network)
    for i in range(3):
        sweep = SearchedSegment(
            origins[i], directions[i], low[i], high[i], np.empty(0), np.empty((0, sizes[0]))
        )
        nodes = breakpoints(whole, sweep)
        gradients = victim.values_and_gradients(sweep.points((nodes[1:] + nodes[:-1]) / 2), 0)[1]
        jumps = np.diff(gradients, axis=0)
        shows = np.linalg.norm(jumps, axis=1) > 1e-12  # what follows a unit may be dead there
        own = kinks.line == i
        np.testing.assert_allclose(kinks.t[own], nodes[1:-1][shows], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(kinks.jumps[own], jumps[shows], atol=1e-12)
        np.testing.assert_allclose(kinks.points[own], sweep.points(kinks.t[own]))


def test_pieces_are_gradients_and_offsets():
    network, points = random_deep(6, 9, 7, 1), np.random.default_rng(0).standard_normal((20, 6))
    probe = probe_of(network)
    pieces = probe.pieces(points)
    values, gradients = victim_of(network).values_and_gradients(points, 0)
    np.testing.assert_allclose(pieces[:, :-1], gradients, atol=1e-14)
    np.testing.assert_allclose(np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1], values)
    asked, answers = probe.answered()
    np.testing.assert_array_equal(asked, points)
    np.testing.assert_array_equal(answers, pieces)


def test_bends_are_kinks_along_their_normal():
    network, rng = random_deep(8, 7, 1), np.random.default_rng(1)
    probe, layer = probe_of(network), prefix_of(network, 1).layers[0]
    points = rng.standard_normal((7, 8))
    size = np.linalg.norm(layer.rows, axis=1)
    levels = np.diag(layer.levels(points)) / size**2
    on = points - levels[:, None] * layer.rows
    steps = np.full(7, 1e-6)
    assert probe.bends(on, layer.rows, steps).all()
    assert not probe.bends(points, layer.rows, steps).any()
    assert not probe.bends(on, rng.standard_normal((7, 8)), steps).any()
    assert len(probe.bends(on[:0], layer.rows[:0], steps[:0])) == 0


def test_a_search_ends_with_the_budget():
    victim, rng = victim_of(random_deep(8, 7, 6, 1)), np.random.default_rng(2)
    probe = GradientProbe(Transcript(AskedOutput(GradientOracle(victim, budget=25), 0)))
    origins, directions = rng.standard_normal((2, 2, 8))
    with pytest.raises(Stopped, match="budget of 25"):
        probe.kinks(origins, directions, np.full(2, -50.0), np.full(2, 50.0))
    assert len(probe.answered()[0]) == 25
