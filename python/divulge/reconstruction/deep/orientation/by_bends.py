"""Which sides a layer's units are active on, and what is on everywhere, from how later units bend at them.

Within a cell, the states of this layer and of those before fixed, the hyperplane of a later unit has the
normal m . J(x), J the Jacobian of the features before. Where it meets that of a unit j of this layer it goes
on with m + s_j r_j, r_j pointing ahead: s_j is what the later unit reads of j, whichever side j is active on.
An output's gradient in one of its pieces is such an m, too. So at every place

    m = sum over active units j of s_j r_j + sum over what is on everywhere of rho_a v_a,

r_j now turned to the side of j. For the right sides what the first sum leaves of m is the least: nothing, or
few rows v_a that are the same at all places. One is that of a unit on everywhere; several are handed on, as
their span is all that is told. An entry of r_j that no kink of j shows is one where j never switches, and is
told by the same equations.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.deep.candidates import Candidates, group, merge
from divulge.reconstruction.deep.cell_edges import bends_of, kinks_above
from divulge.reconstruction.deep.orientation.least_beside import Later, Leftovers, Sides
from divulge.reconstruction.deep.partial_rows import Segments
from divulge.reconstruction.deep.piece_edges import own_kinks, pieces_beside
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import ALWAYS_ON, LATER, LAYERS, SPANS, TINY


def turned_by_bends(pool: Pool, prefix: Prefix, free: FreeLayer, units: Candidates) -> Dense | None:
    """Turn the units over where that is told, and add what is on everywhere; None where it is not told.

    Args:
        pool: where to ask, and what was searched.
        prefix: the layers before, one at least.
        free: the first of them.
        units: the layer's units, orientation open.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if len(units) > SPANS.most_units or pool.probe.rounded:
        return None
    kinks = chosen(units, later_kinks(pool, prefix, units), prefix)
    places = [(kinks, *bends_of(pool.probe, prefix, free, units, kinks))] if len(kinks) else []
    which, points = own_kinks(pool, prefix, units)
    if len(points):
        places.append(pieces_beside(pool.probe, prefix, free, units, which, points))
    later = joined([later_of(*each) for each in places])
    if later is None:
        return None
    sides = Leftovers(units, later, pool.probe.tolerances.missing).right_sides()
    return None if sides is None else completed(prefix, units, later, sides)


def later_of(found: Segments, above: Mask, shares: Array) -> Later:
    """Return what is told of rows, scaled to unit norm, and of units' shares in them.

    Rows that read nothing of the layer's units are left out: a unit of this layer goes straight on.
    """
    size = np.linalg.norm(found.rows, axis=1, keepdims=True)
    shares = shares / np.maximum(size, TINY)
    some = (np.abs(shares) > LATER.straight).any(axis=1) & found.determined & (size[:, 0] > 0)
    return Later((found.rows / np.maximum(size, TINY))[some], found.masks[some], above[some], shares[some])


def joined(parts: list[Later]) -> Later | None:
    """Return all places as one, shares of one unit filled in; None where there are few."""
    if sum(len(part.rows) for part in parts) < LATER.least:
        return None
    rows, masks, above, shares = (
        np.concatenate([getattr(part, name.name) for part in parts]) for name in fields(Later)
    )
    return Later(rows, masks, above, filled(shares))


def later_kinks(pool: Pool, prefix: Prefix, units: Candidates) -> Segments:
    """Return kinks that are none of a layer's, no two of the same row, those of most features first."""
    layer = Dense(units.rows, units.offsets)
    found = pool.solved(prefix.grown(layer), prefix, pool.sweeps)
    found = found.take(np.argsort(-found.masks.sum(axis=1), kind="stable"))
    labels = group(found, pool.probe.tolerances.alike, LAYERS.overlap)
    return found.take(np.sort(np.unique(labels, return_index=True)[1]))


def chosen(units: Candidates, found: Segments, prefix: Prefix) -> Segments:
    """Return kinks that show most features, some for each feature and for each side of every unit."""
    picked = np.arange(len(found)) < LATER.kinks
    above = kinks_above(prefix, units, found)
    for column in np.concatenate([found.masks, above, ~above], axis=1).T:
        picked[np.flatnonzero(column)[: LATER.each]] = True
    return found.take(picked)


def filled(shares: Array) -> Array:
    """Return shares (k, c) of which those of the same later unit, seen at other places, are filled in."""
    known = ~np.isnan(shares)
    values, places = np.where(known, shares, 0.0), len(shares)
    size = np.linalg.norm(values, axis=1)
    nothing = np.zeros(places)
    found = Segments(values, known, nothing, nothing, np.ones(places, bool), np.zeros((places, 1)))
    labels = group(found, LATER.alike, LAYERS.overlap)
    units, out = merge(found, labels), np.array(shares)
    for k, unit in enumerate(np.unique(labels, return_inverse=True)[1]):
        both, new = known[k], units.known[unit] & ~known[k]
        row = units.rows[unit]
        if size[k] and new.any():
            out[k, new] = row[new] * (row[both] @ values[k, both]) / (row[both] @ row[both])
    return out


def completed(prefix: Prefix, units: Candidates, later: Later, sides: Sides) -> Dense | None:
    """Return the layer, what is not told of its rows solved for feature by feature; None where it is not."""
    rows, beside = sides.rows.copy(), sides.beside.copy()
    known, told = units.known.copy(), sides.told.copy()
    for feature in np.argsort(-later.masks.sum(axis=0), kind="stable"):
        at = np.flatnonzero(later.masks[:, feature])
        has = np.flatnonzero(~known[:, feature] & sides.on[at].any(axis=0))
        if not len(at) or (told[feature] and not len(has)):
            continue
        now = replace(sides, rows=rows, beside=beside, told=told)
        equations, right = of_feature(later, now, known, int(feature), at, has)
        if np.linalg.matrix_rank(equations, tol=LATER.rank) < equations.shape[1]:
            return None
        solution = np.linalg.lstsq(equations, right, rcond=None)[0]
        if np.abs(equations @ solution - right).max(initial=0.0) > LATER.off:
            return None
        beside[:, feature], rows[has, feature] = solution[: len(beside)], solution[len(beside) :]
        told[feature], known[has, feature] = True, True
    offsets = np.where(sides.turned, -units.offsets, units.offsets)
    return with_beside(prefix, units, Dense(rows, offsets), beside)


def of_feature(
    later: Later, sides: Sides, known: Mask, feature: int, at: Index, has: Index
) -> tuple[Array, Array]:
    """Return equations in the entries of one feature, of what is beside a layer and of units that lack it.

    Args:
        later: the places.
        sides: and the sides, with rows as far as they are known.
        known: which entries of the units' rows are, shape (c, p).
        feature: whose entries are sought.
        at: places at which it is on, shape (n,).
        has: units whose entry is sought, shape (u,).
    """
    equations, right = [np.zeros((0, len(sides.beside) + len(has)))], [np.zeros(0)]
    for k in at:
        on, shares = sides.on[k], later.shares[k]
        usable = later.masks[k] & sides.told & known[on].all(axis=0)
        usable[feature] = False
        free = np.flatnonzero(on & np.isnan(shares))
        basis = np.concatenate([sides.beside, sides.rows[free]])
        if np.linalg.matrix_rank(basis[:, usable], tol=LATER.rank) < len(basis):
            continue
        own = np.where(on & ~np.isnan(shares), shares, 0.0)
        left = later.rows[k] - own @ sides.rows
        found = np.linalg.lstsq(basis[:, usable].T, left[usable], rcond=None)[0]
        own[free] = found[len(sides.beside) :]
        equations.append(np.append(found[: len(sides.beside)], own[has])[None])
        right.append(np.array([left[feature] - own[free] @ sides.rows[free, feature]]))
    return np.concatenate(equations), np.concatenate(right)


def with_beside(prefix: Prefix, units: Candidates, layer: Dense, beside: Array) -> Dense:
    """Return a layer with one more unit, on everywhere, or with several rows that are handed on."""
    if not len(beside):
        return layer
    rows = np.concatenate([layer.rows, beside])
    if len(beside) > 1:
        return Dense(rows, np.append(layer.offsets, np.zeros(len(beside))), len(beside))
    level = ALWAYS_ON.above * float(np.abs(prefix.features(units.points) @ beside[0]).max())
    return Dense(rows, np.append(layer.offsets, level))
