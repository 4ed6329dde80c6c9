"""Boosting replayed with the trees' structure fixed, with samples left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from divulge._core import refit_boosting
from divulge.arrays import Array
from divulge.influence.trees.boosted import Boosted

__all__ = ["FixedTrees", "Refits", "Replay", "Round", "leaf_values"]

_TINY = 1e-150  # a leaf whose denominator is no larger adds 0, as in scikit-learn


@dataclass(frozen=True)
class Round:
    """K trees that were grown at the same margins.

    Attributes:
        leaf: (K, n), the leaf of each training sample, from 0 on.
        names: of each tree the library's numbers of its leaves, ascending.
        members: of each tree the membership matrix (leaves, n).
    """

    leaf: NDArray[np.int32]
    names: list[NDArray[np.int64]]
    members: list[Any]

    def numbered(self, found: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the leaves (K, m) of other points from the library's numbers (m, K).

        Raises:
            ValueError: a leaf without a training sample.
        """
        out = np.empty(found.T.shape, np.int32)
        for k, names in enumerate(self.names):
            out[k] = np.minimum(np.searchsorted(names, found[:, k]), len(names) - 1)
            wrong = np.flatnonzero(names[out[k]] != found[:, k])
            if len(wrong):
                raise ValueError(f"test point {wrong[0]} is in a leaf that no training sample is in")
        return out


@dataclass(frozen=True)
class Refits:
    """Boosting of b columns, each with other samples left out.

    Attributes:
        initial: F_0 (K, b).
        values: by round and tree the leaves' values (leaves, b).
    """

    initial: Array
    values: list[list[Array]]

    def at(self, leaves: list[NDArray[np.int32]]) -> Array:
        """Return the margins (m, K, b) of points with leaves (K, m) in each round."""
        total = np.repeat(self.initial[None], leaves[0].shape[1], axis=0)
        for values, leaf in zip(self.values, leaves, strict=True):
            for k, value in enumerate(values):
                total[:, k] += value[leaf[k]]
        return total


@dataclass(frozen=True)
class Replay(Refits):
    """Boosting with all samples, a single column, and what derivatives of it need.

    Attributes:
        scales: by round and tree rate / (sum of h + l2), (leaves, 1); 0 where a leaf is empty.
        margins: of the training samples after the last round (n, K, 1).
    """

    scales: list[list[Array]]
    margins: Array


class FixedTrees:
    """Trees whose splits stay while their leaves are fitted anew.

    Args:
        model: what is known of the ensemble.
        found: the library's leaf numbers of the training samples (n, T, K).
        targets: (n, K): numbers, 0 and 1, or one-hot.
        weights: (n,).

    Attributes:
        rounds: T of them.
        total: the sum of the weights.
    """

    def __init__(self, model: Boosted, found: NDArray[np.int64], targets: Array, weights: Array) -> None:
        self.model, self.targets, self.weights = model, targets, weights
        self.rounds = [_round(found[:, t]) for t in range(found.shape[1])]
        self.total = float(weights.sum())
        self._leaves = np.concatenate([tree.leaf for tree in self.rounds])  # (T K, n)
        sizes = [len(names) for tree in self.rounds for names in tree.names]
        self._first = np.cumsum([0, *sizes])  # where the leaves of each tree begin

    def mean(self, rows: NDArray[np.int64] | None = None, columns: Any = None, count: int = 1) -> Array:
        """Return the weighted mean of the targets (K, b) without the pairs (row, column)."""
        sums = np.repeat((self.weights @ self.targets)[:, None], count, axis=1)
        mass = np.full(count, self.total)
        if rows is not None:
            np.subtract.at(sums.T, columns, self.weights[rows, None] * self.targets[rows])
            np.subtract.at(mass, columns, self.weights[rows])
        return np.asarray(sums / np.where(mass > 0, mass, 1.0))

    def replay(self) -> Replay:
        """Fit all leaves anew to all samples."""
        model, y = self.model, self.targets[:, :, None]
        start = model.initial.margins(self.mean())
        margins = np.repeat(start[None], len(y), axis=0)  # (n, K, 1)
        values: list[list[Array]] = []
        scales: list[list[Array]] = []
        for tree in self.rounds:
            g, h = (part * self.weights[:, None, None] for part in model.loss.slopes(margins, y))
            values.append([])
            scales.append([])
            for k, members in enumerate(tree.members):
                value, scale = leaf_values(members @ g[:, k], members @ h[:, k], model)
                margins[:, k] += value[tree.leaf[k]]
                values[-1].append(value)
                scales[-1].append(scale)
        return Replay(start, values, scales, margins)

    def refits(self, rows: NDArray[np.int64], columns: NDArray[np.int64], count: int) -> Refits:
        """Fit all leaves anew in `count` columns, sample rows[i] left out of column columns[i]."""
        model = self.model
        start = model.initial.margins(self.mean(rows, columns, count))
        flat = refit_boosting(
            model.loss.name,
            self._leaves,
            self._first,
            self.targets,
            self.weights,
            start,
            rows,
            columns,
            rate=model.rate,
            l2=model.l2,
            curvature=model.loss.curvature,
        )
        parts = np.split(flat, self._first[1:-1])
        outputs = self.targets.shape[1]
        return Refits(start, [parts[t : t + outputs] for t in range(0, len(parts), outputs)])


def leaf_values(first: Array, second: Array, model: Boosted) -> tuple[Array, Array]:
    """Return -rate G / (H + l2) and rate / (H + l2), both 0 for an empty leaf."""
    below = second + model.l2
    scale = np.where(below > _TINY, model.rate / np.where(below > _TINY, below, 1.0), 0.0)
    return -scale * first, scale


def _round(found: NDArray[np.int64]) -> Round:
    """Read one round from leaf numbers (n, K)."""
    n = len(found)
    leaf = np.empty(found.T.shape, np.int32)
    names, members = [], []
    for k in range(found.shape[1]):
        own, leaf[k] = np.unique(found[:, k], return_inverse=True)
        order = np.argsort(leaf[k], kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(leaf[k], minlength=len(own)))])
        names.append(own)
        members.append(csr_matrix((np.ones(n), order, starts), shape=(len(own), n)))
    return Round(leaf, names, members)
