"""Points right beside the kinks of a copy between vertices of its first layer."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import parameters, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.at_vertices import beside_on_edges
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix


@pytest.mark.parametrize("sizes", [(2, 10, 5, 1), (3, 8, 6, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_a_hyperplane_that_is_a_bit_off_shows_on_edges(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    first, rng = Dense(*parameters(network)[0]), np.random.default_rng(seed)
    _, (rows, offsets), (weights, _) = parameters(network)
    off = rows * (1 + 1e-3 * rng.standard_normal(rows.shape))
    prefix = Prefix(sizes[0], [first])
    copy = DeepModel(
        prefix, Layer(np.column_stack([off, offsets]), weights, np.zeros((sizes[-1], sizes[1] + 1)))
    )
    features = prefix.features(beside_on_edges(copy, Lines(sizes[0], None, rng), 2000))
    wrong = (features @ rows.T + offsets > 0) != (features @ off.T + offsets > 0)
    on = prefix.features(rng.uniform(-9, 9, (10_000, sizes[0]))) @ off.T + offsets > 0
    switching = on.any(axis=0) & ~on.all(axis=0)
    assert switching.any()
    assert wrong.any(axis=0)[switching].all()
