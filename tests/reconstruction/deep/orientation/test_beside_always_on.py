import numpy as np
import pytest
import torch
from deep_networks import parameters, random_deep

from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.orientation.beside_always_on import common_row, with_unit_always_on
from divulge.reconstruction.deep.partial_rows import segments
from divulge.reconstruction.network.known_layers import Dense, Prefix

SIZES = (30, 16, 8, 8, 1)


def network_with(depth, units, seed):
    """A random network some of whose units at a depth are on everywhere."""
    network = random_deep(*SIZES, seed=seed)
    with torch.no_grad():
        network[2 * depth].bias[units] += 30.0
        behind = network[2 * depth + 2]
        behind.bias -= 30 * behind.weight[:, units].sum(dim=1)  # so that what follows still switches
    return network


def known(network, depth, units, signs):
    """The layers before a depth, and its other units, some of them turned over."""
    layers = [Dense(rows, offsets) for rows, offsets in parameters(network)]
    rows, offsets = (np.delete(part, units, axis=0) for part in parameters(network)[depth])
    sizes = np.linalg.norm(rows, axis=1) * signs
    n, width = rows.shape
    candidates = Candidates(
        rows / sizes[:, None], np.ones((n, width), bool), offsets / sizes, np.ones(n, int), np.zeros((n, 30))
    )
    return Prefix(30, layers[:depth]), candidates


def gradients_of(network, points):
    x = torch.from_numpy(points).requires_grad_()
    return torch.autograd.grad(network(x).sum(), x)[0].numpy()


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_finds_the_row_and_turns_the_others(depth, seed):
    network, rng = network_with(depth, [2], seed), np.random.default_rng(seed)
    count = SIZES[depth + 1] - 1
    signs = rng.choice([-1.0, 1.0], count)
    prefix, units = known(network, depth, [2], signs)
    points = rng.standard_normal((3000, 30))
    layer = with_unit_always_on(prefix, units, points, gradients_of(network, points), 1e-9)
    np.testing.assert_allclose(layer.rows[:-1], units.rows * signs[:, None])
    np.testing.assert_allclose(layer.offsets[:-1], units.offsets * signs)
    true = parameters(network)[depth][0][2]
    assert abs(layer.rows[-1] @ true) > (1 - 1e-10) * np.linalg.norm(true)
    assert (layer.levels(prefix.features(points))[:, -1] > 0).all()


@pytest.mark.parametrize("units", [[], [1, 4]])
def test_takes_nothing_else_for_one(units):
    network, rng = network_with(1, units, 0), np.random.default_rng(0)
    prefix, candidates = known(network, 1, units, np.ones(8 - len(units)))
    points = rng.standard_normal((3000, 30))
    assert with_unit_always_on(prefix, candidates, points, gradients_of(network, points), 1e-9) is None


def test_says_nothing_where_a_unit_is_seen_on_one_side_alone():
    network, rng = network_with(1, [2], 1), np.random.default_rng(1)  # one unit is off at 1 point in 1,000
    prefix, units = known(network, 1, [2], np.ones(7))
    points = rng.standard_normal((500, 30))
    levels = prefix.features(points) @ units.rows.T + units.offsets
    points = points[(levels[:, 3] > 0)]
    assert with_unit_always_on(prefix, units, points, gradients_of(network, points), 1e-9) is None


def test_needs_points():
    network = network_with(1, [2], 0)
    prefix, units = known(network, 1, [2], np.ones(7))
    assert with_unit_always_on(prefix, units, np.zeros((0, 30)), np.zeros((0, 30)), 1e-9) is None


def test_takes_no_row_where_the_known_ones_explain_all():
    rows, prefix = np.eye(3)[:2], Prefix(3, [Dense(np.eye(3), np.zeros(3))])
    points = np.array([[1.0, 1, 1], [2, 1, 1]])
    assert common_row(rows, segments(prefix, points, np.array([[1.0, 2, 0], [2, 1, 0]]))) is None
    row = common_row(rows, segments(prefix, points, np.array([[1.0, 2, 3], [2, 1, 1]])))
    np.testing.assert_allclose(np.abs(row), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_takes_no_row_where_answers_leave_several(seed):
    """With one feature more on than there are known rows any row explains an answer."""
    rng, count = np.random.default_rng(seed), 3
    prefix = Prefix(5, [Dense(np.eye(5), np.zeros(5))])
    rows, missing = rng.standard_normal((2, 5)), rng.standard_normal(5)
    points, gradients = np.empty((2, count, 5))
    for n in range(count):
        on = np.isin(np.arange(5), rng.permutation(5)[:3])
        points[n] = np.where(on, 1.0, -1.0)
        gradients[n] = np.where(on, rng.standard_normal(2) @ rows + rng.uniform(0.5, 2) * missing, 0.0)
    assert common_row(rows, segments(prefix, points, gradients)) is None
