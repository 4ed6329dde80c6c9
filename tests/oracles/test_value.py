import numpy as np
import pytest
import torch
from torch import nn

from divulge import BudgetExhausted, CallableOracle, OracleError, ValueOracle, Victim


def test_one_value_a_query():
    victim = Victim(nn.Linear(3, 2).double())
    oracle = ValueOracle(victim, output=1, budget=4)
    points = np.arange(6.0).reshape(2, 3)
    values, gradients = oracle.query(points)
    np.testing.assert_array_equal(values, victim.values(points)[:, 1])
    assert gradients is None
    np.testing.assert_array_equal(oracle.query(points, 0)[0], victim.values(points)[:, 0])
    assert (oracle.kind, oracle.has_values, oracle.has_gradients) == ("value", True, False)
    assert oracle.ledger.by_kind == {"value": 4}
    with pytest.raises(BudgetExhausted):
        oracle.query(points)


def test_an_empty_batch_and_a_domain():
    oracle = ValueOracle(Victim(nn.Linear(2, 1)), domain=(0, 1), budget=0)
    values, gradients = oracle.query(np.zeros((0, 2)))
    assert values.shape == (0,)
    assert gradients is None
    assert oracle.dtype == torch.float32
    with pytest.raises(ValueError, match=r"got 2\.0 at coordinate 1 of point 0"):
        oracle.query([[0, 2.0]])


def test_a_callable_that_returns_values_alone():
    oracle = CallableOracle(lambda points, output: points.sum(axis=1), 3, gradients=False)
    values, gradients = oracle.query(np.ones((2, 3)))
    np.testing.assert_array_equal(values, [3, 3])
    assert gradients is None
    assert oracle.ledger.by_kind == {"value": 2}
    assert CallableOracle(print, 2, gradients=False, kind="probability").kind == "probability"
    with pytest.raises(OracleError, match=r"values of shape \(2,\), the oracle returned \(2, 3\)"):
        CallableOracle(lambda points, output: points, 3, gradients=False).query(np.ones((2, 3)))


def test_an_oracle_must_answer_with_something():
    with pytest.raises(ValueError, match="values, gradients or both, got neither"):
        CallableOracle(print, 2, values=False, gradients=False)
