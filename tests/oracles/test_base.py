import numpy as np
import pytest
import torch
from torch import nn

from divulge import BudgetExhausted, CallableOracle, GradientOracle, OracleError, Victim


def linear(points, output):
    return points.sum(axis=1), np.ones_like(points)


def test_checks_the_shape_of_points():
    oracle = CallableOracle(linear, 784)
    with pytest.raises(ValueError, match=r"expected points of shape \(n, 784\), got \(32, 28, 28\)"):
        oracle.query(np.zeros((32, 28, 28)))
    with pytest.raises(ValueError, match=r"got \(784,\)"):
        oracle.query(np.zeros(784))
    assert oracle.ledger.total == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_must_be_finite(bad):
    points = np.zeros((3, 2))
    points[1, 1] = bad
    oracle = CallableOracle(linear, 2)
    with pytest.raises(ValueError, match=f"got {bad} at coordinate 1 of point 1"):
        oracle.query(points)
    assert oracle.ledger.total == 0


def test_points_must_be_real():
    with pytest.raises(TypeError, match="complex128"):
        CallableOracle(linear, 2).query(np.zeros((1, 2), dtype=complex))


def test_budget_is_kept_and_nothing_is_asked_beyond_it():
    asked = []

    def record(points, output):
        asked.append(len(points))
        return linear(points, output)

    oracle = CallableOracle(record, 2, budget=5)
    oracle.query(np.zeros((4, 2)))
    with pytest.raises(BudgetExhausted, match="4 were asked and 2 more were needed, 1 remain"):
        oracle.query(np.zeros((2, 2)))
    oracle.query(np.zeros((1, 2)))
    assert asked == [4, 1]
    assert oracle.ledger.by_kind == {"gradient": 5}


def test_an_empty_batch_costs_nothing():
    values, gradients = CallableOracle(linear, 3, budget=0).query(np.zeros((0, 3)))
    assert values.shape == (0,)
    assert gradients.shape == (0, 3)


def test_domain_is_a_box():
    oracle = CallableOracle(linear, 3, domain=(0, [1, 2, 3]))
    low, high = oracle.domain
    np.testing.assert_array_equal(low, np.zeros(3))
    np.testing.assert_array_equal(high, [1, 2, 3])
    oracle.query([[0, 2, 3]])
    with pytest.raises(ValueError, match=r"got 2.5 at coordinate 1 of point 1, outside \[0.0, 2.0\]"):
        oracle.query([[0, 2, 3], [0, 2.5, 3]])
    assert oracle.ledger.total == 1


def test_rounding_onto_a_face_is_forgiven_and_undone():
    seen = []

    def record(points, output):
        seen.append(points.copy())
        return linear(points, output)

    CallableOracle(record, 1, domain=(0.5, 1)).query([[1 + 3e-16], [0.5 - 2e-16]])
    np.testing.assert_array_equal(seen[0], [[1.0], [0.5]])


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ((0, 0), "low 0.0 and high 0.0 in coordinate 0"),
        (([0, 1], [1, 0.5]), "low 1.0 and high 0.5 in coordinate 1"),
        ((0, np.inf), "high to be finite, got inf"),
        ((np.zeros(3), 1), r"of shape \(2,\), got \(3,\)"),
        (5, r"of the form \(low, high\), got 5"),
    ],
)
def test_refuses_a_degenerate_domain(domain, message):
    with pytest.raises(ValueError, match=message):
        CallableOracle(linear, 2, domain=domain)


@pytest.mark.parametrize("output", [-1, 3])
def test_refuses_an_output_that_is_not_there(output):
    oracle = CallableOracle(linear, 2, output_size=3)
    with pytest.raises(ValueError, match=f"of 3 outputs, got {output}"):
        oracle.query(np.zeros((1, 2)), output)
    with pytest.raises(ValueError, match=f"of 3 outputs, got {output}"):
        CallableOracle(linear, 2, output_size=3, output=output)


def test_an_unknown_number_of_outputs_is_not_checked():
    oracle = CallableOracle(lambda points, output: (points[:, 0] * output, points), 2, output_size=None)
    assert oracle.query([[2.0, 1.0]], 7)[0] == 14


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((np.zeros(2), np.zeros((3, 2))), r"values of shape \(3,\), the oracle returned \(2,\)"),
        ((np.zeros(3), np.zeros((3, 3))), r"gradients of shape \(3, 2\), the oracle returned \(3, 3\)"),
        (([0, np.nan, 0], np.zeros((3, 2))), "value nan for point 1 of 3"),
        ((np.zeros(3), [[0, 0], [0, 0], [0, np.inf]]), "inf at coordinate 1 for point 2 of 3"),
        ((None, np.zeros((3, 2))), "values in the answer, the oracle returned None"),
        ((["a", "b", "c"], np.zeros((3, 2))), "real numbers"),
    ],
)
def test_answers_are_checked(answer, message):
    oracle = CallableOracle(lambda points, output: answer, 2)
    with pytest.raises(OracleError, match=message):
        oracle.query(np.zeros((3, 2)))
    assert oracle.ledger.total == 3


def test_gradient_oracle_answers_for_its_victim():
    victim = Victim(nn.Linear(3, 2).double())
    oracle = GradientOracle(victim, output=1, budget=10)
    points = np.arange(6.0).reshape(2, 3)
    values, gradients = oracle.query(points)
    np.testing.assert_array_equal(values, victim.values(points)[:, 1])
    np.testing.assert_array_equal(gradients, np.repeat(victim.module.weight.detach().numpy()[1:], 2, axis=0))
    np.testing.assert_array_equal(oracle.query(points, 0)[0], victim.values(points)[:, 0])
    assert (oracle.input_size, oracle.output_size, oracle.output) == (3, 2, 1)
    assert oracle.dtype == torch.float64
    assert oracle.has_values
    assert oracle.ledger.remaining == 6


def test_gradient_oracle_without_values():
    oracle = GradientOracle(Victim(nn.Linear(3, 2)), values=False)
    values, gradients = oracle.query(np.zeros((2, 3)))
    assert values is None
    assert gradients.shape == (2, 3)
    assert not oracle.has_values


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ((1, 1 + 1e-15), "sides that are not lost in rounding, got low 1.0"),
        ((0, 1e-300), "got low 0.0 and high 1e-300 in coordinate 0"),
        ((-1e308, 1e308), "between -1e.100 and 1e.100"),
        (([0, 5], [1, 5 + 1e-12]), "in coordinate 1"),
        ("ab", "expected a domain's low to be a number or an array, got 'a'"),
    ],
)
def test_a_domain_without_room_is_refused(domain, message):
    with pytest.raises(ValueError, match=message):
        CallableOracle(linear, 2, domain=domain)


@pytest.mark.parametrize("output", [1.0, 1.7, True, "1"])
def test_an_output_is_a_whole_number(output):
    victim = Victim(nn.Linear(3, 4))
    with pytest.raises(TypeError, match="an output that is a whole number, got"):
        GradientOracle(victim, output=output)
    with pytest.raises(TypeError, match="an output that is a whole number, got"):
        GradientOracle(victim).query(np.zeros((1, 3)), output)
