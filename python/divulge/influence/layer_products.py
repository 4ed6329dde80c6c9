"""Products of layers' gradients, each the sum over positions of delta_t (a_t, 1)'."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.operators import LayerPlace
from divulge.influence.seen import Seen, outer, times

__all__ = ["Directions", "Turn", "layer_matrix", "mixed_factors", "put"]

# In the gradients of samples that are held at a time.
_NUMBERS = 1 << 24
Factor = tuple[NDArray[np.float64], NDArray[np.float64]]


class Turn:
    """U' G V of a layer's gradients, for each label of a batch.

    Args:
        seen: (a, 1) of the batch.
        u: U (h, ...).
        v: V (d + 1, ...) in the order of what was seen.
        labels: for how many what comes back is multiplied.
    """

    def __init__(self, seen: Seen, u: Tensor, v: Tensor, labels: int) -> None:
        self._seen, self._u, self._v = seen, u, v
        whole = _is_less_whole(seen.positions, u, v, labels)
        self._turned = None if whole else times(seen, v)

    def of(self, delta: Tensor, head: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return it (k, ..., ...) for delta (k, T, h), and for a table's second product."""
        if self._turned is None:
            product = self._u.T @ outer(self._seen, delta) @ self._v
        else:
            product = (delta @ self._u).mT @ self._turned
        if head is None:
            return product
        return product + (head[0] @ self._u).mT @ (head[1] @ self._v)


class Directions:
    """What a layer's gradients are multiplied with: vectors (m, h, d + 1), ordered as was seen.

    Whichever multiplies less: each with what was seen, or the gradients, a few at a time. Those are formed
    without the bias and with the longer of their axes last: of few positions such products are faster.

    Args:
        vectors: as above.
        bias: whether the last number of each row is a bias.
    """

    def __init__(self, vectors: Tensor, *, bias: bool) -> None:
        own = vectors[:, :, :-1] if bias else vectors
        self._count, h, d = own.shape
        self._turned = h > d
        self._own = (own.mT if self._turned else own).contiguous()
        self._bias = vectors[:, :, -1].T if bias else None

    def along(self, delta: Tensor, seen: Seen) -> Tensor:
        """Return the inner products (k, m) of the gradients sum_t delta_t (a_t, 1)'."""
        (k, t, h), m = delta.shape, self._count
        if m * t <= m + t:
            own = self._own.mT if self._turned else self._own
            held = seen.own_times(own.flatten(0, 1).T).reshape(k, t, m, h)
            found = torch.sum(held * delta[:, :, None], dim=(1, 3))
        else:
            flat = self._own.flatten(1).T
            step = max(1, _NUMBERS // len(flat))
            pairs = zip(torch.split(delta, step), seen.parts(step), strict=True)
            formed = (part.own_outer(back, turned=self._turned) for back, part in pairs)
            found = torch.cat([gradients.flatten(1) @ flat for gradients in formed])
        return found if self._bias is None else found + delta.sum(1) @ self._bias


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
