"""Which hidden units switch along lines, on the processor; twin of the CUDA kernel `KinkEnumeration`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Floats, Mask

__all__ = ["enumerate_kinks"]


def enumerate_kinks(
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    origins: Floats,
    directions: Floats,
    low: float,
    high: float,
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Walk through all linear pieces of dense ReLU networks on the lines u + t v, low < t <= high.

    Args:
        weights: one (V, out, in) a layer, of V networks of one shape.
        biases: one (V, out) a layer.
        origins: u of shape (L, d); each network has L / V lines, one after the other.
        directions: v of shape (L, d).
        low: where the lines begin.
        high: where they end.

    Returns:
        Lines (m,), t (m,) and units (m,), counted through the layers, sorted by line and then by t.
    """
    line: list[int] = []
    t: list[float] = []
    unit: list[int] = []
    each = max(1, len(origins) // len(weights[0]))
    for i, (u, v) in enumerate(zip(origins, directions, strict=True)):
        net = [(w[i // each], b[i // each]) for w, b in zip(weights, biases, strict=True)]
        at, pattern = low, None
        while True:
            when, pattern = _switches(net, u, v, at, pattern)
            if when.min(initial=np.inf) > high:
                break
            first = int(when.argmin())
            at = float(when[first])
            pattern[first] = ~pattern[first]
            line.append(i)
            t.append(at)
            unit.append(first)
    return np.array(line, np.int64), np.array(t, np.float64), np.array(unit, np.int64)


def _switches(
    net: Sequence[tuple[Floats, Floats]], u: Floats, v: Floats, t: float, pattern: Mask | None
) -> tuple[Floats, Mask]:
    """Return when each hidden unit switches, in the piece of a pattern or, without, of the point t."""
    when, active = [np.zeros(0)], [np.zeros(0, bool)]
    x, slope, before = u, v, 0
    for k, (w, b) in enumerate(net[:-1]):
        z, dz = (w @ u + b + t * (w @ v), w @ v) if k == 0 else (w @ x + b, w @ slope)
        on = z > 0 if pattern is None else pattern[before : before + len(z)]
        before += len(z)
        towards = np.where(on, dz < 0, dz > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(towards, np.maximum(t, t - z / dz), np.inf)
        when.append(own)
        active.append(on)
        x, slope = np.where(on, z, 0), np.where(on, dz, 0)
    return np.concatenate(when), np.concatenate(active)
