from __future__ import annotations

import re
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core
from divulge.reference import kink_search as reference
from divulge.reference import network

FIELDS = ("line", "t", "jumps", "offsets", "base_gradients", "base_values")


def lines(count, d, seed=7):
    return np.random.default_rng(seed).standard_normal((2, count, d))


def search(oracle, u, v, low=-1e4, high=1e4, **options):
    return _core.kink_search(oracle, u, v, low, high, **options)


def callback(net, output=0):
    return _core.CallbackOracle(lambda x: net.values_and_gradients(x, output), net.input_size)


def assert_same_kinks(found, expected):
    assert found.complete
    assert expected.complete
    np.testing.assert_array_equal(found.line, expected.line)
    np.testing.assert_allclose(found.t, expected.t, rtol=1e-7, atol=1e-8)
    for name in FIELDS[2:]:
        scale = 1 + np.abs(getattr(expected, name)).max(initial=0)
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-7, atol=1e-9 * scale
        )


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 12), min_size=0, max_size=3),
    st.integers(2, 15),
    st.integers(0, 4),
    st.integers(0, 2**20),
)
def test_native_callback_and_twin_find_the_same(compiled, layers, hidden, d, count, seed):
    weights = layers([d, *hidden, 1], seed)
    net, twin = _core.DenseNetwork64(*weights), network.DenseNetwork(*weights)
    u, v = lines(count, d, seed + 1)
    expected = reference.kink_search(network.NetworkOracle(twin), u, v, -100.0, 100.0)
    assert_same_kinks(compiled.kink_search(*weights, u, v, -100.0, 100.0), expected)
    assert_same_kinks(search(callback(net), u, v, -100.0, 100.0), expected)


@pytest.mark.parametrize("seed", range(5))
def test_all_128_units_are_found_exactly(compiled, layers, seed):
    weights, biases = layers([784, 128, 1], seed)
    u, v = lines(3, 784, seed + 50)
    z_u, z_v = u @ weights[0].T + biases[0], v @ weights[0].T
    net = _core.DenseNetwork64(weights, biases)
    oracles = (_core.NetworkOracle(net), callback(net))
    answers = [search(oracle, u, v) for oracle in oracles]
    assert [found.queries for found in answers] == [oracle.queries for oracle in oracles]
    for found in (compiled.kink_search(weights, biases, u, v, -1e4, 1e4), *answers):
        assert found.complete
        assert found.queries < 5 * 3 * 128
        for line in range(3):
            t = -z_u[line] / z_v[line]
            units = np.argsort(t)
            units = units[np.abs(t[units]) < 1e4]
            here = found.line == line
            np.testing.assert_allclose(found.t[here], t[units], rtol=1e-9, atol=1e-10)
            jumps = weights[1][0, units, None] * weights[0][units] * np.sign(z_v[line, units, None])
            # What is lost is a rounding of the gradients that a jump is the difference of.
            size = np.linalg.norm(found.base_gradients[line])
            np.testing.assert_allclose(found.jumps[here], jumps, atol=1e-12 * size)
            points = u[line] + found.t[here, None] * v[line]
            residual = (found.jumps[here] * points).sum(axis=1) + found.offsets[here]
            assert np.abs(residual).max() < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_float32_networks(compiled, layers, seed):
    weights, biases = layers([60, 24, 1], seed, np.float32)
    net = _core.DenseNetwork32(weights, biases)
    u, v = (x.astype(np.float32).astype(np.float64) for x in lines(4, 60, seed))
    answers = _core.CallbackOracle(lambda x: net.values_and_gradients(x, 0), 60, float32=True)
    z_u, z_v = u @ weights[0].T + biases[0], v @ weights[0].T
    for found in (compiled.kink_search(weights, biases, u, v, -100, 100), search(answers, u, v, -100, 100)):
        assert found.complete
        for line in range(4):
            t = np.sort(-z_u[line] / z_v[line])
            t = t[np.abs(t) < 100]
            here = found.t[found.line == line]
            near = np.abs(here[:, None] - t).min(axis=1) / (1 + np.abs(here))
            assert np.median(near) < 1e-5
            assert near.max() < 1e-2
            assert len(t) - 2 <= len(here) <= len(t)  # kinks nearer than the rounding may be seen as one


def test_the_float32_callback_gets_float32_points():
    seen = []

    def fn(x):
        seen.append(x.copy())
        return np.abs(x).sum(axis=1), np.sign(x)

    search(_core.CallbackOracle(fn, 3, float32=True), *lines(2, 3))
    points = np.concatenate(seen)
    np.testing.assert_array_equal(points, points.astype(np.float32))


def test_threads_rounds_and_other_lines_change_no_bit(layers, on_threads):
    net = _core.DenseNetwork64(*layers([20, 30, 10, 1], 3))
    oracle = _core.NetworkOracle(net)
    u, v = lines(6, 20)
    one = on_threads(1, lambda: search(oracle, u, v))
    for other in (
        on_threads(2, lambda: search(oracle, u, v)),
        on_threads(2, lambda: search(oracle, u, v, max_queries=10**6)),
    ):
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.queries == other.queries
    alone = search(oracle, u[2:3], v[2:3])
    np.testing.assert_allclose(alone.t, one.t[one.line == 2], rtol=1e-9)
    by_answers = [on_threads(n, lambda: search(callback(net), u, v)) for n in (1, 2)]
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(by_answers[0], name), getattr(by_answers[1], name))


def test_one_batch_a_round_for_all_lines(layers):
    batches = []
    net = _core.DenseNetwork64(*layers([20, 30, 1], 3))

    def fn(x):
        batches.append(len(x))
        return net.values_and_gradients(x, 0)

    found = search(_core.CallbackOracle(fn, 20), *lines(10, 20))
    assert sum(batches) == found.queries
    assert len(batches) < found.queries / 30


def test_ranges_may_differ_by_line(layers):
    net = _core.DenseNetwork64(*layers([20, 30, 1], 3))
    u, v = lines(2, 20)
    wide = search(_core.NetworkOracle(net), u, v)
    found = search(_core.NetworkOracle(net), u, v, [0.0, -1.0], [1.0, 0.0])
    for line, (low, high) in enumerate([(0, 1), (-1, 0)]):
        t = wide.t[(wide.line == line) & (wide.t > low) & (wide.t < high)]
        np.testing.assert_allclose(found.t[found.line == line], t, rtol=1e-9)


def test_a_failing_callback_leaves_what_is_known(layers):
    net = _core.DenseNetwork64(*layers([20, 30, 1], 3))
    left = [100]

    def fn(x):
        left[0] -= len(x)
        if left[0] < 0:
            raise RuntimeError("the service is down")
        return net.values_and_gradients(x, 0)

    oracle = _core.CallbackOracle(fn, 20)
    u, v = lines(1, 20)
    found = search(oracle, u, v)
    assert not found.complete
    assert not found.complete_lines.any()
    assert found.message == "RuntimeError: the service is down"
    assert isinstance(oracle.last_error, RuntimeError)
    assert 0 < found.queries <= 100
    expected = search(_core.NetworkOracle(net), u, v)
    np.testing.assert_allclose(found.base_gradients, expected.base_gradients)
    for t in found.t:
        assert np.abs(expected.t - t).min() < 1e-9


def test_nothing_known():
    def fn(x):
        raise RuntimeError("no")

    found = search(_core.CallbackOracle(fn, 3), *lines(2, 3))
    assert len(found.t) == 0
    assert found.jumps.shape == (0, 3)
    assert np.isnan(found.base_values).all()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: (x[:, 0], x[:, :2]), r"gradients of shape \(9, 3\), got \(9, 2\)"),
        (lambda x: (x, x), r"values of shape \(9,\), got \(9, 3\)"),
        (lambda x: x[:, 0], r"\(values, gradients\), got ndarray"),
        (lambda x: (x[:, 0] * np.nan, x), "answer 0 of the oracle is not finite: value is"),
        (lambda x: (x[:, 0], x / [[1, 0, 1]]), "answer 0 of the oracle is not finite: gradient entry 1 is"),
        (lambda x: None, "got NoneType"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_answers_are_named(answer, message):
    found = search(_core.CallbackOracle(answer, 3), *lines(1, 3))
    assert not found.complete
    assert re.search(message, found.message)


def test_a_budget_is_kept_to_the_last_query(layers):
    net = _core.DenseNetwork64(*layers([20, 30, 1], 3))
    u, v = lines(3, 20)
    for oracle in (_core.NetworkOracle(net), callback(net)):
        found = search(oracle, u, v, max_queries=123)
        assert (found.queries, oracle.queries, found.complete) == (123, 123, False)
        assert "123 queries" in found.message
        oracle.max_queries = 200
        assert search(oracle, u, v).queries == 77
        assert search(oracle, u, v).queries == 0
        oracle.max_queries = None
        assert search(oracle, u, v).complete
    with pytest.raises(ValueError, match="max_queries of 0 or more, or None, got -2"):
        oracle.max_queries = -2


def test_an_unlimited_budget_gives_what_is_found_in_rounds(layers):
    net = _core.DenseNetwork64(*layers([20, 30, 1], 3))
    u, v = lines(3, 20)
    found, expected = (search(_core.NetworkOracle(net), u, v, max_queries=n) for n in (100000, -1))
    np.testing.assert_array_equal(found.t, expected.t)


def test_a_smooth_function_is_noticed():
    found = search(_core.CallbackOracle(lambda x: ((x**2).sum(axis=1), 2 * x), 4), *lines(1, 4))
    assert not found.complete
    assert "does not look piecewise linear" in found.message


def test_kinks_at_one_place_are_one_jump():
    # |x1| + |x2| on the diagonal: both kinks at t = 0
    oracle = _core.CallbackOracle(lambda x: (np.abs(x).sum(axis=1), np.sign(x)), 2)
    found = search(oracle, [[0.0, 0.0]], [[1.0, 1.0]], -1, 2)
    assert found.complete
    np.testing.assert_allclose(found.t, [0], atol=1e-12)
    np.testing.assert_array_equal(found.jumps, [[2, 2]])


def test_two_kinks_too_close_to_separate_are_listed():
    # a jump of the value: gradients differ on its sides, and the tangents do not meet there
    def fn(x):
        beyond = x[:, 0] > 0.3
        return np.where(beyond, 1 + x[:, 0], -x[:, 0]), np.where(x > 0.3, 1.0, -1.0)

    found = search(_core.CallbackOracle(fn, 1), [[0.0]], [[1.0]], -1, 1)
    assert not found.complete
    assert len(found.unresolved) == 1
    line, low, high = found.unresolved[0]
    assert line == 0
    assert low <= 0.3 <= high
    assert high - low < 1e-12


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (1, 1, "line 0: expected finite low < high"),
        (0, np.inf, "line 0: expected finite low < high"),
        ([0], 1, r"low to be a number or of shape \(2,\), got \(1,\)"),
    ],
)
def test_bad_ranges_are_named(layers, low, high, message):
    oracle = _core.NetworkOracle(_core.DenseNetwork64(*layers([3, 2, 1], 1)))
    with pytest.raises(ValueError, match=message):
        search(oracle, *lines(2, 3), low, high)


def test_bad_lines_are_named(layers):
    oracle = _core.NetworkOracle(_core.DenseNetwork64(*layers([3, 2, 1], 1)))
    with pytest.raises(ValueError, match=r"shape \(2, 3\), got \(2, 4\)"):
        search(oracle, *lines(2, 4))
    with pytest.raises(ValueError, match="line 0: expected a finite origin and a finite direction"):
        search(oracle, np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="tolerance in"):
        search(oracle, *lines(2, 3), tolerance=-1.0)


def test_an_oracle_can_be_asked_directly(layers):
    net = _core.DenseNetwork64(*layers([4, 5, 2], 1))
    points = np.random.default_rng(1).standard_normal((6, 4))
    values, gradients = net.values_and_gradients(points, 1)
    for oracle in (_core.NetworkOracle(net, 1), callback(net, 1)):
        answer = oracle.query(points)
        np.testing.assert_array_equal(answer[0], values)
        np.testing.assert_array_equal(answer[1], gradients)
        assert oracle.queries == 6
        assert oracle.input_size == 4
        assert [x.shape for x in oracle.query(np.zeros((0, 4)))] == [(0,), (0, 4)]
        with pytest.raises(ValueError, match=r"points of shape \(n, 4\), got \(1, 3\)"):
            oracle.query(np.zeros((1, 3)))


def test_an_exception_of_a_direct_query_comes_out_as_it_is():
    def fn(x):
        raise KeyError("boom")

    with pytest.raises(KeyError, match="boom"):
        _core.CallbackOracle(fn, 2).query(np.zeros((1, 2)))


def test_the_callback_may_keep_its_points():
    kept = []

    def fn(x):
        kept.append((x, x.copy()))
        return np.abs(x).sum(axis=1), np.sign(x)

    search(_core.CallbackOracle(fn, 2), *lines(3, 2))
    assert len(kept) > 2
    for array, copy in kept:
        np.testing.assert_array_equal(array, copy)


def test_the_result_outlives_everything(layers):
    found = search(_core.NetworkOracle(_core.DenseNetwork64(*layers([20, 30, 1], 3))), *lines(2, 20))
    jumps, t = found.jumps, found.t
    copies = jumps.copy(), t.copy()
    del found
    search(_core.NetworkOracle(_core.DenseNetwork64(*layers([20, 30, 1], 4))), *lines(2, 20))
    np.testing.assert_array_equal(jumps, copies[0])
    np.testing.assert_array_equal(t, copies[1])


@pytest.mark.parametrize("where", ["callback", "core"])
def test_ctrl_c_ends_a_search(where):
    def slow(x):
        if where == "callback":
            raise KeyboardInterrupt
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            pass
        return (x**2).sum(axis=1), 2 * x

    if where == "core":
        main = threading.main_thread().ident
        timer = threading.Timer(0.1, signal.pthread_kill, [main, signal.SIGINT])
        timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        search(_core.CallbackOracle(slow, 2), *lines(1, 2))
    assert time.monotonic() - start < 5
