"""Signs of a first layer that is wider than its input, read from the bends of later units' hyperplanes.

Let a_i, b_i be the first layer's units with any orientation, p_i = [a_i . x + b_i > 0], and s_i = 1 where the
unit must be turned over. Where a unit of the second layer with the row R has its kink the gradient jumps
along

    n(x) = sum_i p_i R_i a_i - sum_i s_i R_i a_i.

Its bent hyperplane can be followed from one cell of the known hyperplanes into the next: across a_i it
changes by R_i a_i, whatever the orientation, which two questions show. With R known, n(x) is linear in the
bits s, d equations for every unit that was followed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.hyperplane_queries import bend_shares, orthogonal_to
from divulge.reconstruction.network.known_layers import Dense
from divulge.reconstruction.settings import WALKING


@dataclass
class Walk:
    """Bent hyperplanes as they are followed.

    Attributes:
        points: where each is, on the edge of a cell or inside of it, shape (m, d).
        normals: n in the cell ahead, up to a factor that stays, shape (m, d).
        sides: p in that cell, shape (m, h).
        rows: R up to that factor, NaN where unknown, shape (m, h).
        alive: which have not gone astray, shape (m,).
    """

    points: Array
    normals: Array
    sides: Mask
    rows: Array
    alive: Mask


def signs(
    probe: Probe, layer: Dense, points: Array, jumps: Array, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Return which units of a first layer to turn over, or None where that cannot be told.

    Args:
        probe: where to ask.
        layer: all units of the first layer, each with any orientation.
        points: kinks of later units, shape (m, d).
        jumps: of the gradient there, shape (m, d).
        rng: draws the ways.
    """
    if not len(points):
        return None
    chosen = rng.permutation(len(points))[: WALKING.walkers]
    walk = begin(layer, points[chosen], jumps[chosen])
    start_normals, start_sides = walk.normals.copy(), walk.sides.copy()
    for _ in range(WALKING.steps_per_unit * len(layer)):
        if not (walk.alive & np.isnan(walk.rows).any(axis=1)).any():
            break
        step(probe, layer, walk, rng)
    return solve(layer, walk, start_normals, start_sides)


def begin(layer: Dense, points: Array, jumps: Array) -> Walk:
    """Return walks that start at kinks."""
    rows = np.full((len(points), len(layer)), np.nan)
    return Walk(points.copy(), jumps.copy(), layer.levels(points) > 0, rows, np.ones(len(points), bool))


def step(probe: Probe, layer: Dense, walk: Walk, rng: np.random.Generator) -> None:
    """Go on to the next edge of every cell, and ask behind it where the bend is not known yet."""
    which, feature, points = edges(layer, walk, rng)
    inside = within(probe, points)
    which, feature, points = which[inside], feature[inside], points[inside]
    if not len(which):
        return
    ahead = np.where(walk.sides[which, feature], -1.0, 1.0)
    crossed = layer.rows[feature] * ahead[:, None]
    new = np.flatnonzero(np.isnan(walk.rows[which, feature]))
    if len(new):
        share, good = bend_shares(probe, points[new], walk.normals[which[new]], crossed[new])
        walk.rows[which[new], feature[new]] = np.where(good, share, np.nan)
        walk.alive[which[new[~good]]] = False
    known = walk.alive[which]
    which, feature, points, crossed = which[known], feature[known], points[known], crossed[known]
    walk.points[which] = points
    walk.normals[which] += walk.rows[which, feature][:, None] * crossed
    walk.sides[which, feature] ^= True


def within(probe: Probe, points: Array) -> Mask:
    """Whether points (n, d) lie in the box, if there is one: other ways lead to other edges."""
    if probe.domain is None:
        return np.ones(len(points), bool)
    low, high = probe.domain
    return np.asarray(((points > low) & (points < high)).all(axis=1))


def edges(layer: Dense, walk: Walk, rng: np.random.Generator) -> tuple[Index, Index, Array]:
    """Draw a way inside of every cell, towards a hyperplane not crossed yet, and return where it ends.

    Returns:
        The walks that meet an edge, the feature whose hyperplane it is, and the places, shape (n, d).
    """
    which = np.flatnonzero(walk.alive)
    unseen = np.isnan(walk.rows[which]) + WALKING.tie * rng.uniform(size=walk.rows[which].shape)
    goal = np.argmax(unseen * rng.uniform(size=unseen.shape), axis=1)
    levels = layer.levels(walk.points[which])
    inward = np.where(walk.sides[which], 1.0, -1.0)
    towards = -inward[np.arange(len(which)), goal][:, None] * layer.rows[goal]
    noise = rng.standard_normal(towards.shape) / np.sqrt(towards.shape[1])
    way = orthogonal_to(walk.normals[which], towards + noise)
    growth = inward * (way @ layer.rows.T)
    room = np.maximum(inward * levels, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.where(
            (growth < 0) & (room > WALKING.clear * (1 + np.abs(levels))), -room / growth, np.inf
        )
    stuck = ((growth < 0) & (room <= WALKING.clear * (1 + np.abs(levels)))).any(axis=1)
    feature = np.argmin(length, axis=1)
    reach = length[np.arange(len(which)), feature]
    good = np.isfinite(reach) & ~stuck
    return which[good], feature[good], walk.points[which[good]] + reach[good, None] * way[good]


def solve(layer: Dense, walk: Walk, normals: Array, sides: Mask) -> NDArray[np.bool_] | None:
    """Solve for the bits by the walks that saw enough, or return None where they leave a choice.

    Args:
        layer: the first layer.
        walk: as it ended.
        normals: n where the walks began, shape (m, d).
        sides: p there, shape (m, h).
    """
    size = layer.rows.shape[1]
    seen = ~np.isnan(walk.rows)
    enough = np.flatnonzero(walk.alive & ((~seen).sum(axis=1) <= WALKING.unseen_share * size))
    matrices, rights = [np.empty((0, len(layer)))], [np.empty(0)]
    for m in enough:
        hidden = layer.rows[~seen[m]]
        free = np.eye(size) - np.linalg.pinv(hidden) @ hidden  # blind to bends that were not seen
        terms = (np.where(seen[m], walk.rows[m], 0.0)[:, None] * layer.rows) @ free
        scale = np.linalg.norm(normals[m])
        matrices.append(terms.T / scale)
        rights.append((sides[m] @ terms - free @ normals[m]) / scale)
    matrix, right = np.concatenate(matrices), np.concatenate(rights)
    if len(matrix) < len(layer):
        return None
    bits, _, rank, _ = np.linalg.lstsq(matrix, right, rcond=WALKING.rank)
    turned = np.round(bits)
    if rank < len(layer) or np.abs(bits - turned).max() > WALKING.whole or not np.isin(turned, (0, 1)).all():
        return None
    return np.asarray(turned > 0.5)
