import numpy as np
import pytest

from divulge.reference.kink_search import kink_search
from divulge.reference.network import DenseNetwork, NetworkOracle


def random_network(d, h, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((h, d)), rng.standard_normal((1, h))]
    return DenseNetwork(weights, [rng.standard_normal(h), rng.standard_normal(1)])


@pytest.mark.parametrize(("d", "h", "seed"), [(10, 8, 0), (3, 30, 1), (50, 40, 2)])
def test_every_unit_is_found(d, h, seed):
    net = random_network(d, h, seed)
    u, v = np.random.default_rng(seed + 9).standard_normal((2, 2, d))
    oracle = NetworkOracle(net)
    found = kink_search(oracle, u, v, -1e4, 1e4)
    assert found.complete
    assert found.queries == oracle.queries
    for line in range(2):
        t = np.sort(-(net.weights[0] @ u[line] + net.biases[0]) / (net.weights[0] @ v[line]))
        np.testing.assert_allclose(found.t[found.line == line], t[np.abs(t) < 1e4], rtol=1e-8, atol=1e-9)


def test_no_lines_and_a_budget():
    oracle = NetworkOracle(random_network(4, 6, 1))
    empty = kink_search(oracle, np.zeros((0, 4)), np.zeros((0, 4)), -1.0, 1.0)
    assert empty.complete
    assert empty.jumps.shape == (0, 4)
    u, v = np.random.default_rng(1).standard_normal((2, 2, 4))
    found = kink_search(oracle, u, v, -1e4, 1e4, max_queries=12)
    assert not found.complete
    assert found.queries == 12
