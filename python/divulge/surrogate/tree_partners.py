"""Which thresholds of different numbers are met on one path, seen where the SHAP values of others jump."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.surrogate.shap_session import ShapSession
from divulge.surrogate.threshold_search import ThresholdSearch
from divulge.surrogate.thresholds import Thresholds

SHARES = (0.0, 0.2, 0.5, 1.0, 0.3, 0.7)  # of an input's numbers that are moved to an end of the range


@dataclass
class Partners:
    """What was seen to jump where each threshold was crossed.

    Attributes:
        session: whom to ask.
        search: the thresholds so far, and what was told.
        met: times that all thresholds were crossed.
        jumped: by number and threshold, which numbers' SHAP values jump there, (d,) each.
    """

    session: ShapSession
    search: ThresholdSearch
    rng: np.random.Generator
    met: int = 0
    jumped: dict[tuple[int, float], NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def known(self) -> Thresholds:
        """The thresholds so far."""
        return self.search.known

    def meet(self, contexts: int) -> None:
        """Cross each threshold at several inputs and see which numbers' SHAP values jump.

        These are rows of the data next to it, on one side or the other, between which a tree put it; in most
        of them numbers are moved to an end of their range, from where others of their tree's branches show.
        """
        count, d = len(self.known), len(self.known.low)
        for _ in range(contexts):
            at = (
                self.known.drawn(count, self.rng)
                if self.search.hints is None
                else self.beside(bool(self.met % 2))
            )
            ends = np.where(self.rng.random((count, d)) < 0.5, self.known.low, self.known.high)
            share = SHARES[self.met // 2 % len(SHARES)]
            self.met += 1
            moved = self.rng.random((count, d)) < share
            self.cross(self.session.read(np.where(moved, ends, at)))

    def beside(self, right: bool) -> Array:
        """For each threshold a row of the data next to it, (T, d)."""
        data = self.search.hints
        assert data is not None
        found = []
        for i, (left, first) in enumerate(zip(self.known.left, self.known.right, strict=True)):
            order = np.argsort(data[:, i], kind="stable")
            column = data[order, i]
            at = np.searchsorted(column, first) if right else np.searchsorted(column, left, "right") - 1
            found.append(data[order[np.clip(at, 0, len(data) - 1)]])
        return np.concatenate(found)

    def cross(self, at: Array) -> None:
        """See which SHAP values jump where inputs (T, d) cross one threshold each."""
        owners = self.known.owners
        place = np.concatenate([np.arange(count) for count in self.known.counts])
        rows = np.arange(len(owners))
        told = []
        for several in (self.known.left, self.known.right):
            at = at.copy()
            at[rows, owners] = [several[i][j] for i, j in zip(owners, place, strict=True)]
            told.append(self.search.ask(at))
        jumps = np.abs(told[1] - told[0]) > self.search.allowed
        for row, (i, j) in enumerate(zip(owners, place, strict=True)):
            key = int(i), float(self.known.left[i][j])
            self.jumped[key] = self.jumped.get(key, np.zeros(jumps.shape[1], bool)) | jumps[row]

    def linked(self, both: bool = True) -> NDArray[np.bool_]:
        """Return which thresholds of different numbers move each other's SHAP values, (T, T), or either's."""
        owners = self.known.owners
        none = np.zeros(len(self.known.low), bool)
        keys = [(i, float(left)) for i, several in enumerate(self.known.left) for left in several]
        moves = np.array([self.jumped.get(key, none) for key in keys]).reshape(len(keys), -1)
        towards = moves[:, owners]
        linked = towards & towards.T if both else towards | towards.T
        return np.asarray(linked & (owners[:, None] != owners))
