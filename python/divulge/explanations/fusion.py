"""Convex clustering along a path of penalties: rows fuse one after another until all are one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array, eye_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.sparse.linalg import splu
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index
from divulge.conventions import OnProgress

GROWTH = 1.05  # of the penalty, a step
MOST_STEPS = 2000
START = 1e-3  # of the penalty, in the unit in which neighbours' distances have median 1
TINY = 1e-12


@dataclass(frozen=True)
class Graph:
    """Which rows are drawn together, and how strongly.

    Attributes:
        left: one end of each edge, shape (e,).
        right: the other.
        weights: shape (e,), at most 1.
        count: rows.
    """

    left: Index
    right: Index
    weights: Array
    count: int

    def differences(self) -> csc_array:
        """Return D (e, n): D u are the differences of rows over the edges."""
        edges = np.arange(len(self.left))
        ones = np.ones(len(edges))
        entries = np.concatenate([ones, -ones])
        places = np.tile(edges, 2), np.concatenate([self.left, self.right])
        return csc_array(coo_array((entries, places), shape=(len(edges), self.count)))


def neighbours_graph(rows: Array, side: Array | None, k: int) -> Graph:
    """Join each row (n, p) with its k nearest; weights fall with the squared distance.

    Args:
        rows: what is fused.
        side: other numbers of the rows, shape (n, s), or None. Their distance counts for the part of the
            distances of `rows` that neighbours in `side` are spared: nothing where these are no more alike.
        k: neighbours. A spanning tree of the nearest is added, so that all can become one.
    """
    apart = _in_medians(cdist(rows, rows, "sqeuclidean"))
    if side is not None:
        beside = _in_medians(cdist(side, side, "sqeuclidean"))
        apart = apart + _told_by(beside, apart, k) * beside
    joined = np.zeros(apart.shape, bool)
    np.put_along_axis(joined, _nearest(apart, k), True, axis=1)
    tree = minimum_spanning_tree(csc_array(apart + TINY)).tocoo()
    joined[tree.row, tree.col] = True
    left, right = np.nonzero(np.triu(joined | joined.T, 1))
    weights = np.exp(-apart[left, right])
    return Graph(left, right, np.maximum(weights, 1e-6), len(rows))


def fusions(rows: Array, graph: Graph, progress: OnProgress | None = None) -> list[tuple[float, Index]]:
    """Return the levels of the path: the penalty from which rows are fused so, and their groups (n,).

    With differences D u over the edges l of the graph,

        min over u of 1/2 |u - rows|^2 + gamma sum_l w_l |(D u)_l|

    is followed for a rising gamma by one step of the alternating direction method each; two rows are fused
    once the difference over an edge is zero, and stay so. The first level is all rows alone, the last all
    together. Ctrl-C ends the path; the last level is all rows together then, too.

    Source:
        M. Weylandt, J. Nagorski, G. I. Allen, "Dynamic Visualization and Fast Computation for Convex
        Clustering via Algorithmic Regularization", 2020, arXiv 1901.01477.
    """
    d = graph.differences()
    solve = splu(csc_array(eye_array(graph.count) + d.T @ d)).solve
    v = d @ rows
    z = np.zeros_like(v)
    lengths = np.linalg.norm(v, axis=1)
    unit = float(np.median(lengths[lengths > 0])) if (lengths > 0).any() else 1.0
    gamma, fused = START * unit, lengths <= TINY * unit
    levels = [(0.0, np.arange(graph.count))]
    _append(levels, 0.0, _groups(graph, fused))
    try:
        for _ in range(MOST_STEPS):
            if levels[-1][1].max() == 0:
                break
            moved = d @ solve(rows + d.T @ (v - z)) + z
            length = np.linalg.norm(moved, axis=1)
            with np.errstate(over="ignore"):  # of lengths next to nothing, which shrink to nothing
                shrunk = np.maximum(1 - gamma * graph.weights / np.maximum(length, 1e-300), 0.0)
            v = shrunk[:, None] * moved
            z = moved - v
            fused |= shrunk == 0
            _append(levels, gamma, _groups(graph, fused))
            gamma *= GROWTH
            if progress is not None:
                progress(graph.count - 1 - int(levels[-1][1].max()), graph.count - 1)
    except KeyboardInterrupt:
        pass
    _append(levels, gamma, np.zeros(graph.count, np.intp))
    return levels


def _append(levels: list[tuple[float, Index]], gamma: float, groups: Index) -> None:
    """Add a level where rows were fused since the last."""
    if groups.max() < levels[-1][1].max():
        levels.append((gamma, groups))


def _groups(graph: Graph, fused: Array) -> Index:
    """The groups (n,) that fused edges make, numbered by their first rows."""
    places = graph.left[fused], graph.right[fused]
    joined = coo_array((np.ones(len(places[0])), places), shape=(graph.count, graph.count))
    return np.asarray(connected_components(joined, directed=False)[1], np.intp)


def _nearest(apart: Array, k: int) -> Index:
    """The k nearest others (n, k) by distances (n, n)."""
    order = np.argsort(apart + np.diag(np.full(len(apart), np.inf)), axis=1, kind="stable")
    return order[:, : min(k, len(apart) - 1)]


def _told_by(beside: Array, apart: Array, k: int) -> float:
    """How much nearer by `apart` the k nearest by `beside` are than any two rows, from 0 to 1."""
    everywhere = float(apart[np.triu_indices(len(apart), 1)].mean())
    near = float(np.take_along_axis(apart, _nearest(beside, k), 1).mean())
    return max(0.0, 1 - near / everywhere) if everywhere > 0 else 1.0


def _in_medians(apart: Array) -> Array:
    """Distances (n, n) in units of their median above the diagonal."""
    above = apart[np.triu_indices(len(apart), 1)]
    middle = float(np.median(above[above > 0])) if (above > 0).any() else 1.0
    return np.maximum(apart / middle, 0.0)
