"""A decision tree of known thresholds, grown from inputs whose way to the next leaf was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index

AT_THE_ROOT, IN_A_BOX = 12, 5  # inputs probed, where not more values are known at the root
VALUES = 300  # known at the root, of each of which an input is probed
CROWD = 40  # leaves for each threshold, from which on something else is wrong

Ask = Callable[[Index], Array]  # bins (n, d) -> values (n,)


class GrownTree:
    """A tree over bins: node m sends bins of number `number[m]` up to `at[m]` to `children[m, 0]`.

    An input is probed by moving each of its numbers until the value changes: of a tree whose leaves differ,
    these are the sides of its leaf. The threshold that fewest leaves reach across is split at first.

    Args:
        counts: thresholds of each number, shape (d,).
        bins: what is known, shape (n, d).
        values: what the model says there, shape (n,).
        allowed: difference of values that counts as none.

    Attributes:
        number: -1 of leaves, shape (M,).
        value: of leaves, shape (M,).
        cuts: of each input and number the bins up to which its value stays, below and above; -1 where it
            does not change or was not probed, shape (n, d, 2).
        probed: which inputs were, shape (n,).
    """

    def __init__(self, counts: Index, bins: Index, values: Array, allowed: float) -> None:
        self.bins, self.values, self.allowed = bins, values, allowed
        self.cuts = np.full((*bins.shape, 2), -1, np.intp)
        self.probed = np.zeros(len(bins), bool)
        self.number, self.at, self.value = [-1], [0], [0.0]
        self.children: list[tuple[int, int]] = [(0, 0)]
        self.boxes = [(np.zeros_like(counts), counts)]

    @property
    def leaves(self) -> int:
        """Leaves so far."""
        return sum(number < 0 for number in self.number)

    def leaf_of(self, bins: Index) -> Index:
        """Return the leaf (n,) of bins (n, d)."""
        number, at, children = map(np.array, (self.number, self.at, self.children))
        nodes = np.zeros(len(bins), np.intp)
        while (inner := np.flatnonzero(number[nodes] >= 0)).size:
            here = nodes[inner]
            right = bins[inner, number[here]] > at[here]
            nodes[inner] = children[here, right.astype(np.intp)]
        return nodes

    def __call__(self, bins: Index) -> Array:
        """Return values (n,) of bins (n, d)."""
        return np.asarray(np.array(self.value)[self.leaf_of(bins)])

    def grow(self, ask: Ask | None, rng: np.random.Generator) -> None:
        """Split leaves until all that is known of each is alike; probe more where more can be asked."""
        leaf = self.leaf_of(self.bins)
        pending: list[tuple[int, Index]] = [
            (m, np.flatnonzero(leaf == m)) for m, number in enumerate(self.number) if number < 0
        ]
        most = CROWD * (int(self.boxes[0][1].sum()) + 1)
        while pending and (ask is None or len(self.number) < most):
            if ask is not None:
                pending = self._filled(pending, ask, rng)
            pending = [part for node, rows in pending for part in self._split(node, rows)]

    def probe(self, bins: Index, values: Array, box: tuple[Index, Index], ask: Ask) -> None:
        """Keep bins (n, d) with values (n,), and move each number within a box (n, d) until values change."""
        cuts = np.full((*bins.shape, 2), -1, np.intp)
        for side in (0, 1):
            end = box[side]
            row, number = np.nonzero(end != bins)
            near, far = bins[row, number], end[row, number]
            changed = self._moved(bins, values, row, number, far, ask)
            row, number, near, far = (part[changed] for part in (row, number, near, far))
            while (wide := np.flatnonzero(np.abs(far - near) > 1)).size:
                middle = (near[wide] + far[wide]) // 2
                changed = self._moved(bins, values, row[wide], number[wide], middle, ask)
                far[wide[changed]] = middle[changed]
                near[wide[~changed]] = middle[~changed]
            cuts[row, number, side] = np.minimum(near, far)
        self.bins = np.concatenate([self.bins, bins])
        self.values = np.concatenate([self.values, values])
        self.cuts = np.concatenate([self.cuts, cuts])
        self.probed = np.concatenate([self.probed, np.ones(len(bins), bool)])

    def _moved(
        self, bins: Index, values: Array, row: Index, number: Index, place: Index, ask: Ask
    ) -> NDArray[np.bool_]:
        """Whether values change where one number of each row is moved to a bin, (m,)."""
        moved = bins[row]
        moved[np.arange(len(row)), number] = place
        told = ask(moved) if len(row) else np.empty(0)
        return np.asarray(np.abs(told - values[row]) > self.allowed)

    def _filled(
        self, pending: list[tuple[int, Index]], ask: Ask, rng: np.random.Generator
    ) -> list[tuple[int, Index]]:
        """Probe more in boxes where few inputs were: known ones of values not met yet, then others."""
        fresh, owner, chosen = [], [], []
        for place, (node, rows) in enumerate(pending):
            low, high = self.boxes[node]
            new = rng.permutation(self._unmet(rows, rng))
            short = (IN_A_BOX if node else AT_THE_ROOT) - int(self.probed[rows].sum())
            short = max(
                short,
                0 if node else min(len(new), VALUES),
                int(len(new) > 0 and not self._cuts_inside(node, rows).any()),
            )
            chosen += [(place, row) for row in new[: max(0, short)]]
            if (short := short - len(new)) > 0 and (high > low).any():
                fresh.append(rng.integers(low, high + 1, (short, len(low))))
                owner += [place] * short
        grown = [list(rows) for _, rows in pending]
        places = np.array(owner + [place for place, _ in chosen], np.intp)
        if not len(places):
            return pending
        bins = np.concatenate([*fresh, self.bins[[row for _, row in chosen]]])
        values = np.concatenate([ask(bins[: len(owner)]), self.values[[row for _, row in chosen]]])
        low, high = (np.stack([self.boxes[pending[place][0]][side] for place in places]) for side in (0, 1))
        for number, place in enumerate(places, len(self.bins)):
            grown[place].append(number)
        self.probe(bins, values, (low, high), ask)
        return [(node, np.array(rows, np.intp)) for (node, _), rows in zip(pending, grown, strict=True)]

    def _unmet(self, rows: Index, rng: np.random.Generator) -> Index:
        """Inputs not probed, one of each value that no probed one of a box has."""
        if not len(rows):
            return rows
        rows = rng.permutation(rows)
        kinds = _kinds(self.values[rows], self.allowed)
        met = np.unique(kinds[self.probed[rows]])
        open_ = np.flatnonzero(~np.isin(kinds, met))
        return rows[open_[np.unique(kinds[open_], return_index=True)[1]]]

    def _cuts_inside(self, node: int, rows: Index) -> NDArray[np.bool_]:
        """Which cuts (n, d, 2) of a box's inputs lie inside of it."""
        low, high = self.boxes[node]
        cuts = self.cuts[rows]
        return np.asarray((cuts >= low[:, None]) & (cuts < high[:, None]))

    def _alike(self, rows: Index) -> bool:
        told = self.values[rows]
        return not len(told) or bool(np.ptp(told) <= self.allowed)

    def _split(self, node: int, rows: Index) -> list[tuple[int, Index]]:
        """Split one leaf; return its parts, none where its answers are alike."""
        self.value[node] = float(np.median(self.values[rows])) if len(rows) else self.value[node]
        found = self._least_spanned(node, rows)
        if found is None and not self._alike(rows):
            found = self._best(node, rows)
        if found is None:
            return []
        number, at = found
        low, high = self.boxes[node]
        right = self.bins[rows, number] > at
        first = len(self.number)
        self.number[node], self.at[node], self.children[node] = number, at, (first, first + 1)
        ends = high.copy(), low.copy()
        ends[0][number], ends[1][number] = at, at + 1
        for box in ((low, ends[0]), (ends[1], high)):
            self.number.append(-1)
            self.at.append(0)
            self.value.append(self.value[node])
            self.children.append((0, 0))
            self.boxes.append(box)
        return [(first, rows[~right]), (first + 1, rows[right])]

    def _least_spanned(self, node: int, rows: Index) -> tuple[int, int] | None:
        """The number and bin at whose end a box is split; None where no value changes in it.

        The leaves of a tree lie on one side of its root's threshold each: of the places where values change,
        the one that fewest inputs' stretches reach across, then the one that parts most inputs.
        """
        low, high = self.boxes[node]
        cuts = self.cuts[rows]  # (n, d, 2)
        inside = self._cuts_inside(node, rows)
        if not inside.any():
            return None
        pairs = np.unique(np.stack([np.nonzero(inside)[1], cuts[inside]]), axis=1)
        number, at = pairs  # (m,) each
        below = np.where(cuts[:, :, 0] < 0, low - 1, cuts[:, :, 0])[:, number]  # (n, m)
        above = np.where(cuts[:, :, 1] < 0, high, cuts[:, :, 1])[:, number]
        probed = self.probed[rows, None]
        spanned = ((below < at) & (at < above) & probed).sum(axis=0)
        right = self.bins[rows][:, number] > at
        parted = np.minimum((right & probed).sum(axis=0), (~right & probed).sum(axis=0))
        best = np.lexsort((-parted, spanned))[0]
        return int(number[best]), int(at[best])

    def _best(self, node: int, rows: Index) -> tuple[int, int] | None:
        """The number and bin whose split tells most about which value it is."""
        low, high = self.boxes[node]
        kinds = _kinds(self.values[rows], self.allowed)
        best: tuple[float, int, int] | None = None
        for number in np.flatnonzero(high > low):
            width = int(high[number] - low[number]) + 1
            table = np.zeros((width, kinds.max() + 1))
            np.add.at(table, (self.bins[rows, number] - low[number], kinds), 1)
            left = table.cumsum(axis=0)[:-1]
            right = left[-1] + table[-1] - left
            both = (left.sum(axis=1) > 0) & (right.sum(axis=1) > 0)
            if both.any():
                told = np.where(both, _surprise(left) + _surprise(right), np.inf)
                at = _middle(told)
                if best is None or told[at] < best[0] - 1e-9:
                    best = float(told[at]), int(number), int(low[number]) + at
        return None if best is None else (best[1], best[2])


def _kinds(values: Array, allowed: float) -> NDArray[np.intp]:
    """Number values (n,) so that those alike share a number."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order], prepend=values[order[0]]) > allowed
    kinds = np.empty(len(values), np.intp)
    kinds[order] = np.cumsum(steps)
    return kinds


def _surprise(table: Array) -> Array:
    """Entropy times the number of answers, of each row (kinds,) of counts."""
    total = table.sum(axis=1, keepdims=True)
    share = np.where(table > 0, table / np.maximum(total, 1), 1.0)
    return np.asarray(-(table * np.log(share)).sum(axis=1))


def _middle(told: Array) -> int:
    """The middle of the first run of least values: answers leave open which of the run's thresholds it is."""
    least = told <= told.min() + 1e-9
    first = int(np.argmax(least))
    run = least[first:]
    return first + (int(np.argmin(run)) if not run.all() else len(run)) // 2
