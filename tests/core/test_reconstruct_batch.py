from __future__ import annotations

import numpy as np
import pytest

from divulge import _core
from divulge.reference import network
from divulge.reference import reconstruct_batch as reference
from divulge.reference.random import mix64, normal, substream


def oracles(layers, sizes, count):
    return [_core.NetworkOracle(_core.DenseNetwork64(*layers(sizes, i))) for i in range(count)]


def canonical(weights, biases):
    size = np.linalg.norm(weights[0], axis=1)
    return weights[0] / size[:, None], biases[0] / size, weights[1][0] * size


def sorted_by_row(rows, *others):
    order = np.argsort(rows[:, 0])
    return [x[order] for x in (rows, *others)]


@pytest.mark.parametrize("sizes", [[20, 16, 1], [5, 5, 1], [9, 1, 1], [40, 7, 1]])
def test_every_parameter_is_found(layers, sizes):
    copies = _core.reconstruct_batch(oracles(layers, sizes, 30), seed=1)
    assert len(copies) == 30
    for i, copy in enumerate(copies):
        assert copy.clean, copy.status
        weights, biases = layers(sizes, i)
        found = sorted_by_row(copy.rows, copy.offsets, copy.output_weights)
        for x, y in zip(found, sorted_by_row(*canonical(weights, biases)), strict=True):
            np.testing.assert_allclose(x, y, atol=1e-7)
        np.testing.assert_allclose(copy.output_bias, biases[1][0], atol=1e-7)
        assert copy.certificate < 1e-8


def test_copies_are_the_twins(layers):
    sizes = [20, 16, 1]
    victims = [network.NetworkOracle(network.DenseNetwork(*layers(sizes, i))) for i in range(5)]
    copies = _core.reconstruct_batch(oracles(layers, sizes, 5), 3)
    expected = reference.reconstruct_batch(victims, 3)
    for a, b in zip(copies, expected, strict=True):
        assert a.clean
        assert b.clean
        for x, y in zip(
            sorted_by_row(a.rows, a.offsets, a.output_weights),
            sorted_by_row(b.rows, b.offsets, b.output_weights),
            strict=True,
        ):
            np.testing.assert_allclose(x, y, atol=1e-8)
        assert abs(a.queries - b.queries) < 20


def test_callbacks_are_victims_too(layers):
    nets = [_core.DenseNetwork64(*layers([8, 6, 1], i)) for i in range(6)]
    victims = [_core.CallbackOracle(lambda x, n=n: n.values_and_gradients(x, 0), 8) for n in nets]
    assert all(copy.clean for copy in _core.reconstruct_batch(victims, 1))


def test_one_failing_victim_does_not_disturb_the_others(layers):
    def fn(x):
        raise OSError("unreachable")

    good = oracles(layers, [8, 6, 1], 2)
    copies = _core.reconstruct_batch([good[0], _core.CallbackOracle(fn, 8), good[1]], 1)
    assert [copy.clean for copy in copies] == [True, False, True]
    assert copies[1].status == "OSError: unreachable"
    assert np.isnan(copies[1].certificate)


def test_threads_change_no_bit(layers, on_threads):
    victims = oracles(layers, [8, 6, 1], 20)
    one, two = (on_threads(n, lambda: _core.reconstruct_batch(victims, 5)) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.output_weights, b.output_weights)
        assert (a.output_bias, a.queries, a.status) == (b.output_bias, b.queries, b.status)


def test_the_ledger_and_the_copy_agree_on_the_queries(layers):
    victims = oracles(layers, [8, 6, 1], 4)
    for victim, copy in zip(victims, _core.reconstruct_batch(victims, 5), strict=True):
        assert victim.queries == copy.queries > 0
    copy = _core.reconstruct_batch(oracles(layers, [20, 16, 1], 1), 5, max_queries=40)[0]
    assert not copy.clean
    assert copy.queries == 40


def test_the_random_numbers_are_the_cores():
    # a victim that keeps what it was asked: its first point is u + low v
    seen = []

    def fn(x):
        seen.append(x.copy())
        return x[:, 0], np.tile([1.0, 0, 0], (len(x), 1))

    _core.reconstruct_batch([_core.CallbackOracle(fn, 3)], 9)
    line = substream(substream(mix64(9), 0), 0)
    u, v = normal(substream(line, 0), 3), normal(substream(line, 1), 3)
    np.testing.assert_allclose(seen[0][0], u - 1e4 * v, rtol=1e-12)
