"""Answers at hyperplanes of known units tell all rows behind them at once."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, probe_of, random_deep

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.crossings import crossings_on
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import WIDE_SEARCH


class Drawn:
    """Points as a search draws them."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.rng = size, np.random.default_rng(seed)

    def samples(self, count: int) -> np.ndarray:
        return self.rng.standard_normal((count, self.size))


def finding(network, seed):
    known = Known(Prefix(network[0].in_features, [Dense(*parameters(network)[0])]), open_sides=False)
    return Finding(probe_of(network), Drawn(network[0].in_features, seed), known)


@pytest.mark.parametrize("sizes", [(3, 12, 8, 1), (6, 10, 5, 1)])
@pytest.mark.parametrize("seed", range(2))
def test_a_crossing_tells_what_active_units_make_of_a_feature(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    found = finding(network, seed)
    start, end = 10 * found.lines.samples(2)
    found.searched(start, end)
    segment = found.segments[0]
    crossings = crossings_on(found.known, start, end, segment.points, segment.pieces)
    (_, _), (rows, offsets), (weights, _) = parameters(network)
    features = found.known.terms(start + crossings.places[:, None] * (end - start))
    active = (features @ rows.T + offsets > 0) * weights[0]
    assert len(crossings.places) >= 1
    np.testing.assert_allclose(((active @ rows) * crossings.terms).sum(axis=1), crossings.shares, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_are_open_make_every_state_that_is_known(seed):
    network = random_deep(3, 12, 8, 1, seed=seed)
    found = finding(network, seed)
    kinks, layers, units = kinks_of(network, lines=6, seed=seed)
    second = {units[place]: place for place in np.flatnonzero(layers == 1)}
    for place in second.values():
        found.taken(kinks.points[place], kinks.jumps[place])
    for point in 10 * found.lines.samples(WIDE_SEARCH.rays):
        found.absorb(found.searched(found.centre, point))
    rows, offsets = found.rows(by_answers=True)
    star = found.star()
    for number in range(len(found.units)):
        points, states = star.states(number)
        levels = found.known.terms(points) @ rows[number] + offsets[number]
        away = np.abs(levels) > 1e-6 * np.abs(levels).max(initial=0.0)
        np.testing.assert_array_equal(np.sign(levels[away]), states[away])
