"""Networks with one hidden layer reconstructed one by one, the twin of the core's `reconstruct_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from divulge.arrays import Array
from divulge.reference import kink_search as search
from divulge.reference.least_squares import sign_pattern
from divulge.reference.random import mix64, normal, substream

__all__ = ["OneLayerCopy", "reconstruct_batch"]


_FARTHEST = 1e4
_LINES = 6
_FRESH = 4


class Oracle(search.Oracle, Protocol):
    """An oracle that knows its number of inputs."""

    input_size: int


@dataclass
class OneLayerCopy:
    """A copy of c0 + sum_i w_i max(a_i.x + b_i, 0) with |a_i| = 1; the same fields as the core's."""

    rows: Array
    offsets: Array
    output_weights: Array
    output_bias: float
    certificate: float
    queries: int
    clean: bool

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        """Return the copy's values (n,) and gradients (n, d) at points (n, d)."""
        z = points @ self.rows.T + self.offsets
        gradients = ((z > 0) * self.output_weights) @ self.rows
        return np.maximum(z, 0) @ self.output_weights + self.output_bias, gradients


def _empty(d: int) -> OneLayerCopy:
    nothing = np.zeros(0)
    return OneLayerCopy(np.zeros((0, d)), nothing, nothing, 0.0, np.nan, 0, False)


def _signed(found: search.KinkSearchResult, direction: Array) -> OneLayerCopy | None:
    """Turn jumps into units with signs from the gradient at `low`; None where no pattern explains it."""
    if not 0 < len(found.t) <= len(direction):
        return None
    pattern = sign_pattern(found.jumps, found.base_gradients[0], 0.1)
    if not pattern.binary:
        return None
    size = np.linalg.norm(found.jumps, axis=1)
    towards = np.sign(found.jumps @ direction)
    flip = towards * np.where(pattern.beta > 0.5, -1.0, 1.0) / size
    rows, offsets = found.jumps * flip[:, None], found.offsets * flip
    return OneLayerCopy(rows, offsets, towards * size, 0.0, np.nan, 0, False)


def _certify(copy: OneLayerCopy, oracle: Oracle, points: Array) -> None:
    """Set the output bias by the first of some fresh points, and the certificate by the others."""
    values, gradients = oracle.query(points)
    own_values, own_gradients = copy.values_and_gradients(points)
    copy.output_bias = float(values[0] - own_values[0])
    value_error = np.abs(values - own_values - copy.output_bias).max() / np.abs(values).max()
    gradient_size = np.linalg.norm(gradients, axis=1).max()
    gradient_error = np.linalg.norm(gradients - own_gradients, axis=1).max() / gradient_size
    copy.certificate = float(max(value_error, gradient_error))
    copy.clean = copy.certificate <= 1e-7


def _reconstruct(oracle: Oracle, key: int) -> OneLayerCopy:
    """Search lines until all units lie on one of them."""
    d, queries = oracle.input_size, 0
    best = _empty(d)
    for line in range(_LINES):
        line_key = substream(key, 2 * line)
        origin, direction = normal(substream(line_key, 0), d), normal(substream(line_key, 1), d)
        found = search.kink_search(oracle, origin[None], direction[None], -_FARTHEST, _FARTHEST)
        queries += found.queries
        copy = _signed(found, direction)
        if copy is not None:
            _certify(copy, oracle, normal(substream(key, 2 * line + 1), _FRESH * d).reshape(_FRESH, d))
            queries += _FRESH
            best = copy
        best.queries = queries
        if best.clean:
            break
    return best


def reconstruct_batch(oracles: Sequence[Oracle], seed: int = 0) -> list[OneLayerCopy]:
    """Reconstruct float64 networks with one hidden layer of at most d units, one after the other.

    Each victim's lines u + t v are those of the core: standard normal numbers of stream (seed, victim, line).
    """
    key = mix64(seed)
    return [_reconstruct(oracle, substream(key, i)) for i, oracle in enumerate(oracles)]
