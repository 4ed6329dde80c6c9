"""A decision tree rebuilt from nearest inputs of another class inside of boxes of one's choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import CounterfactualOracle
from divulge.surrogate.boxes import Box, Boxes, parts_outside
from divulge.surrogate.shap_session import DOUBLE

MOST = 100_000  # answers up to which boxes are asked about
FRESH = 100  # inputs anywhere that check a copy, beside one in each box: none of them is a middle


@dataclass
class RegionsOfTree:
    """Boxes of one class, and those in which another one may be: a counterfactual splits a box.

    The middle of a box is asked about: where the box holds another class, the nearest input of it lies behind
    thresholds, at which the box is split; where it holds none, all of the box is of one class. That is the
    tree reconstruction attack of A. Khouna, J. Ferry, T. Vidal, "From Counterfactuals to Trees: Competitive
    Analysis of Model Extraction Attacks", 2025, written anew, with all changed numbers split at once.

    Attributes:
        oracle: tells counterfactuals in boxes.
        low, high: the box that is asked about, shape (d,) each.
        single: whether inputs are compared in float32.
        data: inputs (m, d), or None.
        progress: called with the answers and the boxes of one class.
    """

    oracle: CounterfactualOracle
    low: Array
    high: Array
    single: bool
    data: Array | None
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None = None
    asked: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.found = Boxes(self.low, self.high, np.float32 if self.single else np.float64)

    def run(self) -> bool:
        """Split boxes until each is of one class; return whether all are, and fresh inputs are foretold."""
        pending: list[Box] = [(self.low, self.high)]
        try:
            while pending and self.asked < MOST:
                parts = self.split(*pending[-1])
                pending[-1:] = parts
            if not pending:
                self.check()
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
        except KeyboardInterrupt:
            self.notes.append("interrupted by the user")
        if pending:
            self.notes.append(f"{len(pending)} boxes were not asked about")
        return not (pending or self.notes)

    def check(self) -> None:
        """Ask about an input in each box and others anywhere; note where they are of another class."""
        known = self.found.thresholds()
        leaves = self.found.leaves(known)
        assert leaves is not None
        inside = known.within(self.rng.integers(leaves.low, leaves.high + 1), self.rng)
        points = np.concatenate([inside, known.drawn(FRESH, self.rng, self.data)])
        held = np.clip(points.astype(self.found.kind).astype(np.float64), self.low, self.high)
        told = self.oracle.explain(held)
        assert told.labels is not None
        self.asked += len(held)
        wrong = int((told.labels[: len(held)] != leaves(known.bins(held))).sum())
        if wrong:
            self.notes.append(
                f"{wrong} of {len(held)} fresh inputs are of another class than was told of their box"
            )

    def split(self, low: Array, high: Array) -> list[Box]:
        """Ask about the middle of a box; return what it is split into, nothing where it is of one class."""
        kind = self.found.kind
        middle = np.clip(((low + high) / 2).astype(kind).astype(np.float64), low, high)
        told = self.oracle.within(middle[None], low[None], high[None])
        self.asked += 1
        assert told.labels is not None
        start, end = told.points
        if self.single and (end != end.astype(np.float32)).any():
            raise OracleError(DOUBLE)
        if told.labels[0] == told.labels[1]:
            self.found.add(low, high, int(told.labels[0]))
            found = []
        else:
            near = low.copy(), high.copy()
            for i in np.flatnonzero(start != end):
                before = float(np.nextafter(kind(end[i]), kind(start[i])))
                near[0 if end[i] < start[i] else 1][i] = before
            found = [near, *parts_outside((low, high), near, kind)]
        if self.progress is not None:
            self.progress(self.asked, len(self.found.labels))
        return found
