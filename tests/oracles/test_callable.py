import numpy as np
import pytest
import torch

from divulge import BudgetExhausted, CallableOracle, OracleError, reconstruct


def test_hands_over_points_and_output():
    def remote(points, output):
        assert points.dtype == np.float64
        return points[:, output], np.eye(3)[[output] * len(points)]

    values, gradients = CallableOracle(remote, 3, output_size=3).query(torch.tensor([[1, 2, 3]]), output=2)
    np.testing.assert_array_equal(values, [3.0])
    np.testing.assert_array_equal(gradients, [[0, 0, 1]])


def test_points_may_be_overwritten():
    def remote(points, output):
        points[:] = 7
        return points[:, 0], points

    points = np.ones((2, 3))
    CallableOracle(remote, 3).query(points)
    np.testing.assert_array_equal(points, 1)


def test_gradients_alone():
    oracle = CallableOracle(lambda points, output: 2 * points, 2, values=False)
    values, gradients = oracle.query([[1.0, 2.0]])
    assert values is None
    np.testing.assert_array_equal(gradients, [[2, 4]])


def test_gradients_alone_must_be_announced():
    with pytest.raises(OracleError, match="returned ndarray; pass values=False"):
        CallableOracle(lambda points, output: points, 2).query([[1.0, 2.0]])


def test_tensors_of_any_kind_are_understood():
    def remote(points, output):
        x = torch.from_numpy(points).float().requires_grad_()
        return (x**2).sum(1, keepdim=True), (2 * x).bfloat16()

    values, gradients = CallableOracle(remote, 2).query([[1.0, 2.0]])
    np.testing.assert_array_equal(values, [5.0])
    np.testing.assert_array_equal(gradients, [[2, 4]])
    assert values.dtype == gradients.dtype == np.float64


def test_a_failure_is_named_and_counted():
    def broken(points, output):
        raise KeyError("token expired")

    oracle = CallableOracle(broken, 2)
    with pytest.raises(OracleError, match="failed on 3 points: KeyError: 'token expired'") as caught:
        oracle.query(np.zeros((3, 2)))
    assert isinstance(caught.value.__cause__, KeyError)
    assert oracle.ledger.total == 3


@pytest.mark.parametrize("error", [BudgetExhausted("over"), KeyboardInterrupt()])
def test_budget_and_interrupts_pass_through(error):
    def stop(points, output):
        raise error

    with pytest.raises(type(error)):
        CallableOracle(stop, 2).query(np.zeros((3, 2)))


def test_refuses_what_cannot_be():
    with pytest.raises(TypeError, match="callable, got int"):
        CallableOracle(3, 2)
    with pytest.raises(ValueError, match="input_size of at least 1, got 0"):
        CallableOracle(print, 0)
    with pytest.raises(ValueError, match=r"float32 or torch.float64, got torch.int32"):
        CallableOracle(print, 2, dtype=torch.int32)


def test_defaults():
    oracle = CallableOracle(print, 2)
    assert oracle.dtype == torch.float64
    assert oracle.domain is None
    assert (oracle.output_size, oracle.output, oracle.kind) == (1, 0, "gradient")


def test_a_function_of_points_alone_will_do_for_one_output():
    values, gradients = CallableOracle(lambda points: (points.sum(1), 0 * points + 1), 3).query(
        np.ones((2, 3))
    )
    np.testing.assert_array_equal(values, [3, 3])
    np.testing.assert_array_equal(gradients, np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"called as fn\(points, output\), it takes \(points\)"):
        CallableOracle(lambda points: points, 3, output_size=2)
    with pytest.raises(TypeError, match=r"fn\(points, output\) or fn\(points\), it takes \(\)"):
        CallableOracle(lambda: None, 3)


@pytest.mark.parametrize(
    "error", [TypeError("unhashable"), NameError("x"), AttributeError("y"), ImportError("z")]
)
def test_mistakes_of_the_callers_code_are_raised(error):
    def broken(points, output):
        raise error

    with pytest.raises(type(error), match=str(error)):
        CallableOracle(broken, 2).query(np.zeros((3, 2)))
    with pytest.raises(type(error), match=str(error)):
        reconstruct(CallableOracle(broken, 2))


RESET = ConnectionError("reset")


def flaky(failures, error=RESET):
    calls = []

    def remote(points, output):
        calls.append(len(points))
        if len(calls) <= failures:
            raise error
        return points.sum(1), 0 * points + 1

    return remote, calls


def test_passing_failures_are_tried_again():
    remote, calls = flaky(2)
    oracle = CallableOracle(remote, 3, retries=2, backoff=0)
    np.testing.assert_array_equal(oracle.query(np.ones((2, 3)))[0], [3, 3])
    assert calls == [2, 2, 2]
    assert oracle.ledger.total == 2


def test_after_the_last_try_it_ends_with_what_is_known():
    remote, calls = flaky(99)
    result = reconstruct(CallableOracle(remote, 3, retries=3, backoff=0))
    assert len(calls) == 4
    assert not result.complete
    assert "ConnectionError: reset" in result.notes[0].sentence


def test_other_failures_are_not():
    remote, calls = flaky(1, KeyError("token"))
    with pytest.raises(OracleError, match="KeyError"):
        CallableOracle(remote, 3, retries=5, backoff=0).query(np.ones((2, 3)))
    assert len(calls) == 1
    remote, calls = flaky(1, KeyError("token"))
    CallableOracle(remote, 3, retries=5, backoff=0, retry_on=(KeyError,)).query(np.ones((2, 3)))
    assert len(calls) == 2


@pytest.mark.parametrize("change", [{"retries": -1}, {"backoff": -1.0}, {"backoff": float("nan")}])
def test_retries_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match="at least 0"):
        CallableOracle(print, 2, **change)
