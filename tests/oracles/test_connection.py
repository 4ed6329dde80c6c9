"""Batches, rates and retries of calls to an API."""

from types import SimpleNamespace

import numpy as np
import pytest

from divulge import CallableOracle, OracleError
from divulge.oracles import LiveOracle, connection
from divulge.oracles.connection import retry_after

X = np.arange(14.0).reshape(7, 2)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping turns."""
    time = SimpleNamespace(now=100.0, slept=[])

    def sleep(seconds):
        time.slept.append(seconds)
        time.now += seconds

    monkeypatch.setattr(connection.time, "sleep", sleep)
    monkeypatch.setattr(connection.time, "monotonic", lambda: time.now)
    return time


def test_calls_are_no_larger_than_the_batch():
    sizes = []

    def ask(points):
        sizes.append(len(points))
        return points[:, 0], points

    values, gradients = CallableOracle(ask, 2, batch=3).query(X)
    assert sizes == [3, 3, 1]
    np.testing.assert_array_equal(values, X[:, 0])
    np.testing.assert_array_equal(gradients, X)


def test_calls_come_no_faster_than_allowed(clock):
    CallableOracle(lambda p: (p[:, 0], p), 2, batch=2, per_second=4).query(X)
    assert clock.slept == pytest.approx([0.25] * 3)


def test_repeated_calls_wait_their_turn_too(clock):
    calls = []

    def flaky(points):
        calls.append(clock.now)
        if len(calls) == 1:
            raise OSError("429")
        return points[:, 0], points

    CallableOracle(flaky, 2, per_second=0.5, retries=1, backoff=0.0).query(X)
    assert np.diff(calls) == pytest.approx([2.0])


def test_a_batch_that_fails_for_good_ends_it():
    def broken(points):
        if points[0, 0]:
            raise OSError("down")
        return points[:, 0], points

    with pytest.raises(OracleError, match=r"failed on 7 points"):
        CallableOracle(broken, 2, batch=3, retries=1, backoff=0.0).query(X)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (SimpleNamespace(headers={"Retry-After": "3"}), 3.0),
        (SimpleNamespace(response=SimpleNamespace(headers={"Retry-After": "0.5"})), 0.5),
        (SimpleNamespace(headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}), None),
        (SimpleNamespace(headers={"Retry-After": "-1"}), None),
        (SimpleNamespace(headers={}), None),
        (SimpleNamespace(headers=None, response=None), None),
        (OSError(), None),
        (None, None),
    ],
)
def test_what_an_error_asks_to_wait(error, seconds):
    assert retry_after(error) == seconds


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch": 0}, ValueError, "a batch of at least one point, got 0"),
        ({"batch": 1.5}, TypeError, "a batch that is a whole number, got 1.5"),
        ({"per_second": 0}, ValueError, "positive number of calls per second, got 0"),
        ({"per_second": float("nan")}, ValueError, "per second, got nan"),
        ({"retries": -1}, ValueError, "a number of retries of at least 0, got -1"),
        ({"backoff": float("inf")}, ValueError, "a backoff of at least 0 seconds, got inf"),
        ({"price": -1.0}, ValueError, "price of a query that is at least 0, got -1"),
        ({"price": float("nan")}, ValueError, "at least 0, got nan"),
    ],
)
def test_senseless_connections(options, error, message):
    with pytest.raises(error, match=message):
        CallableOracle(lambda p: (p[:, 0], p), 2, **options)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("kind", [CallableOracle, LiveOracle])
def test_batches_that_were_never_sent_cost_nothing(tmp_path, kind, cached, error):
    calls = []

    def ask(points):
        calls.append(len(points))
        if len(calls) == 2:
            raise error("down")
        return points

    told = {"values": False, "kind": "shap"} if kind is CallableOracle else {"tells": "shap", "classes": "ab"}
    cache = tmp_path / "answers" if cached else None
    oracle = kind(ask, 2, batch=2, price=2.0, budget=20, cache=cache, **told)
    with pytest.raises(OracleError if error is ValueError else KeyboardInterrupt):
        oracle.explain(X)
    assert (oracle.ledger.total, oracle.ledger.cost, oracle.ledger.remaining) == (4, 8.0, 16)
    oracle.explain(X)
    assert oracle.ledger.total == sum(calls) == (9 if cached else 11)
