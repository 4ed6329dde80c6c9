"""What the engine's benchmarks run: pairs of a native call and a plain baseline with the same answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from divulge import _core
from divulge.reference import kink_search as reference_search
from divulge.reference import least_squares as reference_solve
from divulge.reference import match_rows as reference_match
from divulge.reference import network as reference_network
from divulge.reference import reconstruct_batch as reference_batch

LOW, HIGH = -1e4, 1e4


@dataclass
class Case:
    """One pair. `baseline` does 1 / `scale` of the work of `native`; `check` compares what the two return.

    A pair that takes minutes is `long`: it is timed once.
    """

    native: Callable[[], Any]
    baseline: Callable[[], Any]
    check: Callable[[Any, Any], None]
    scale: float = 1.0
    note: str = ""
    long: bool = False


def one_layer_net(rng: np.random.Generator, d: int, h: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return weights and biases of a random network d-h-1."""
    weights = [rng.standard_normal((h, d)) / np.sqrt(d), rng.standard_normal((1, h)) / np.sqrt(h)]
    return weights, [0.1 * rng.standard_normal(h), rng.standard_normal(1)]


def check_kinks(native: Any, baseline: Any, lines: int) -> None:
    """Compare the kinks on the first `lines` lines."""
    first = native.line < lines
    assert native.complete
    assert baseline.complete
    np.testing.assert_array_equal(native.line[first], baseline.line)
    np.testing.assert_allclose(native.t[first], baseline.t, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(native.jumps[first], baseline.jumps, atol=1e-12)
    np.testing.assert_allclose(native.offsets[first], baseline.offsets, rtol=1e-8, atol=1e-9)


def kink_search_784_128_1() -> Case:
    """Eight lines through a network that the core runs itself; the baseline is given two of them."""
    rng = np.random.default_rng(1)
    weights, biases = one_layer_net(rng, 784, 128)
    u, v = rng.standard_normal((2, 8, 784))
    oracle = _core.NetworkOracle(_core.DenseNetwork64(weights, biases))
    twin = reference_network.NetworkOracle(reference_network.DenseNetwork(weights, biases))
    return Case(
        lambda: _core.kink_search(oracle, u, v, LOW, HIGH),
        lambda: reference_search.kink_search(twin, u[:2], v[:2], LOW, HIGH),
        lambda a, b: check_kinks(a, b, 2),
        scale=4.0,
        note="8 lines; the baseline searches 2 of them, its time is multiplied by 4",
    )


class TorchVictim:
    """A torch module asked for values and input gradients: what a user without this library would write."""

    def __init__(self, weights: list[np.ndarray], biases: list[np.ndarray]) -> None:
        layers = [nn.Linear(w.shape[1], w.shape[0], dtype=torch.float64) for w in weights]
        for layer, w, b in zip(layers, weights, biases, strict=True):
            layer.weight.data, layer.bias.data = torch.from_numpy(w), torch.from_numpy(b)
        self.module = nn.Sequential(layers[0], nn.ReLU(), layers[1]).requires_grad_(False)

    def query(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values (n,) and gradients (n, d)."""
        x = torch.from_numpy(points).requires_grad_(True)
        values = self.module(x)[:, 0]
        (gradients,) = torch.autograd.grad(values.sum(), x)
        return values.detach().numpy(), gradients.numpy()


def kink_search_callback_784_128_1() -> Case:
    """Eight lines through a torch module: one call for every round of all lines, against one call a query."""
    rng = np.random.default_rng(2)
    weights, biases = one_layer_net(rng, 784, 128)
    u, v = rng.standard_normal((2, 8, 784))
    victim = TorchVictim(weights, biases)
    oracle = _core.CallbackOracle(victim.query, 784)
    return Case(
        lambda: _core.kink_search(oracle, u, v, LOW, HIGH),
        lambda: reference_search.kink_search(victim, u, v, LOW, HIGH),
        lambda a, b: check_kinks(a, b, 8),
        note="8 lines; torch as it comes, on all cores",
    )


def _check_copies(native: Any, baseline: Any) -> None:
    assert sum(copy.clean for copy in native) >= 0.99 * len(native)
    assert sum(copy.clean for copy in baseline) >= 0.95 * len(baseline)
    for a, b in zip(native, baseline, strict=False):
        if not (a.clean and b.clean):
            continue
        order_a, order_b = np.lexsort(a.rows.T), np.lexsort(b.rows.T)
        np.testing.assert_allclose(a.rows[order_a], b.rows[order_b], atol=1e-9)
        np.testing.assert_allclose(a.offsets[order_a], b.offsets[order_b], atol=1e-7)
        np.testing.assert_allclose(a.output_weights[order_a], b.output_weights[order_b], rtol=1e-9)
        assert abs(a.output_bias - b.output_bias) < 1e-7


def reconstruct_1000_victims_20_16_1() -> Case:
    """A thousand small victims; the baseline takes the first twenty of them."""
    rng = np.random.default_rng(3)
    nets = [one_layer_net(rng, 20, 16) for _ in range(1000)]
    oracles = [_core.NetworkOracle(_core.DenseNetwork64(*net)) for net in nets]
    twins = [reference_network.NetworkOracle(reference_network.DenseNetwork(*net)) for net in nets[:20]]
    return Case(
        lambda: _core.reconstruct_batch(oracles, seed=5),
        lambda: reference_batch.reconstruct_batch(twins, seed=5),
        _check_copies,
        scale=50.0,
        note="the baseline reconstructs 20 of the 1000 victims, its time is multiplied by 50",
    )


def least_squares_784_128() -> Case:
    """Four systems of 784 equations in 128 unknowns with a full right-hand side each."""
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((4, 784, 128)), rng.standard_normal((4, 784, 1))

    def check(native: Any, baseline: Any) -> None:
        np.testing.assert_allclose(native[0], baseline[0], atol=1e-12)
        np.testing.assert_allclose(native[1], baseline[1], rtol=1e-10)

    return Case(
        lambda: _core.least_squares(a, b),
        lambda: reference_solve.least_squares(a, b),
        check,
        note="4 systems; QR against numpy.linalg.lstsq (SVD), one after the other",
    )


def masked_least_squares_256() -> Case:
    """Four hundred directions in terms of about half of 256 rows in 784 dimensions each."""
    rng = np.random.default_rng(5)
    basis, masks = rng.standard_normal((256, 784)), rng.random((400, 256)) < 0.5
    coefficients = np.where(masks, rng.standard_normal(masks.shape), 0)
    targets = coefficients @ basis

    def baseline() -> Any:
        return [np.linalg.lstsq(basis[m].T, b)[0] for m, b in zip(masks[:40], targets[:40], strict=True)]

    def check(native: Any, expected: Any) -> None:
        np.testing.assert_allclose(native[0], coefficients, atol=1e-12)
        for r, mask, x in zip(native[0], masks, expected, strict=False):
            np.testing.assert_allclose(r[mask], x, atol=1e-12)
        assert native[1].max() < 1e-13

    return Case(
        lambda: _core.masked_least_squares(basis, targets, masks),
        baseline,
        check,
        scale=10.0,
        note="the baseline calls numpy.linalg.lstsq for 40 of the 400 problems, its time is multiplied by 10",
    )


def row_matching_2000() -> Case:
    """Two thousand partial rows, about 64 of 256 entries known, of 256 units."""
    rng = np.random.default_rng(6)
    units, unit_of = rng.standard_normal((256, 257)), rng.integers(0, 256, 2000)
    factors = rng.choice([-1, 1], 2000) * np.exp(rng.standard_normal(2000))
    scaled = factors[:, None] * units[unit_of]
    rows, offsets, masks = scaled[:, :256], scaled[:, 256], rng.random((2000, 256)) < 0.25

    def check(native: Any, expected: Any) -> None:
        _, firsts = np.unique(native[0], return_index=True)
        np.testing.assert_array_equal(unit_of[firsts][native[0]], unit_of)
        np.testing.assert_allclose(native[1], factors / factors[firsts][native[0]], rtol=1e-12)
        np.testing.assert_array_equal(native[0], expected[0])
        np.testing.assert_allclose(native[1], expected[1], rtol=1e-12)

    return Case(
        lambda: _core.match_rows(rows, masks, offsets),
        lambda: reference_match.match_rows(rows, masks, offsets),
        check,
        note="rows of 256 units in random order; the baseline is vectorised NumPy",
    )


CASES: dict[str, Callable[[], Case]] = {
    "kink_search_784_128_1": kink_search_784_128_1,
    "kink_search_callback_784_128_1": kink_search_callback_784_128_1,
    "reconstruct_1000_victims_20_16_1": reconstruct_1000_victims_20_16_1,
    "least_squares_784_128": least_squares_784_128,
    "masked_least_squares_256": masked_least_squares_256,
    "row_matching_2000": row_matching_2000,
}
