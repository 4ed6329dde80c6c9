"""Units behind known layers as one layer more, and layers known before the end."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, probe_of, random_deep

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.deep.wide.grow import layer_of, with_beside
from divulge.reconstruction.deep.wide.unfinished import unfinished
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import WIDE_SEARCH


def unit_with(row, known):
    """A unit whose entries are known where said."""
    equations = Equations(len(row))
    for place in np.flatnonzero(known):
        equations.add(np.eye(len(row))[place], float(row[place]))
    return Unit(equations, 1.0)


def test_open_entries_are_handed_on_and_do_not_scale_rows():
    rows = np.array([[3.0, 4.0, 9.0], [0.0, 2.0, 0.0]])
    units = [unit_with(rows[0], [True, True, False]), unit_with(rows[1], [True, True, True])]
    layer, loose = layer_of(units, rows, np.array([5.0, 2.0]))
    np.testing.assert_array_equal(loose, [2])
    np.testing.assert_allclose(layer.rows, [[0.6, 0.8, 1.8], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(layer.offsets, [1.0, 1.0])


def test_what_stands_beside_a_layer_has_no_relu():
    prefix = Prefix(2, [Dense(-np.eye(2), np.zeros(2))])
    grown = with_beside(prefix, np.array([[1.0, 1.0]]))
    np.testing.assert_array_equal(grown.features(np.array([[-3.0, 1.0]])), [[3.0, 0.0, -2.0]])
    assert grown.layers[-1].passage == 1
    assert prefix.layers[-1].passage == 0


class Drawn:
    """Lines of which only the random generator and samples are used."""

    def __init__(self, size):
        self.rng, self.size = np.random.default_rng(0), size

    def samples(self, count):
        return self.rng.standard_normal((count, self.size))


def finding(network, open_sides):
    rows, offsets = parameters(network)[0]
    known = Known(Prefix(rows.shape[1], [Dense(rows, offsets)]), open_sides)
    return Finding(probe_of(network), Drawn(rows.shape[1]), known)


def test_nothing_is_given_while_sides_are_open():
    assert unfinished(finding(random_deep(4, 8, 6, 1, seed=0), open_sides=True)) is None


def test_a_layer_without_units_behind_it_is_given_alone():
    network = random_deep(4, 8, 6, 1, seed=0)
    fit = unfinished(finding(network, open_sides=False))
    assert fit.error == np.inf
    assert fit.model.hidden_sizes == [8]
    np.testing.assert_array_equal(fit.layer.rows[:, :-1], parameters(network)[0][0])


@pytest.mark.parametrize("seed", range(2))
def test_units_found_so_far_are_given_and_nothing_is_asked(seed):
    network = random_deep(4, 8, 6, 1, seed=seed)
    found = finding(network, open_sides=False)
    kinks, layers, _ = kinks_of(network, lines=3, seed=seed)
    for place in np.flatnonzero(layers == 1)[:6]:
        if found.owner(kinks.points[place]) < 0:
            found.taken(kinks.points[place], kinks.jumps[place])
    before = len(found.probe.answered()[0])
    fit = unfinished(found)
    assert fit.model.hidden_sizes == [8, len(found.units)]
    assert len(found.units) > 1
    assert len(found.probe.answered()[0]) == before
    assert np.isfinite(fit.model.pieces(np.ones((1, 4)), 0)).all()


def test_a_kink_of_the_layer_before_is_taken_in_there():
    network = random_deep(4, 8, 6, 5, 1, seed=1)
    first = finding(network, open_sides=False)
    kinks, layers, units = kinks_of(network, lines=8, seed=1)
    second = {units[place]: place for place in np.flatnonzero(layers == 1)}
    *others, other = second.values()
    for place in others:
        first.taken(kinks.points[place], kinks.jumps[place])
    assert first.owner(kinks.points[other]) < 0
    grown = first.known.prefix.grown(layer_of(first.units, *first.rows(by_answers=False))[0])
    behind = Finding(first.probe, first.lines, Known(grown, open_sides=True), first)
    assert not behind.outdated
    behind.absorb(kinks.take(np.array([other])))
    assert behind.outdated
    assert not behind.units
    assert first.owner(kinks.points[other]) >= 0


def test_units_met_on_one_line_alone_keep_the_search_up():
    network = random_deep(4, 8, 6, 1, seed=0)
    found = finding(network, open_sides=False)
    known = np.ones(8, bool)
    found.units = [unit_with(row, known) for row in parameters(network)[1][0]]
    often, once = Counter(range(6)), Counter(range(6))
    often.update(range(6))
    assert found.idle_then(often) == WIDE_SEARCH.idle_then
    assert found.idle_then(once) == WIDE_SEARCH.idle_rare
    often.subtract([3])
    assert found.idle_then(often) == WIDE_SEARCH.idle_rare
