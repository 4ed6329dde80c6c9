"""Points where a unit's hyperplane meets a feature's, from an integer programme."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from deep_networks import parameters, prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.missing_entries.by_edges import completed_by_programme
from divulge.reconstruction.deep.missing_entries.by_milp import meeting
from divulge.reconstruction.network.known_layers import Dense
from divulge.reconstruction.settings import MILP

SIZES = (8, 10, 6, 5, 1)


@pytest.mark.parametrize("domain", [None, (np.full(8, -3.0), np.full(8, 3.0))])
def test_a_meeting_lies_on_both_hyperplanes_and_where_all_else_is_known(domain):
    network = random_deep(*SIZES)
    prefix, units = prefix_of(network, 2), units_of(network, 2)
    found = 0
    for unit in range(5):
        for feature in range(6):
            known = np.arange(6) != (feature + 1) % 6
            known[feature] = False
            point = meeting(prefix, units.rows[unit], units.offsets[unit], known, feature, domain)
            if point is None:
                continue
            found += 1
            first, second = (levels[0] for levels in prefix.levels(point[None]))
            size = 1 + np.abs(point).max()
            assert abs(units.rows[unit] @ np.maximum(second, 0) + units.offsets[unit]) < 1e-5 * size
            assert abs(second[feature]) < 1e-5 * size
            assert second[(feature + 1) % 6] < 0
            others = np.concatenate([first, np.delete(second, feature)])
            assert np.abs(others).min() > 0.5 * MILP.room
            assert domain is None or np.abs(point).max() <= 3 + 1e-6
    assert found > 10


def test_none_where_the_unit_is_on_everywhere():
    network = random_deep(*SIZES)
    row = np.abs(np.random.default_rng(0).standard_normal(6))
    assert meeting(prefix_of(network, 2), row, 0.1, np.ones(6, bool), 0, None) is None


def test_none_behind_very_many_units():
    prefix = prefix_of(random_deep(*SIZES), 2)
    wide = Dense(np.ones((MILP.most_units, 6)), np.zeros(MILP.most_units))
    assert meeting(prefix.grown(wide), np.ones(MILP.most_units), -1.0, wide.offsets == 0, 0, None) is None


def test_missing_entries_are_measured_once():
    network = random_deep(*SIZES)
    prefix, units = prefix_of(network, 2), units_of(network, 2)
    known = np.ones(units.rows.shape, bool)
    known[np.arange(5), np.arange(5)] = False
    probe, vain = probe_of(network), Counter()
    lines = Lines(8, None, np.random.default_rng(0))
    partly = replace(units, rows=np.where(known, units.rows, 0.0), known=known)
    whole = completed_by_programme(probe, prefix, partly, lines, vain)
    assert whole.known.sum() > known.sum()
    rows = parameters(network)[2][0]
    true = np.where(whole.known, rows, 0.0)
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    np.testing.assert_allclose(whole.rows, true, atol=1e-8)
    asked = len(probe.answered()[0])
    completed_by_programme(probe, prefix, partly, lines, vain)
    assert len(probe.answered()[0]) == asked
