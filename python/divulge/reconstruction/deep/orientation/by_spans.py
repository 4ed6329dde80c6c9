"""Which sides a layer's units are active on, from spans: for layers as wide as the ones before, or wider.

Every path to an output passes through the layer. So at any point x the gradient lies in the span of the
gradients of the units that are active there,

    g(x) in span { r_j . J(x) : j active at x },

J the features' Jacobian. Where fewer units are active than J has rank that is a test of the sides, all at
once: right ones pass it at every point, and a unit on the wrong side is soon missed. Where one more unit,
r_0, is on everywhere and no kink has shown it, what the active units leave of g is at every point a multiple
of what they leave of r_0 . J: linear equations in r_0, which have a solution for the right sides alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import SPANS, TINY


@dataclass(frozen=True)
class Told:
    """What answers tell of a layer's sides.

    Attributes:
        slopes: gradients of the units' pre-activations, of unit norm or 0, shape (n, c, d).
        jacobians: of the features before, shape (n, p, d).
        above: on which side of each hyperplane the points lie, shape (n, c).
        gradients: of unit norm, shape (n, d).
    """

    slopes: Array
    jacobians: Array
    above: Mask
    gradients: Array

    @classmethod
    def asked(cls, pool: Pool, prefix: Prefix, units: Candidates, points: Array) -> Told:
        """Ask at points (n, d)."""
        gradients = pool.probe.pieces(points)[:, :-1]
        size = np.linalg.norm(gradients, axis=1)
        some = size > TINY
        points, gradients = points[some], gradients[some] / size[some, None]
        jacobians = prefix.jacobians(points)
        slopes = units.rows @ jacobians
        slopes /= np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), TINY)
        above = prefix.features(points) @ units.rows.T + units.offsets > 0
        return cls(slopes, jacobians, above, gradients)

    def left(self, turned: Mask) -> tuple[Array, Array]:
        """Return projectors off the span of the active units, (n, d, d), and what they leave of g, (n, d)."""
        active = self.above ^ turned
        rows = self.slopes * active[:, :, None]
        off = np.eye(rows.shape[2]) - np.linalg.pinv(rows, rcond=SPANS.rank) @ rows
        return off, np.einsum("nde,ne->nd", off, self.gradients)

    def misses(self, turned: Mask, enough: float) -> int:
        """Return at how many points the active units' span does not hold the gradient."""
        return int((np.linalg.norm(self.left(turned)[1], axis=1) > enough).sum())

    def row_beside(self, turned: Mask, enough: float) -> Array | None:
        """Return the one row of a unit on everywhere that explains what is left, or None."""
        off, left = self.left(turned)
        size = np.linalg.norm(left, axis=1)
        some = size > enough
        unit = left[some] / size[some, None]
        across = off[some] - unit[:, :, None] * unit[:, None]
        equations = np.einsum("nde,npe->ndp", across, self.jacobians[some]).reshape(
            -1, self.jacobians.shape[1]
        )
        _, sizes, rows = np.linalg.svd(equations, full_matrices=False)
        if len(sizes) < 2 or sizes[-1] > enough * sizes[0] or sizes[-2] <= enough * sizes[0]:
            return None
        beside = np.einsum("p,npd->nd", rows[-1], self.jacobians)
        beside = np.einsum("nde,ne->nd", off, beside)
        beside /= np.maximum(np.linalg.norm(beside, axis=1, keepdims=True), TINY)
        rest = left - np.einsum("nd,nd->n", left, beside)[:, None] * beside
        return rows[-1] if (np.linalg.norm(rest, axis=1) <= enough).all() else None


def turned_by_spans(
    pool: Pool, prefix: Prefix, units: Candidates, enough: float, draws: Array | None = None
) -> Dense | None:
    """Turn the units over where that is told, or return None; where a gradient costs many values too.

    Args:
        pool: where to ask, and what was answered.
        prefix: the layers before.
        units: the layer's units, orientation open.
        enough: share of a gradient outside a span that is rounding.
        draws: points (n, d) to choose from, or None for usual ones.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if not prefix.layers or len(units) > SPANS.most_units or pool.probe.bends_are_cheap:
        return None
    usual = pool.lines.samples(SPANS.draws) if draws is None else draws
    points = most_active(prefix, usual, SPANS.points)
    if 2 * np.median(ranks(prefix, points)) <= len(units):
        return None  # half of the units span whatever a gradient may be
    told = Told.asked(pool, prefix, units, points)
    every = [np.array(bits) for bits in product((False, True), repeat=len(units))]
    right = [bits for bits in every if told.misses(bits, enough) == 0]
    if not right:
        told = Told.asked(
            pool, prefix, units, on_both_sides(prefix, units, pool, np.arange(len(units)), draws)
        )
        return beside_one_more(pool, prefix, units, told, every, enough)
    for _ in range(SPANS.rounds):
        open_units = np.flatnonzero(np.any(right, axis=0) & ~np.all(right, axis=0))
        if not len(open_units):
            return units.turned(right[0])
        told = Told.asked(pool, prefix, units, on_both_sides(prefix, units, pool, open_units, draws))
        right = [bits for bits in right if told.misses(bits, enough) == 0]
        if not right:
            break
    return None


def most_active(prefix: Prefix, points: Array, count: int) -> Array:
    """Return the points (n, d) at which most features of all layers before are active, the first so many."""
    return points[np.argsort(-ranks(prefix, points), kind="stable")[:count]]


def ranks(prefix: Prefix, points: Array) -> Index:
    """Return what rank the features' Jacobian has at most at points (n, d): active features, or inputs."""
    active = [(levels > 0).sum(axis=1) for levels in prefix.levels(points)]
    return np.asarray(np.minimum(np.min(active, axis=0), prefix.input_size), np.intp)


def on_both_sides(prefix: Prefix, units: Candidates, pool: Pool, which: Index, given: Array | None) -> Array:
    """Return points on both sides of some of the units, but in a box far out too, many features active."""
    draws = pool.lines.samples(SPANS.draws) if given is None else given
    if pool.lines.domain is None and given is None:
        draws = draws * np.exp(pool.lines.rng.uniform(0.0, np.log(SPANS.far), (len(draws), 1)))
        draws = pool.lines.unsaturated(draws)
    above = prefix.features(draws) @ units.rows.T + units.offsets > 0
    sides = [above[:, unit] == side for unit in which for side in (False, True)]
    return np.concatenate([most_active(prefix, draws[side], SPANS.points_more) for side in sides])


def beside_one_more(
    pool: Pool, prefix: Prefix, units: Candidates, told: Told, every: list[Mask], enough: float
) -> Dense | None:
    """Turn the units of a layer of which one more is on everywhere, and add that one."""
    found = [(bits, told.row_beside(bits, enough)) for bits in every]
    right = [(bits, row) for bits, row in found if row is not None]
    if len(right) != 1:
        return None
    ((bits, row),) = right
    layer = units.turned(bits)
    features = prefix.features(pool.probe.answered()[0])
    level = SPANS.above * float(np.abs(features @ row).max())
    return Dense(np.concatenate([layer.rows, row[None]]), np.append(layer.offsets, level))
