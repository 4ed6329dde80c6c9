"""The sides of a layer's units that leave least of what later units read: none, or few rows on everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from scipy.optimize import least_squares

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.settings import LATER, RANK


@dataclass(frozen=True)
class Later:
    """Places on hyperplanes of later units.

    Attributes:
        rows: m, of unit norm, 0 for features that are off, shape (k, p).
        masks: the features that are on, shape (k, p).
        above: on which side of this layer's units the places lie, shape (k, c).
        shares: s_j, NaN where it is not known, shape (k, c).
    """

    rows: Array
    masks: Mask
    above: Mask
    shares: Array


@dataclass(frozen=True)
class Sides:
    """Sides of a layer's units, and what stands beside them.

    Attributes:
        turned: which units are active below their hyperplanes, shape (c,).
        on: which are active at the places, shape (k, c).
        rows: of the units, turned, shape (c, p).
        beside: rows of what is on everywhere, 0 where not told, shape (a, p).
        told: at which features these are, shape (p,).
        equations: that bear all this out.
    """

    turned: Mask
    on: Mask
    rows: Array
    beside: Array
    told: Mask
    equations: int


class Leftovers:
    """What sides leave of the rows of later units.

    Args:
        units: the layer's, orientation open.
        later: the places.
        tolerance: error of a row that is rounding.
    """

    def __init__(self, units: Candidates, later: Later, tolerance: float) -> None:
        self.units, self.later, self.tolerance = units, later, tolerance
        self.unknown = np.isnan(later.shares)
        self.shares = np.where(self.unknown, 0.0, later.shares)
        self.projectors: dict[tuple[int, bytes], Array] = {}

    def right_sides(self) -> Sides | None:
        """Return the sides that leave least; None where several do, or all leave too much."""
        every = [np.array(bits) for bits in product((False, True), repeat=len(self.units))]
        for count in range(LATER.most_beside + 1):
            some = [sides for turned in every if (sides := self.sides(turned, count)) is not None]
            found = [sides for one in some if (sides := self.refined(one)) is not None]
            found.sort(key=lambda sides: -sides.equations)
            if len(found) > 1 and found[0].equations == found[1].equations:
                return None
            if found:
                return found[0]
        return None

    def sides(self, turned: Mask, count: int) -> Sides | None:
        """Return what sides leave if that is of so many rows, and enough equations say so."""
        on = self.later.above ^ turned
        rows = np.where(turned[:, None], -self.units.rows, self.units.rows)
        usable = self.usable(on, count)
        off = np.array([self.projector(k, on[k], usable[k]) for k in range(len(on))])
        left = self.left(on, rows, usable)
        room = np.round(np.trace(off, axis1=1, axis2=2)).astype(int)
        told = usable[room > count].any(axis=0)
        equations = int(np.maximum(room - count, 0).sum()) - count * int(told.sum())
        if equations < LATER.equations * len(self.units):
            return None
        if count < 2:
            projected = np.einsum("kpq,kq->kp", off, left)
            beside = self.one_row(off, projected, told) if count else self.none(projected)
        else:
            beside = self.several(on, rows, left, told, count)
        return None if beside is None else Sides(turned, on, rows, beside, told, equations)

    def projector(self, place: int, on: Mask, usable: Mask) -> Array:
        """Return what takes the features in use off the rows of active units of unknown shares, (p, p)."""
        which = on & self.unknown[place]
        key = place, np.concatenate([which, usable]).tobytes()
        if key not in self.projectors:
            self.projectors[key] = off_rows(self.units.rows[which], usable)
        return self.projectors[key]

    @cached_property
    def columns(self) -> Mask:
        """Features that are on together at enough places, as many as can be, shape (p,)."""
        best = np.zeros(self.later.masks.shape[1], bool)
        for mask in self.later.masks & self.units.known.all(axis=0):
            enough = (self.later.masks | ~mask).all(axis=1).sum() >= LATER.together
            if enough and mask.sum() > best.sum():
                best = mask
        return best

    def rest(self, sides: Sides, beside: Array) -> Array:
        """Return what rows beside those sides do not explain at any place, shape (k, p)."""
        usable = self.usable(sides.on, len(beside))
        left, out = self.left(sides.on, sides.rows, usable), np.zeros(usable.shape)
        for k, (part, use) in enumerate(zip(left, usable, strict=True)):
            own = self.projector(k, sides.on[k], use)
            part, basis = own @ part, beside @ own
            out[k] = part - np.linalg.lstsq(basis.T, part, rcond=LATER.rank)[0] @ basis
        return out

    def fits(self, sides: Sides) -> bool:
        """Whether what sides leave is explained at every place."""
        off = np.linalg.norm(self.rest(sides, sides.beside), axis=1)
        return bool((off <= self.tolerance).all())

    def refined(self, sides: Sides) -> Sides | None:
        """Return sides with rows beside them that fit at all places; None where none do.

        Several were told up to rows of active units of unknown shares: Gauss-Newton tells the rest.
        """
        missing = sides.rows[(sides.on & self.unknown).any(axis=0)] * sides.told
        if len(sides.beside) > 1 and len(missing) and not self.fits(sides):
            size = len(sides.beside), len(missing)
            found = least_squares(
                lambda x: self.rest(sides, sides.beside + x.reshape(size) @ missing).ravel(),
                np.zeros(size[0] * size[1]),
                ftol=None,
                xtol=LATER.step,
                gtol=None,
                max_nfev=LATER.steps,
            )
            sides = replace(sides, beside=sides.beside + found.x.reshape(size) @ missing)
        return sides if self.fits(sides) else None

    def usable(self, on: Mask, count: int) -> Mask:
        """Return features to compare at each place, none of which an active unit has no entry for, (k, p)."""
        usable = self.later.masks & ~(on[:, :, None] & ~self.units.known).any(axis=1)
        return np.asarray(usable & self.columns if count > 1 else usable)

    def left(self, on: Mask, rows: Array, usable: Mask) -> Array:
        """Return what active units of known shares leave of the places' rows, shape (k, p)."""
        return np.where(usable, self.later.rows - np.where(on, self.shares, 0.0) @ rows, 0.0)

    def none(self, left: Array) -> Array | None:
        """Return no row where none is left to explain."""
        small = np.linalg.norm(left, axis=1) <= self.tolerance
        return np.zeros((0, left.shape[1])) if small.all() else None

    def one_row(self, off: Array, left: Array, told: Mask) -> Array | None:
        """Return the one row to which all that is left is parallel, shape (1, p)."""
        size = np.linalg.norm(left, axis=1)
        some = size > LATER.straight
        unit = left[some] / size[some, None]
        across = off[some] - unit[:, :, None] * unit[:, None]
        equations = across.reshape(-1, left.shape[1])[:, told]
        if len(equations) < int(told.sum()) or told.sum() < 2:
            return None
        _, sizes, basis = np.linalg.svd(equations, full_matrices=False)
        if sizes[-1] > self.tolerance * sizes[0] or sizes[-2] < LATER.gap * sizes[0]:
            return None
        row = np.zeros((1, left.shape[1]))
        row[0, told] = basis[-1]
        return row

    def several(self, on: Mask, rows: Array, left: Array, told: Mask, count: int) -> Array | None:
        """Return rows that span what is left where the same features are on, shape (count, p).

        They are told up to rows of active units of unknown shares, and by places at which these are known.
        """
        covering = np.flatnonzero((self.later.masks | ~told).all(axis=1))
        unknown = on & self.unknown
        covering = covering[np.argsort(unknown[covering].sum(axis=1), kind="stable")][: LATER.together]
        missing = rows[unknown[covering].any(axis=0)] * told
        off = off_rows(missing, told)
        if not told.any() or np.trace(off) < count + 1 - LATER.gap or len(covering) < LATER.together:
            return None
        _, sizes, basis = np.linalg.svd(left[covering] @ off, full_matrices=False)
        if sizes[count] > self.tolerance * sizes[0] or sizes[count - 1] < LATER.gap * sizes[0]:
            return None
        return np.asarray(basis[:count])


def off_rows(rows: Array, usable: Mask) -> Array:
    """Return what takes the features in use off the span of rows (n, p), shape (p, p)."""
    off, rows = np.diag(usable.astype(float)), rows * usable
    return off - np.linalg.pinv(rows, rcond=RANK) @ rows if len(rows) else off
