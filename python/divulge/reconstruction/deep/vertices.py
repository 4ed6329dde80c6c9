"""Inputs where as many hyperplanes of the first layer meet as span its inputs, or one less.

Between these hyperplanes a unit of the second layer is affine in the input: where it is on in a part of such
a cell alone it is so at a vertex of the cell, or far out along an edge that has no end.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.network.known_layers import Dense
from divulge.reconstruction.settings import FALSIFYING, RANK, TINY, VERTICES


def at_vertices(first: Dense, lines: Lines, count: int) -> Array:
    """Return points (n, d) right beside vertices, all or `count` of them, a share of these the nearest.

    Args:
        first: the first layer.
        lines: draws which, and on which side.
        count: how many at most.
    """
    rows, offsets, basis = in_their_span(first)
    chosen = tuples(len(rows), len(basis), count, lines.rng)
    points = meeting(rows[chosen], -offsets[chosen][:, :, None])[:, :, 0]
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    nearest = int(VERTICES.nearest * count)
    near, far = order[:nearest], lines.rng.permutation(order[nearest:])
    return beside(points[np.concatenate([near, far[: count - len(near)]])], basis, lines)


def are_all_vertices(first: Dense, count: int) -> bool:
    """Whether `at_vertices` returns all there are when it is asked for so many points."""
    rows, _, basis = in_their_span(first)
    return comb(len(rows), len(basis)) <= min(count, VERTICES.most)


def at_ends(first: Dense, lines: Lines, count: int, reach: float = FALSIFYING.reach) -> Array:
    """Return points (n, d) far out beside both ends of edges, all or `count` of them.

    Args:
        first: the first layer.
        lines: draws which, and on which side.
        count: how many at most.
        reach: distance, in usual ones.
    """
    _, ways, basis = edges(first, lines, (count + 1) // 2)
    ends = reach * np.sqrt(lines.input_size) * ways
    return beside(np.concatenate([ends, -ends])[:count], basis, lines)


def edges(first: Dense, lines: Lines, count: int) -> tuple[Array, Array, Array]:
    """Return places (n, r) of edges, ways along them of length 1, and the basis (r, d) that both are over.

    There are none where edges are so many that a random part of them says little.

    Args:
        first: the first layer.
        lines: draws which.
        count: how many at most.
    """
    rows, offsets, basis = in_their_span(first)
    chosen = tuples(len(rows), len(basis) - 1, count, lines.rng)
    if comb(len(rows), len(chosen[0]) if len(chosen) else 0) > VERTICES.most:
        chosen = chosen[:0]
    chosen = lines.rng.permutation(chosen)[:count]
    across = lines.rng.standard_normal((len(chosen), 1, len(basis))) / np.sqrt(max(len(basis), 1))
    place = np.concatenate([-offsets[chosen], np.zeros((len(chosen), 1))], axis=1)
    way = np.zeros(place.shape)
    way[:, -1] = 1.0
    found = meeting(np.concatenate([rows[chosen], across], axis=1), np.stack([place, way], axis=2))
    places, ways = found[:, :, 0], found[:, :, 1]
    return places, ways / np.linalg.norm(ways, axis=1, keepdims=True), basis


def in_their_span(first: Dense) -> tuple[Array, Array, Array]:
    """Return units' rows over a basis of their span, (h, r), offsets (h,), and the basis, (r, d)."""
    rows, offsets = first.rows[: first.units], first.offsets[: first.units]
    size = np.linalg.norm(rows, axis=1)
    rows, offsets = rows[size > 0] / size[size > 0, None], offsets[size > 0] / size[size > 0]
    _, s, vt = np.linalg.svd(rows, full_matrices=False)
    basis = vt[s > RANK * s.max(initial=TINY)]
    return rows @ basis.T, offsets, basis


def meeting(rows: Array, levels: Array) -> Array:
    """Return where rows (n, r, r) of length about 1 have levels (n, r, k), if they tell it, (m, r, k)."""
    sharp = np.linalg.svd(rows, compute_uv=False).min(axis=1, initial=np.inf) > VERTICES.dependent
    return np.asarray(np.linalg.solve(rows[sharp], levels[sharp]))


def beside(points: Array, basis: Array, lines: Lines) -> Array:
    """Return points (n, r) over a basis (r, d) as inputs (n, d), random beyond its span, moved a bit."""
    usual = 1.0 + np.linalg.norm(points, axis=1, keepdims=True) / np.sqrt(lines.input_size)
    drawn, moves = lines.samples(len(points)), lines.rng.standard_normal((len(points), lines.input_size))
    points = points @ basis + drawn - drawn @ basis.T @ basis
    return lines.unsaturated(points + VERTICES.beside * usual * moves)


def tuples(units: int, size: int, count: int, rng: np.random.Generator) -> Index:
    """Return sets of so many units, shape (n, size): all there are, or random ones where these are many."""
    if not 0 <= size <= units:
        return np.empty((0, max(size, 0)), np.intp)
    most = max(1, VERTICES.work // max(size, 1) ** 3)
    if comb(units, size) <= min(VERTICES.most, most):
        return np.array(list(combinations(range(units), size)), np.intp)
    order = rng.uniform(size=(min(VERTICES.drawn * count, most), units)).argsort(axis=1)
    return np.sort(order[:, :size], axis=1)
