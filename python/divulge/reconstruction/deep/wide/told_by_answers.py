"""States of single units that answers tell where a copy is wrong.

Where the copy has one unit k in the wrong state and all others in the right one, the answer is off by

    +- w_k ((r_k + N_k y) . dp, (r_k + N_k y) . (p - p*)),    p* the features on the hyperplane of k,

gradient and value, whatever y is, if the linear part is right. What N_k spans is taken out of that; if the
rest is k's, and no other unit's, the state of k there is told: one answer, where a searched segment takes
hundreds. Where the layers before are wrong such states are, too; `joint_rows` discards what no entries make.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.last import usual_size
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.settings import CROSSINGS, TINY


class ToldStates:
    """States that answers told of each unit, by its number: at points, as bytes, +1 on and -1 off.

    What was told both ways, as where two units are in wrong states that look like one's, counts for nothing.

    Attributes:
        changes: how often something was told, or counts for nothing since.
    """

    def __init__(self) -> None:
        self._of: dict[int, dict[bytes, float]] = {}
        self.changes = 0

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def of(self, number: int, size: int) -> tuple[Array, Array]:
        """Return points (n, d) at which a unit's state was told, and the states (n,)."""
        told = {point: state for point, state in self._of.get(number, {}).items() if state}
        return np.frombuffer(b"".join(told)).reshape(-1, size), np.array(list(told.values()))

    def add(self, known: Known, units: Sequence[Unit], model: DeepModel, points: Array, pieces: Array) -> int:
        """Take in what wrong answers, points (n, d) and pieces (n, d + 1), tell; return how many are new."""
        on = model.layer.rows @ np.column_stack([known.prefix.features(points), np.ones(len(points))]).T > 0
        off = pieces - model.pieces(points, 0)
        usual = usual_size(points)
        value = (np.einsum("nd,nd->n", off[:, :-1], points) + off[:, -1]) / usual
        wrong = np.column_stack([off[:, :-1], value])
        terms = known.prefix.jacobians(points), known.terms(points), usual
        fits = np.array([explains(known, unit, *terms, wrong, on[k]) for k, unit in enumerate(units)])
        before = len(self)
        for place in np.flatnonzero(fits.sum(axis=0) == 1):
            number, point = int(np.argmax(fits[:, place])), points[place].tobytes()
            state = -1.0 if on[number, place] else 1.0
            told = self._of.setdefault(number, {})
            counted = state if told.get(point, state) == state else 0.0
            self.changes += told.get(point) != counted
            told[point] = counted
        return len(self) - before

    def discard(self) -> bool:
        """Let all that was told count for nothing, now and where it is told again; return if any counted."""
        counted = any(state for points in self._of.values() for state in points.values())
        self._of = {number: dict.fromkeys(points, 0.0) for number, points in self._of.items()}
        self.changes += counted
        return counted


def explains(
    known: Known, unit: Unit, jacobians: Array, features: Array, usual: Array, wrong: Array, on: Mask
) -> Mask:
    """Return where a unit's state alone explains what a copy is off by.

    Args:
        known: the layers before the unit.
        unit: the unit.
        jacobians: of the features, shape (n, h, d).
        features: shape (n, h).
        usual: size of values, shape (n,).
        wrong: gradients and values over that size, shape (n, d + 1).
        on: the unit's state in the copy, shape (n,).
    """
    free = unit.equations.free
    if not len(free) or np.isnan(unit.weight):
        return np.zeros(len(wrong), bool)
    levels = (features - unit.anchor(known)) / usual[:, None]
    terms = np.concatenate([jacobians.transpose(0, 2, 1), levels[:, None]], axis=1)
    share = unit.weight * np.where(on, -1.0, 1.0)[:, None] * (terms @ unit.row)
    u, s, _ = np.linalg.svd(terms @ free.T, full_matrices=False)
    u = u * (s > CROSSINGS.rank * np.linalg.norm(terms, axis=(1, 2))[:, None])[:, None]
    size = np.linalg.norm(wrong, axis=1) + np.linalg.norm(share, axis=1)
    left, part = (np.linalg.norm(beyond(u, each), axis=1) for each in (wrong - share, share))
    telling = part > CROSSINGS.one_unit[1] * np.maximum(size, TINY)
    return np.asarray(telling & (left <= CROSSINGS.one_unit[0] * size))


def beyond(basis: Array, vectors: Array) -> Array:
    """Return the part of vectors (n, m) beyond what columns (n, m, r) span."""
    return np.asarray(vectors - np.einsum("nmr,nr->nm", basis, np.einsum("nmr,nm->nr", basis, vectors)))
