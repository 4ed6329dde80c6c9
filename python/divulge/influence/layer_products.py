"""Products of layers' gradients, each the sum over positions of delta_t (a_t, 1)'."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.operators import LayerPlace
from divulge.influence.seen import Seen

__all__ = ["Turn", "along", "layer_matrix", "mixed_factors", "put"]

# In the gradients of samples that are held at a time.
_NUMBERS = 1 << 24
Factor = tuple[NDArray[np.float64], NDArray[np.float64]]


class Turn:
    """U' G V of a layer's gradients, for each label of a batch.

    Args:
        seen: (a, 1) of the batch.
        outer: U (h, ...).
        inner: V (d + 1, ...) in the order of what was seen.
        labels: for how many what comes back is multiplied.
    """

    def __init__(self, seen: Seen, outer: Tensor, inner: Tensor, labels: int) -> None:
        self._seen, self._outer, self._inner = seen, outer, inner
        whole = _is_less_whole(seen.positions, outer, inner, labels)
        self._turned = None if whole else seen.times(self._inner)

    def of(self, delta: Tensor, head: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return it (k, ..., ...) for delta (k, T, h), and for a table's second product."""
        if self._turned is None:
            product = self._outer.T @ self._seen.outer(delta) @ self._inner
        else:
            product = (delta @ self._outer).mT @ self._turned
        if head is None:
            return product
        return product + (head[0] @ self._outer).mT @ (head[1] @ self._inner)


def layer_matrix(vectors: Tensor, place: LayerPlace) -> Tensor:
    """Return a layer's part of vectors (m, P) as (m, h, d + 1)."""
    h, d, begin, bias, transposed = place
    part = vectors[:, begin : begin + h * d]
    part = part.reshape(len(part), d, h).mT if transposed else part.reshape(len(part), h, d)
    return part if bias is None else torch.cat([part, vectors[:, bias : bias + h, None]], dim=2)


def put(out: Tensor, place: LayerPlace, matrix: Tensor) -> None:
    """Write (m, h, d + 1) to a layer's part of vectors (m, P)."""
    h, d, begin, bias, transposed = place
    own = matrix[:, :, :d]
    out[:, begin : begin + h * d] = (own.mT if transposed else own).reshape(len(out), h * d)
    if bias is not None:
        out[:, bias : bias + h] = matrix[:, :, d]


def along(delta: Tensor, seen: Seen, v: Tensor) -> Tensor:
    """Return (k, m): the inner products of sum_t delta_t (a_t, 1)' with v (m, h, d + 1), ordered as was seen.

    Whichever multiplies less: each v with what was seen, or the gradients, a few at a time.
    """
    (k, t, h), (m, _, d) = delta.shape, v.shape
    if m * t <= m + t:
        held = seen.times(v.reshape(m * h, d).T).reshape(k, t, m, h)
        return torch.sum(held * delta[:, :, None], dim=(1, 3))
    flat, step = v.reshape(m, h * d).T, max(1, _NUMBERS // (h * d))
    pairs = zip(torch.split(delta, step), seen.parts(step), strict=True)
    return torch.cat([part.outer(back).flatten(1) @ flat for back, part in pairs])


def mixed_factors(rows: Factor, head: Factor) -> Factor:
    """Return one pair of factors for a table that rows are looked up in and that is multiplied by.

    Each pair is weighted by the trace of its product, so that the product of the sums has the trace of both.
    """
    weights = [float(np.trace(a) * np.trace(b)) for a, b in (rows, head)]
    if not weights[1] or not sum(weights):
        return rows
    unit = [(a / (np.trace(a) or 1), b / (np.trace(b) or 1)) for a, b in (rows, head)]
    inner = sum(w * a for w, (a, _) in zip(weights, unit, strict=True))
    outer = sum(w * b for w, (_, b) in zip(weights, unit, strict=True)) / sum(weights)
    return np.asarray(inner), np.asarray(outer)


def _is_less_whole(positions: int, outer: Tensor, inner: Tensor, labels: int) -> bool:
    """Whether U' G V takes fewer products where G is formed first, and not U' delta and (a, 1) V."""
    (h, small_h), (d, small_d) = outer.shape, inner.shape
    whole = positions * h * d + min(small_h * d * (h + small_d), h * small_d * (d + small_h))
    apart = positions * (h * small_h + small_h * small_d)
    return labels * whole < labels * apart + positions * d * small_d
