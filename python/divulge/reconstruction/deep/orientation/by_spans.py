"""Which sides a layer's units are active on, from spans: for layers as wide as the ones before, or wider.

Every path to an output passes through the layer. So at any point x the gradient lies in the span of the
gradients of the units that are active there,

    g(x) in span { r_j . J(x) : j active at x },

J the features' Jacobian. Where fewer units are active than J has rank that is a test of the sides, all at
once: right ones pass it at every point, and a unit on the wrong side is soon missed. Where one more unit, r_0,
is on everywhere and no kink has shown it, what the active units leave of g is at every point a multiple of
what they leave of r_0 . J: linear equations in r_0, which have a solution for the right sides alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from divulge.arrays import Array, Mask
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

    def left(self, turned: Mask) -> tuple[Array, Array]:
        """Return projectors off the span of the active units, (n, d, d), and what they leave of g, (n, d)."""
        active = self.above ^ turned
        rows = self.slopes * active[:, :, None]
        off = np.eye(rows.shape[2]) - np.linalg.pinv(rows, rcond=SPANS.rank) @ rows
        return off, np.einsum("nde,ne->nd", off, self.gradients)

    def misses(self, turned: Mask, enough: float) -> int:
        """Return at how many points the active units' span does not hold the gradient."""
        return int((np.linalg.norm(self.left(turned)[1], axis=1) > enough).sum())

    def row_beside(self, turned: Mask, enough: float) -> tuple[Array, float]:
        """Return the row of a unit on everywhere that explains what is left best, and how badly it does."""
        off, left = self.left(turned)
        size = np.linalg.norm(left, axis=1)
        some = size > enough
        off, left, size = off[some], left[some], size[some]
        across = off - np.einsum("nd,ne->nde", left, left) / (size**2)[:, None, None]
        equations = np.einsum("nde,npe->ndp", across, self.jacobians[some]).reshape(
            -1, self.jacobians.shape[1]
        )
        _, sizes, rows = np.linalg.svd(equations, full_matrices=False)
        if len(sizes) < 2 or not sizes[-2] > 0:
            return rows[-1], np.inf
        return rows[-1], float(sizes[-1] / sizes[-2])


def turned_by_spans(pool: Pool, prefix: Prefix, units: Candidates, enough: float) -> Dense | None:
    """Turn the units over where that is told, or return None.

    Args:
        pool: where to ask, and what was answered.
        prefix: the layers before.
        units: the layer's units, orientation open.
        enough: share of a gradient outside a span that is rounding.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if not prefix.layers or len(units) > SPANS.most_units:
        return None
    told = asked(pool, prefix, units)
    every = [np.array(bits) for bits in product((False, True), repeat=len(units))]
    right = [bits for bits in every if told.misses(bits, enough) == 0]
    if right:
        return units.turned(right[0]) if len(right) == 1 else None
    return beside_one_more(pool, prefix, units, told, every, enough)


def beside_one_more(
    pool: Pool, prefix: Prefix, units: Candidates, told: Told, every: list[Mask], enough: float
) -> Dense | None:
    """Turn the units of a layer of which one more is on everywhere, and add that one."""
    found = [told.row_beside(bits, enough) for bits in every]
    errors = np.array([error for _, error in found])
    order = np.argsort(errors)
    if not errors[order[0]] <= enough or errors[order[1]] <= SPANS.gap * errors[order[0]]:
        return None
    row, layer = found[order[0]][0], units.turned(every[order[0]])
    features = prefix.features(pool.probe.answered()[0])
    level = SPANS.above * float(np.abs(features @ row).max())
    return Dense(np.concatenate([layer.rows, row[None]]), np.append(layer.offsets, level))


def asked(pool: Pool, prefix: Prefix, units: Candidates) -> Told:
    """Ask where many features of all layers before are active: there spans are small beside the rank."""
    draws = pool.lines.samples(SPANS.draws)
    active = np.stack([(levels > 0).sum(axis=1) for levels in prefix.levels(draws)])
    points = draws[np.argsort(-active.min(axis=0), kind="stable")[: SPANS.points]]
    gradients = pool.probe.pieces(points)[:, :-1]
    size = np.linalg.norm(gradients, axis=1)
    some = size > TINY
    points, gradients = points[some], gradients[some] / size[some, None]
    jacobians = prefix.jacobians(points)
    slopes = units.rows @ jacobians
    slopes /= np.maximum(np.linalg.norm(slopes, axis=2, keepdims=True), TINY)
    above = prefix.features(points) @ units.rows.T + units.offsets > 0
    return Told(slopes, jacobians, above, gradients)
