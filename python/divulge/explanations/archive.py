"""The candidates that no other one dominates, of all that were looked at, point by point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Index

WAITING = 25  # batches that are added at once


@dataclass(frozen=True)
class Front:
    """What is best for one point.

    Attributes:
        rows: shape (f, d).
        predictions: shape (f,).
        objectives: shape (f, 4).
    """

    rows: Array
    predictions: Array
    objectives: Array

    def at(self, places: Index) -> Front:
        """Return some of them."""
        return Front(self.rows[places], self.predictions[places], self.objectives[places])


class Archive:
    """Fronts of P points, of candidates that come in batches.

    Args:
        points: P.
    """

    def __init__(self, points: int) -> None:
        self._fronts: list[Front | None] = [None] * points
        self._waiting: list[tuple[Array, Array, Array]] = []

    def add(self, rows: Array, predictions: Array, objectives: Array) -> None:
        """Add candidates (P, n, d) with their predictions (P, n) and objectives (P, n, 4)."""
        self._waiting.append((rows, predictions, objectives))
        if len(self._waiting) >= WAITING:
            self._settle()

    def fronts(self) -> list[Front]:
        """Return each point's front, those that miss least first, then of fewest changes, then nearest."""
        self._settle()
        return [front for front in self._fronts if front is not None]

    def _settle(self) -> None:
        """Take what waits into the fronts."""
        if not self._waiting:
            return
        rows, predictions, objectives = (
            np.concatenate(parts, axis=1) for parts in zip(*self._waiting, strict=True)
        )
        settled: list[Front | None] = []
        for point, known in enumerate(self._fronts):
            new = Front(rows[point], predictions[point], objectives[point])
            if known is not None:
                new = Front(*(np.concatenate(pair) for pair in zip(_parts(known), _parts(new), strict=True)))
            settled.append(new.at(undominated(new.objectives)))
        self._fronts, self._waiting = settled, []  # at once: Ctrl-C before it loses nothing


def undominated(objectives: Array) -> Index:
    """Return the places of objectives (n, m) that none dominates, of equal ones the first.

    They come in the order of objectives 0, 2, 1, 3 where there are four, else of 0, 1, ...: none can dominate
    one before it.
    """
    _, firsts = np.unique(objectives, axis=0, return_index=True)
    left = np.sort(firsts)
    keys = objectives[left][:, [0, 2, 1, 3]] if objectives.shape[1] == 4 else objectives[left]
    left = left[np.lexsort(keys.T[::-1])]
    values, found = objectives[left], []
    while len(left):
        found.append(int(left[0]))
        stay = (values < values[:1]).any(axis=1)
        left, values = left[stay], values[stay]
    return np.array(found, np.intp)


def _parts(front: Front) -> tuple[Array, Array, Array]:
    return front.rows, front.predictions, front.objectives
