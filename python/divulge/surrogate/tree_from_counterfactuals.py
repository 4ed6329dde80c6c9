"""A decision tree rebuilt from the nearest inputs of other classes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np

from divulge.arrays import Array, Index
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import Oracle
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.leaf_checks import checked, fresh_of_leaves
from divulge.surrogate.shap_session import DOUBLE
from divulge.surrogate.thresholds import ROWS, Thresholds

ROUNDS = 200  # of parting inputs and growing a tree: each finds a threshold or is nearly the last
MOST = 100_000  # answers up to which a copy is looked for
FIRST = 60  # inputs asked beside the data at first
TRIED = 12  # counterfactuals beside which is asked whether they lie at a border
CLOSE, PAIRS = 40, 4  # halvings between two inputs of one bin that are told apart, and pairs at a time


@dataclass
class BordersOfTree:
    """What was asked of an oracle of counterfactuals, and the thresholds that they lie at.

    Attributes:
        oracle: tells counterfactuals.
        known: the thresholds so far, in the ranges asked about.
        single: whether inputs are compared in float32.
        data: inputs (m, d), or None.
        progress: called with the answers and the thresholds.
    """

    oracle: Oracle
    known: Thresholds
    single: bool
    data: Array | None
    rng: np.random.Generator
    progress: Callable[[int, int], None] | None = None
    points: list[Array] = field(default_factory=list)
    labels: list[Index] = field(default_factory=list)
    asked: int = 0
    notes: list[str] = field(default_factory=list)
    tree: GrownTree | None = None

    def __post_init__(self) -> None:
        self.began = self.known  # as it was when the tree began

    def run(self) -> bool:
        """Ask until fresh answers are foretold; return whether they are."""
        try:
            return self.rounds()
        except (BudgetExhausted, OracleError) as error:
            self.notes.append(str(error))
        except KeyboardInterrupt:
            self.notes.append("interrupted by the user")
        if self.points:
            self.grow()
        return False

    def rounds(self) -> bool:
        """Part what is told apart in one bin, then grow a tree, until fresh answers are foretold."""
        if self.data is not None:
            self.ask(self.data[self.rng.permutation(len(self.data))[:ROWS]])
        self.ask(self.known.drawn(FIRST, self.rng, self.data))
        if not self.at_borders():
            self.notes.append(
                "counterfactuals do not lie at thresholds: they are not the nearest, or no tree's"
            )
            return False
        for _ in range(ROUNDS):
            if self.part(self.grow()):
                continue
            before, tree = len(self.known), self.grow(False)
            tree.grow(self.ask_in, self.rng)
            if len(self.known) == before and self.foretells():
                return True
            if self.asked > MOST:
                break
        self.notes.append(f"answers remain unexplained with {self.grow().leaves} leaves")
        return False

    def ask(self, points: Array) -> Index:
        """Ask about points (n, d), keep both ends of each way to another class; return the labels (n,)."""
        held = points.astype(np.float32).astype(np.float64) if self.single else points
        told = self.oracle.explain(np.clip(held, self.known.low, self.known.high))
        assert told.labels is not None
        self.asked += len(points)
        self.points.append(told.points)
        self.labels.append(told.labels)
        start, end = told.points[: len(points)], told.points[len(points) :]
        if self.single and (end != end.astype(np.float32)).any():
            raise OracleError(DOUBLE)
        for row, number in zip(*np.nonzero(start != end), strict=True):
            self.border(int(number), start[row, number], end[row, number])
        if self.progress is not None:
            self.progress(self.asked, len(self.known))
        return told.labels[: len(points)]

    def at_borders(self) -> bool:
        """Move some counterfactuals back by the least step; return whether most are of another class then."""
        points, labels = self.points[0], self.labels[0]
        half = len(points) // 2
        start, end = points[:half], points[half:]
        rows = np.flatnonzero((start != end).any(axis=1))[:TRIED]
        if not len(rows):
            return True
        kind = np.float32 if self.single else np.float64
        back = np.nextafter(end[rows].astype(kind), start[rows].astype(kind)).astype(np.float64)
        told = self.ask(np.where(start[rows] != end[rows], back, end[rows]))
        return bool((told != labels[half:][rows]).mean() > 0.5)

    def border(self, number: int, start: float, end: float) -> None:
        """Keep a threshold just before the end of a way from start to end."""
        kind = np.float32 if self.single else np.float64
        before = float(np.nextafter(kind(end), kind(-np.inf if end > start else np.inf)))
        left, right = min(before, end), max(before, end)
        if self.known.low[number] <= left and right <= self.known.high[number]:
            self.known.add(number, np.array([left]), np.array([right]))

    def all(self) -> tuple[Array, Index]:
        """Return all inputs (n, d) in the ranges whose class is known, and the classes (n,)."""
        points, labels = np.concatenate(self.points), np.concatenate(self.labels)
        inside = ((points >= self.known.low) & (points <= self.known.high)).all(axis=1)
        return points[inside], labels[inside]

    def grow(self, whole: bool = True) -> GrownTree:
        """Return the tree of all that is known, or its root alone."""
        points, labels = self.all()
        self.began = deepcopy(self.known)
        self.tree = GrownTree(self.known.counts, self.known.bins(points), labels.astype(np.float64), 0.5)
        if whole:
            self.tree.grow(None, self.rng)
        return self.tree

    def ask_in(self, bins: Index) -> Array:
        """Return classes (n,) of places anywhere in bins (n, d) of the thresholds known when a tree began."""
        return self.ask(self.began.within(bins, self.rng)).astype(np.float64)

    def part(self, tree: GrownTree) -> bool:
        """Halve the way between two inputs of one bin that are told apart until what parts them is nearest.

        Returns:
            Whether there were any.
        """
        pairs = self.mixed(tree)
        if not pairs:
            return False
        points, labels = self.all()
        one, other = (points[list(rows)] for rows in zip(*pairs, strict=True))
        own, before = labels[[row for row, _ in pairs]], len(self.known)
        for _ in range(CLOSE):
            middle = (one + other) / 2
            same = (self.ask(middle) == own)[:, None]
            if len(self.known) > before:
                break
            one, other = np.where(same, middle, one), np.where(same, other, middle)
        return True

    def mixed(self, tree: GrownTree) -> list[tuple[int, int]]:
        """Return pairs of inputs that no known threshold parts and that are told apart, a few bins' each."""
        _, labels = self.all()
        _, cell = np.unique(tree.bins, axis=0, return_inverse=True)
        first: dict[int, int] = {}
        found: dict[int, tuple[int, int]] = {}
        for row, place in enumerate(cell.reshape(-1)):
            start = first.setdefault(int(place), row)
            if labels[row] != labels[start]:
                found.setdefault(int(place), (start, row))
        return list(found.values())[:PAIRS]

    def foretells(self) -> bool:
        """Ask beside all leaves and anywhere; return whether the tree knows all classes and thresholds."""
        low, high, tree = self.known.low, self.known.high, self.tree
        assert tree is not None
        for points in fresh_of_leaves(tree, self.known, self.rng, self.data):
            before = len(self.known)
            held = points.astype(np.float32).astype(np.float64) if self.single else points
            foretold = tree(self.known.bins(np.clip(held, low, high)))
            if (self.ask(points) != foretold).any() or len(self.known) > before:
                return False
        self.notes.append(checked(tree))
        return True
