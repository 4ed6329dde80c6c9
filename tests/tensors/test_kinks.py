from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from divulge import _core
from divulge.tensors import enumerate_kinks, kink_search
from divulge.tensors.kink_enumeration import enumerate_kinks as twin


def network(rng, sizes, dtype, victims=None):
    lead = () if victims is None else (victims,)
    weights = [rng.standard_normal((*lead, h, d)) / np.sqrt(d) for d, h in pairwise(sizes)]
    biases = [0.3 * rng.standard_normal((*lead, h)) for h in sizes[1:]]
    return [w.astype(dtype) for w in weights], [b.astype(dtype) for b in biases]


def tensors(arrays, device):
    return [torch.tensor(a, device=device) for a in arrays]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(6, 9, 2), (5, 8, 6, 1), (4, 2)])
def test_kinks_are_the_cores(device, dtype, sizes):
    rng = np.random.default_rng(len(sizes))
    weights, biases = network(rng, sizes, dtype)
    u, v = rng.standard_normal((2, 3, sizes[0])).astype(np.float32).astype(np.float64)
    kind = _core.DenseNetwork32 if dtype == np.float32 else _core.DenseNetwork64
    oracle = _core.NetworkOracle(kind(weights, biases), sizes[-1] - 1)
    expected = _core.kink_search(oracle, u, v, -50.0, 50.0)
    got = kink_search(
        tensors(weights, device),
        tensors(biases, device),
        *tensors((u, v), device),
        -50.0,
        50.0,
        sizes[-1] - 1,
    )
    assert got.jumps.device.type == device.type
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_array_equal(got.line.cpu(), expected.line)
    for name in ("t", "jumps", "offsets", "base_values", "base_gradients"):
        mine, theirs = getattr(got, name).cpu().numpy(), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(got.complete_lines.cpu(), expected.complete_lines)


def test_each_network_has_its_lines(device):
    rng = np.random.default_rng(5)
    weights, biases = (tensors(part, device) for part in network(rng, (4, 7, 1), np.float64, victims=2))
    u, v = tensors(rng.standard_normal((2, 4, 4)), device)
    both = kink_search(weights, biases, u, v, -20.0, 20.0)
    second = kink_search([w[1] for w in weights], [b[1] for b in biases], u[2:], v[2:], -20.0, 20.0)
    torch.testing.assert_close(both.t[both.line >= 2], second.t, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="same number of lines for 2 networks, got 3"):
        kink_search(weights, biases, u[:3], v[:3], -20.0, 20.0)


@pytest.mark.parametrize("sizes", [(6, 9, 2), (5, 8, 6, 1), (3, 5, 4, 3, 1)])
def test_units_that_switch_are_the_twins(device, sizes):
    rng = np.random.default_rng(len(sizes))
    weights, biases = network(rng, sizes, np.float64, victims=2)
    u, v = rng.standard_normal((2, 4, sizes[0]))
    expected = twin(weights, biases, u, v, -10.0, 10.0)
    given = [tensors(part, device) for part in (weights, biases)]
    line, t, unit = enumerate_kinks(*given, *tensors((u, v), device), -10.0, 10.0)
    np.testing.assert_array_equal(line.cpu(), expected[0])
    np.testing.assert_array_equal(unit.cpu(), expected[2])
    np.testing.assert_allclose(t.cpu(), expected[1], rtol=1e-9, atol=1e-9)


def test_every_kink_is_a_units(device):
    rng = np.random.default_rng(8)
    weights, biases = (tensors(part, device) for part in network(rng, (5, 9, 7, 1), np.float64))
    u, v = tensors(rng.standard_normal((2, 3, 5)), device)
    found = kink_search(weights, biases, u, v, -10.0, 10.0)
    line, t, _ = enumerate_kinks(weights, biases, u, v, -10.0, 10.0)
    assert len(found.t) > 0
    for on, at in zip(found.line.tolist(), found.t.tolist(), strict=True):
        assert (t[line == on] - at).abs().min() < 1e-9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": 3}, "output from 0 to 0, got 3"),
        ({"weights": []}, "a weight and a bias for each of one or more layers, got 0 and 2"),
        ({"low": 2.0, "high": 1.0}, "low < high, got 2.0 and 1.0"),
        ({"directions": torch.ones(2, 5, dtype=torch.float64)}, r"directions of shape \(2, 4\)"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    weights, biases = (
        tensors(part, "cpu") for part in network(np.random.default_rng(1), (4, 3, 1), np.float64)
    )
    lines = torch.ones(2, 4, dtype=torch.float64)
    given = {"weights": weights, "biases": biases, "origins": lines, "directions": lines}
    with pytest.raises(ValueError, match=message):
        kink_search(**given | {"low": -1.0, "high": 1.0} | change)
