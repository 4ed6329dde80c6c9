import numpy as np
import pytest
import torch
from torch import nn

from divulge import BudgetExhausted, JacobianOracle, OracleError, Victim


def test_all_gradients_for_one_query():
    victim = Victim(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)).double())
    oracle = JacobianOracle(victim, output=2, budget=4)
    points = np.random.default_rng(1).standard_normal((2, 3))
    values, jacobians = oracle.jacobians(points)
    assert oracle.ledger.by_kind == {"jacobian": 2}
    np.testing.assert_allclose(values, victim.values(points), rtol=1e-13)
    assert jacobians.shape == (2, 4, 3)
    for k in range(4):
        np.testing.assert_array_equal(jacobians[:, k], victim.values_and_gradients(points, k)[1])
    one, gradients = oracle.query(points)
    np.testing.assert_array_equal(one, values[:, 2])
    np.testing.assert_array_equal(gradients, jacobians[:, 2])
    with pytest.raises(BudgetExhausted):
        oracle.jacobians(points)


def test_an_empty_batch_and_bad_points():
    oracle = JacobianOracle(Victim(nn.Linear(3, 2)), domain=(0, 1), budget=0)
    values, jacobians = oracle.jacobians(np.zeros((0, 3)))
    assert (values.shape, jacobians.shape) == ((0, 2), (0, 2, 3))
    with pytest.raises(ValueError, match=r"got -1\.0 at coordinate 0 of point 0"):
        oracle.jacobians([[-1, 0, 0]])


def test_other_outputs_of_the_last_answer_cost_nothing():
    victim = Victim(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4)).double())
    oracle = JacobianOracle(victim)
    points = np.random.default_rng(1).standard_normal((2, 3))
    for k in range(4):
        values, gradients = oracle.query(points, k)
        np.testing.assert_allclose(values, victim.values(points)[:, k], rtol=1e-13)
        np.testing.assert_array_equal(gradients, victim.values_and_gradients(points, k)[1])
    assert oracle.ledger.total == 2
    oracle.query(points, 0)  # asked once more
    assert oracle.ledger.total == 4
    oracle.query(points[:1], 1)  # other points
    assert oracle.ledger.total == 5


def test_a_nan_in_another_output_is_refused_all_the_same():
    network = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    with torch.no_grad():
        network[2].bias[1] = torch.nan
    oracle = JacobianOracle(Victim(network))
    oracle.query(np.ones((2, 3)), 0)
    with pytest.raises(OracleError):
        oracle.query(np.ones((2, 3)), 1)
