"""Entries that no jump has shown: measured at edges, or all of a row at once; both are the true ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, prefix_of, probe_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import group, merge
from divulge.reconstruction.deep.missing_entries.by_edges import complete
from divulge.reconstruction.deep.missing_entries.by_lifting import whole_rows
from divulge.reconstruction.deep.partial_rows import segments
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.settings import EDGES


def partly_known(network, depth, seed):
    """One candidate for every unit that kinks show, as far as they show it, and the true rows, scaled."""
    kinks, layer, unit = kinks_of(network, lines=6, seed=seed)
    found = segments(prefix_of(network, depth), kinks.points, kinks.jumps)
    own = np.flatnonzero((layer == depth) & found.determined & (found.masks.sum(axis=1) > 1))
    _, first = np.unique(unit[own], return_index=True)
    units = merge(found.take(own[first]), np.arange(len(first)))
    rows = parameters(network)[depth][0][unit[own[first]]]
    return units, rows


def worst(units, rows):
    """Largest error of the entries that are known, each row scaled to fit."""
    true = np.where(units.known, rows, 0.0)
    scale = (units.rows * true).sum(axis=1) / (true**2).sum(axis=1)
    return np.abs(units.rows - scale[:, None] * true).max()


@pytest.mark.parametrize("seed", range(4))
def test_whole_rows_where_the_first_layer_is_free(seed):
    network = random_deep(14, 10, 7, 1, seed=seed)
    units, rows = partly_known(network, 1, seed)
    assert not units.known.all()
    rng = np.random.default_rng(seed)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((30, 14)))
    assert free is not None
    found = whole_rows(probe_of(network), free, units, Lines(14, None, rng))
    assert found.known.all(axis=1).mean() > 0.8
    assert worst(found, rows) < 1e-9
    np.testing.assert_allclose(np.linalg.norm(found.rows, axis=1), 1.0)


@pytest.mark.parametrize(("sizes", "depth"), [((14, 10, 7, 6, 1), 2), ((8, 12, 6, 1), 1)])
@pytest.mark.parametrize("seed", range(3))
def test_entry_by_entry_elsewhere(sizes, depth, seed):
    network = random_deep(*sizes, seed=seed)
    units, rows = partly_known(network, depth, seed)
    probe = probe_of(network)
    found = complete(
        probe, prefix_of(network, depth), units, Lines(sizes[0], None, np.random.default_rng(seed))
    )
    assert (found.known | ~units.known).all()
    assert found.known.sum() > units.known.sum()
    assert worst(found, rows) < 1e-9


def test_entry_by_entry_in_a_box():
    network = random_deep(14, 10, 7, 1)
    units, rows = partly_known(network, 1, 0)
    box = (-4.0, 4.0)
    lines = Lines(14, (np.full(14, -4.0), np.full(14, 4.0)), np.random.default_rng(0))
    inside = np.abs(units.points).max(axis=1) < 4
    units = units.take(inside)
    probe = probe_of(network, domain=box)
    found = complete(probe, prefix_of(network, 1), units, lines)
    assert found.known.sum() > units.known.sum()
    assert worst(found, rows[inside]) < 1e-9
    assert np.abs(probe.answered()[0]).max() <= 4


def test_known_rows_cost_nothing():
    network = random_deep(14, 10, 7, 1)
    units, _ = partly_known(network, 1, 0)
    units = replace(units, known=np.ones_like(units.known))
    probe = probe_of(network)
    complete(probe, prefix_of(network, 1), units, Lines(14, None, np.random.default_rng(0)))
    assert not len(probe.answered()[0])


def test_an_invented_unit_is_not_completed():
    network = random_deep(14, 10, 7, 1)
    units, _ = partly_known(network, 1, 0)
    rows = np.random.default_rng(0).permuted(units.rows, axis=1) * units.known
    invented = replace(units, rows=rows / np.linalg.norm(rows, axis=1)[:, None])
    rng = np.random.default_rng(1)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((30, 14)))
    assert free is not None
    found = whole_rows(probe_of(network), free, invented, Lines(14, None, rng))
    np.testing.assert_array_equal(found.known, units.known)


def test_completed_units_can_be_grouped():
    network = random_deep(14, 10, 7, 1)
    units, _ = partly_known(network, 1, 0)
    found = complete(
        probe_of(network), prefix_of(network, 1), units, Lines(14, None, np.random.default_rng(0))
    )
    assert len(set(group(found.segments(), 1e-6, 3))) == len(units)


def test_entries_asked_for_in_vain_are_left():
    """An invented unit has no kinks at the edges predicted for it; each entry is tried a few times."""
    network = random_deep(14, 10, 7, 6, 1)
    units, _ = partly_known(network, 2, 0)
    rows = np.random.default_rng(0).permuted(units.rows, axis=1) * units.known
    invented = replace(units, rows=rows / np.linalg.norm(rows, axis=1)[:, None])
    probe, vain, asked = probe_of(network), Counter(), [0]
    lines = Lines(14, None, np.random.default_rng(0))
    for _ in range(3 * EDGES.most_vain):
        assert complete(probe, prefix_of(network, 2), invented, lines, vain).known.sum() == units.known.sum()
        asked.append(len(probe.answered()[0]))
    assert 0 < asked[1] < asked[-1] <= 2 * EDGES.most_vain * (~units.known).sum()
    assert max(vain.values()) == EDGES.most_vain
