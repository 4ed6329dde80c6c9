"""Sides of layers as wide as those before them."""

import numpy as np
import pytest
import torch
from deep_networks import parameters, probe_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.orientation.by_spans import turned_by_spans
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix

SIZES = (8, 8, 8, 8, 1)


def known(network, depth, left_out, signs):
    """The layers before a depth, and its other units, some of them turned over."""
    layers = [Dense(rows, offsets) for rows, offsets in parameters(network)]
    rows, offsets = (np.delete(part, left_out, axis=0) for part in parameters(network)[depth])
    sizes = np.linalg.norm(rows, axis=1) * signs
    n, d = len(rows), network[0].in_features
    units = Candidates(
        rows / sizes[:, None], np.ones(rows.shape, bool), offsets / sizes, np.ones(n, int), np.zeros((n, d))
    )
    return Prefix(d, layers[:depth]), units


def turned(network, depth, left_out=(), seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], SIZES[depth + 1] - len(left_out))
    prefix, units = known(network, depth, list(left_out), signs)
    pool = Pool(probe_of(network), Lines(SIZES[0], None, rng))
    return turned_by_spans(pool, prefix, units, 1e-7), units, signs


@pytest.mark.parametrize(
    ("depth", "seed"), [(1, 0), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (2, 4)]
)  # of (2, 0) one unit is never on
def test_all_units_are_turned_the_right_way(depth, seed):
    layer, units, signs = turned(random_deep(*SIZES, seed=seed), depth, seed=seed)
    np.testing.assert_allclose(layer.rows, units.rows * signs[:, None])
    np.testing.assert_allclose(layer.offsets, units.offsets * signs)


@pytest.mark.parametrize("seed", range(4))
def test_a_unit_on_everywhere_is_found_beside_the_others(seed):
    network = random_deep(*SIZES, seed=seed)
    with torch.no_grad():
        network[2].weight[3].abs_()
        network[2].bias[3] = 1.0
    layer, units, signs = turned(network, 1, (3,), seed)
    np.testing.assert_allclose(layer.rows[:-1], units.rows * signs[:, None])
    true = parameters(network)[1][0][3]
    assert abs(layer.rows[-1] @ true) > (1 - 1e-9) * np.linalg.norm(true)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_said_where_a_unit_is_missing(seed):
    assert turned(random_deep(*SIZES, seed=seed), 1, (3, 5), seed)[0] is None
