"""Units of a deeper layer that pass for one of a layer's."""

from dataclasses import replace

import numpy as np
from deep_networks import commonest, deeper_unit, parameters, probe_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import joined
from divulge.reconstruction.deep.one_sided import OneSided, one_sided
from divulge.reconstruction.network.known_layers import Dense, Prefix


def found_deeper(seed):
    """Whether a deeper unit among those of a layer is told, and which of that layer are taken for one."""
    network = random_deep(8, 8, 6, 6, 1, seed=seed)
    prefix = Prefix(8, [Dense(*parameters(network)[0])])
    units = joined(units_of(network, 1), deeper_unit(network, commonest(network, seed)))
    lines = Lines(8, None, np.random.default_rng(seed))
    return OneSided(probe_of(network), lines).deeper(prefix, units)


def test_a_deeper_unit_is_told_from_those_of_the_layer():
    found = np.array([found_deeper(seed) for seed in range(6)])
    assert not found[:, :-1].any()
    assert found[:, -1].sum() >= 3  # with few places on one side it stays open


def test_parallel_units_and_turned_layers_are_looked_for_by_themselves():
    network = random_deep(8, 8, 6, 6, 1, seed=0)
    one = units_of(network, 1).take(np.array([0]))
    units = joined(one, replace(one, offsets=one.offsets + 0.5))
    found = OneSided(probe_of(network), Lines(8, None, np.random.default_rng(0)))
    first = Dense(*parameters(network)[0])
    found.deeper(Prefix(8, [first]), units)
    assert len(found.asked) == 2
    found.deeper(Prefix(8, [first]), units)
    assert len(found.asked) == 2
    found.deeper(Prefix(8, [Dense(-first.rows, -first.offsets)]), units)
    assert len(found.asked) == 4


def test_what_shows_on_both_sides_or_seldom_is_not_one_sided():
    side = np.arange(40) < 20
    assert one_sided(side, side)
    assert one_sided(~side, side)
    assert not one_sided(np.arange(40) % 2 == 0, side)
    assert not one_sided(np.arange(40) < 4, side)
    assert not one_sided(np.zeros(40, bool), side)
