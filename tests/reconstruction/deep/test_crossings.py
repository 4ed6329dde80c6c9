"""Which of two candidates reads the other, where their hyperplanes meet."""

import numpy as np
import pytest
from deep_networks import commonest, deeper_unit, parameters, prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import joined
from divulge.reconstruction.deep.crossings import Crossings, meetings, name
from divulge.reconstruction.deep.regions import FreeLayer


def setting(seed):
    """A network, its first layer, and the units of the second with one of the third among them."""
    network = random_deep(8, 8, 6, 6, 1, seed=seed)
    lines = Lines(8, None, np.random.default_rng(seed))
    prefix = prefix_of(network, 1)
    free = FreeLayer.of(prefix, None, lines.samples(50))
    assert free is not None
    return (
        network,
        prefix,
        free,
        joined(units_of(network, 1), deeper_unit(network, commonest(network, seed))),
        lines,
    )


def test_units_that_read_others_are_told():
    told = []
    for seed in range(6):
        network, prefix, free, units, lines = setting(seed)
        found = Crossings(probe_of(network), lines).deeper(prefix, free, units)
        assert not found[:-1].any()
        told.append(found[-1])
    assert sum(told) >= 2  # where nothing shows at the places that were found it stays open


def test_nothing_is_asked_twice():
    network, prefix, free, units, lines = setting(0)
    probe = probe_of(network)
    crossings = Crossings(probe, lines)
    first = crossings.deeper(prefix, free, units)
    asked = len(probe.answered()[0])
    for _ in range(8):
        again = crossings.deeper(prefix, free, units)
    np.testing.assert_array_equal(first, again)
    assert len(probe.answered()[0]) == asked


@pytest.mark.parametrize("seed", range(3))
def test_meetings_lie_on_both_hyperplanes(seed):
    network, prefix, free, units, lines = setting(seed)
    pairs = np.array([[0, 1], [2, 3], [4, 5]])
    which, points = meetings(prefix, free, units, pairs, lines)
    assert len(which)
    rows, offsets = parameters(network)[1]
    for pair, point in zip(pairs[which], points, strict=True):
        levels = prefix.features(point[None])[0] @ rows[pair].T + offsets[pair]
        assert np.abs(levels).max() < 1e-8 * (1 + np.linalg.norm(point))


def test_a_unit_has_one_name_whichever_way_it_is_held():
    row = np.array([0.1, -0.9, 0.0])
    assert name(row, 0.3) == name(-row, -0.3) != name(row, -0.3)


def test_a_unit_keeps_its_name_when_rounding_turns_an_entry_negative():
    assert name(np.array([0.5, 1e-9]), 0.3) == name(np.array([0.5, -1e-9]), 0.3)
