"""What is open of units' rows, and linear equations about all of it and the linear part at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.last import reweighted, steepest
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.settings import CROSSINGS, TINY


@dataclass(frozen=True)
class Open:
    """What is open of one unit's row, r + size N y.

    Attributes:
        weight: of the unit in the output.
        smallest: r, shape (h,).
        free: N, orthonormal, shape (r, h).
        anchor: features at a place of its hyperplane, shape (h,).
        size: of what is known of the row.
    """

    weight: float
    smallest: Array
    free: Array
    anchor: Array
    size: float

    @classmethod
    def of(cls, known: Known, unit: Unit) -> Open:
        """Return what the equations of a unit leave open."""
        size = max(float(np.linalg.norm(unit.row)), TINY)
        return cls(float(np.nan_to_num(unit.weight)), unit.row, unit.equations.free, unit.anchor(known), size)

    def row(self, y: Array) -> Array:
        """Return the row with what was chosen, y (r,)."""
        return np.asarray(self.smallest + self.size * (y @ self.free))


@dataclass(frozen=True)
class System:
    """Equations told y + terms V = right, of all units' y one after the other.

    Attributes:
        told: shape (n, all y).
        terms: shape (n, h).
        right: shape (n,).
    """

    told: Array
    terms: Array
    right: Array

    def with_more(self, other: System) -> System:
        """Return both's equations."""
        pairs = (self.told, other.told), (self.terms, other.terms), (self.right, other.right)
        return System(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True, eq=False)
class Sure:
    """Answers at points where every unit's state is known.

    With all states known the gradient is linear in all units' y and in V, wherever a unit is on whose open
    features are: where its row is wrong though its state is right, answers are wrong, too.

    Attributes:
        points: shape (n, d).
        pieces: affine pieces there, shape (n, d + 1).
        on: which units are on, shape (n, u).
    """

    points: Array
    pieces: Array
    on: Mask

    def system(self, known: Known, opens: Sequence[Open]) -> System:
        """Return what the gradients tell, d equations of each point."""
        terms = known.prefix.jacobians(self.points).transpose(0, 2, 1)
        right, blocks = self.pieces[:, :-1], [np.empty((*terms.shape[:2], 0))]
        for each, on in zip(opens, self.on.T, strict=True):
            right = right - each.weight * on[:, None] * (terms @ each.smallest)
            blocks.append((each.weight * each.size * on)[:, None, None] * (terms @ each.free.T))
        told = np.concatenate(blocks, axis=2)
        return System(told.reshape(-1, told.shape[2]), terms.reshape(-1, terms.shape[2]), right.reshape(-1))

    def consistent(self, known: Known, opens: Sequence[Open]) -> Sure:
        """Return those that one y and V explain, reweighted least squares telling which, and others bear out.

        An answer that tells what no other one does is explained even if states were taken wrongly there.
        """
        system, shape = self.system(known, opens), (*self.points.shape, -1)
        matrix = np.concatenate([system.told, system.terms], axis=1).reshape(shape)
        right, size = system.right.reshape(self.points.shape), steepest(self.pieces)
        off = np.linalg.norm(matrix @ reweighted(matrix, right, size) - right, axis=1)
        kept = np.flatnonzero(off <= CROSSINGS.explained * size)
        kept = kept[borne_out(matrix[kept])]
        return Sure(self.points[kept], self.pieces[kept], self.on[kept])


def borne_out(matrix: Array) -> Mask:
    """Return which of some answers, equations (n, d, m), tell nothing that the others do not: (n,).

    Those of which a direction has leverage 1 do.
    """
    n, d, m = matrix.shape
    u, s, _ = np.linalg.svd(matrix.reshape(n * d, m), full_matrices=False)
    u = u[:, s > CROSSINGS.rank * s.max(initial=TINY)]
    own = np.linalg.norm(u.reshape(n, d, u.shape[1]), ord=2, axis=(1, 2)) if u.size else np.zeros(n)
    return np.asarray(own**2 < 1 - CROSSINGS.unshared)
