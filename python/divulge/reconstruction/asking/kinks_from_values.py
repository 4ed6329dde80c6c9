"""Kinks of piecewise-affine functions on lines from values alone, all lines in step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.affine_runs import Runs
from divulge.reconstruction.settings import RUNS, TINY


class RunSearch:
    """Splits lines into runs.

    The continuations of neighbouring runs cross at t'. Values are asked on both sides of it, as near as the
    crossing is certain: they lie on the two runs if there is one kink between, which then grow up to it
    and make the crossing sharper, until it is as sharp as rounding allows. A value on neither run becomes
    a run of its own. Where the crossing is no candidate the gap is halved, in arctan t.
    """

    def __init__(
        self,
        values: Callable[[Index, Array], tuple[Array, Array]],
        low: Array,
        high: Array,
        slope: Array,
    ) -> None:
        """Prepare the search.

        Args:
            values: from lines (n,) and places t (n,) to values (n,) and their rounding errors (n,).
            low: start of every line, shape (L,).
            high: end of every line, shape (L,).
            slope: slope that is usual on each line, shape (L,).
        """
        self.values = values
        self.low, self.high = low, high
        self.usual = slope
        empty = np.empty(0)
        self.runs = Runs.of_values(np.empty(0, np.intp), empty, empty, empty)

    def run(self) -> Runs:
        """Search; raises Stopped when the oracle can be asked no further."""
        self.start()
        for _ in range(RUNS.rounds):
            lines, places = self.cuts()
            growing = self.growing()
            if not len(lines) and not len(growing):
                break
            self.ask(lines, places, growing)
            while self.absorb() or self.merge():
                pass
            self.thin()
        return self.runs

    def start(self) -> None:
        """Ask the ends of every line and the middles of equal cells."""
        cells = np.concatenate([[0.0], (np.arange(RUNS.first_cells) + 0.5) / RUNS.first_cells, [1.0]])
        ends = np.arctan(self.low)[:, None], np.arctan(self.high)[:, None]
        t = np.tan(ends[0] + (ends[1] - ends[0]) * cells)
        t[:, 0], t[:, -1] = self.low, self.high
        line = np.repeat(np.arange(len(self.low)), t.shape[1])
        self.runs = Runs.of_values(line, t.reshape(-1), *self.values(line, t.reshape(-1)))

    def growing(self) -> Index:
        """Return the single values that have still to become runs."""
        return np.flatnonzero(self.runs.single() & (self.runs.tries >= 0))

    def ask(self, lines: Index, places: Array, growing: Index) -> None:
        """Ask one round: new places, and two neighbours of every single value."""
        first, second = self.neighbours(growing)
        own = self.runs.line[growing]
        line = np.concatenate([lines, own, own])
        t = np.concatenate([places, first, second])
        values, noise = self.values(line, t)
        n, m = len(lines), len(lines) + len(growing)
        self.grow(growing, (first, second), (values[n:m], values[m:]), np.maximum(noise[n:m], noise[m:]))
        self.runs = self.runs.join(Runs.of_values(lines, places, values[:n], noise[:n]))

    def rooms(self, rows: Index) -> tuple[Array, Array]:
        """Return how far away single values have neighbours left and right, infinite at a line's end."""
        runs = self.runs
        before = np.concatenate([[-np.inf], runs.high[:-1]])
        after = np.concatenate([runs.low[1:], [np.inf]])
        ours = runs.line[1:] == runs.line[:-1]
        before[1:][~ours], after[:-1][~ours] = -np.inf, np.inf
        return runs.low[rows] - before[rows], after[rows] - runs.high[rows]

    def neighbours(self, rows: Index) -> tuple[Array, Array]:
        """Return two places beside each single value."""
        left, right = self.rooms(rows)
        t = self.runs.low[rows]
        width = np.minimum(left, right) / RUNS.shrink ** (1 + self.runs.tries[rows])
        first = np.where(np.isinf(left), t + 2 * width, t - width)
        second = np.where(np.isinf(right), t - 2 * width, t + width)
        return first, second

    def grow(
        self, rows: Index, places: tuple[Array, Array], values: tuple[Array, Array], noise: Array
    ) -> None:
        """Turn single values into runs where the two beside them lie on one line with them."""
        runs = self.runs
        order = np.argsort(np.stack([places[0], runs.low[rows], places[1]]), axis=0)
        t = np.take_along_axis(np.stack([places[0], runs.low[rows], places[1]]), order, axis=0)
        f = np.take_along_axis(np.stack([values[0], runs.at_low[rows], values[1]]), order, axis=0)
        share = (t[1] - t[0]) / np.maximum(t[2] - t[0], TINY)
        noise = np.maximum(noise, runs.noise_low[rows])
        straight = np.abs(f[1] - (1 - share) * f[0] - share * f[2]) <= RUNS.on_run * noise
        wide = (t[2] - t[0]) * self.usual[runs.line[rows]] > RUNS.narrowest * noise
        good = rows[straight & wide]
        runs.low[good], runs.high[good] = t[0][straight & wide], t[2][straight & wide]
        runs.at_low[good], runs.at_high[good] = f[0][straight & wide], f[2][straight & wide]
        runs.noise_low[good] = runs.noise_high[good] = noise[straight & wide]
        runs.tries[rows] += 1
        runs.tries[rows[~wide]] = -1

    def cuts(self) -> tuple[Index, Array]:
        """Return lines and places of the next values in gaps between runs."""
        runs = self.runs
        left = self.gaps()
        right = left + 1
        meet, margin = self.crossings(left)
        low, high = runs.high[left], runs.low[right]
        with np.errstate(invalid="ignore"):  # damaged values may meet nowhere: such a gap is halved
            before, after = meet - margin, meet + margin
            far = meet - 4 * margin, meet + 4 * margin
        closed = (low >= far[0]) & (high <= far[1]) & (high >= before) & (low <= after)
        closed |= high - low <= 16 * np.finfo(float).eps * np.maximum(np.abs(low), np.abs(high))
        inside_before, inside_after = (before > low) & (before < high), (after > low) & (after < high)
        halve = ~closed & ~(inside_before | inside_after)
        lines = [runs.line[left[mask]] for mask in (inside_before & ~closed, inside_after & ~closed, halve)]
        middle = np.tan((np.arctan(low) + np.arctan(high)) / 2)
        places = [before[inside_before & ~closed], after[inside_after & ~closed], middle[halve]]
        return np.concatenate(lines), np.concatenate(places)

    def gaps(self) -> Index:
        """Return which runs are followed by another on the same line, single values left aside."""
        runs = self.runs
        whole = ~runs.single()
        return np.flatnonzero((runs.line[1:] == runs.line[:-1]) & whole[1:] & whole[:-1])

    def crossings(self, left: Index) -> tuple[Array, Array]:
        """Return where runs meet their successors, and how far from there the side is certain."""
        runs = self.runs
        right = left + 1
        low, high = runs.high[left], runs.low[right]
        slope = runs.slope()
        turn = slope[right] - slope[left]
        rise = runs.at_low[right] - runs.at_high[left] - slope[right] * (high - low)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            meet = np.where(turn != 0, low - rise / turn, np.inf)
            error = runs.error(left, meet) + runs.error(right, meet)
            margin = np.where(np.isfinite(meet), RUNS.margin * error / np.abs(turn), np.inf)
        spacing = 4 * np.finfo(float).eps * np.abs(meet)
        return meet, np.maximum(margin, np.where(np.isfinite(meet), spacing, 0.0))

    def absorb(self) -> bool:
        """Let runs grow over single values beside them that lie on them; return whether any did."""
        runs = self.runs
        rows = np.flatnonzero(runs.single())
        miss = np.stack([self.miss(rows, rows - 1), self.miss(rows, rows + 1)])
        side = np.argmin(miss, axis=0)
        taken = miss[side, np.arange(len(rows))] <= RUNS.on_run
        for own, step in ((rows[taken & (side == 0)], -1), (rows[taken & (side == 1)], 1)):
            by = own + step
            end, value, noise = (
                (runs.high, runs.at_high, runs.noise_high)
                if step < 0
                else (runs.low, runs.at_low, runs.noise_low)
            )
            end[by], value[by], noise[by] = runs.low[own], runs.at_low[own], runs.noise_low[own]
        keep = np.ones(len(runs), bool)
        keep[rows[taken]] = False
        self.runs = runs.take(keep)
        return bool(taken.any())

    def thin(self) -> None:
        """Drop single values that leave another no room to grow, and those inside a run."""
        runs = self.runs
        rows = np.flatnonzero(runs.single())
        left, right = self.rooms(rows)
        open_left, open_right = (np.where(np.isinf(room), 0.0, room) for room in (left, right))
        twin = np.zeros(len(rows), bool)
        twin[1:] = (np.diff(rows) == 1) & (
            left[1:] < RUNS.crowded * np.maximum(open_left[:-1], open_right[1:])
        )
        keep = np.ones(len(runs), bool)
        keep[rows[twin | (left <= 0)]] = False
        self.runs = runs.take(keep)

    def miss(self, rows: Index, by: Index) -> Array:
        """By how many errors the values of these runs' ends miss others, infinite where there is none."""
        runs = self.runs
        valid = (by >= 0) & (by < len(runs))
        by = np.clip(by, 0, max(len(runs) - 1, 0))
        valid &= (runs.line[by] == runs.line[rows]) & (runs.low[by] != runs.high[by])
        worst = np.zeros(len(rows))
        ends = ((runs.low, runs.at_low, runs.noise_low), (runs.high, runs.at_high, runs.noise_high))
        for t, value, noise in ((place[rows], value[rows], noise[rows]) for place, value, noise in ends):
            error = runs.error(by, t) + noise
            off = np.abs(runs.level(by, t) - value)
            worst = np.maximum(worst, np.divide(off, error, out=np.zeros(len(rows)), where=error < np.inf))
        return np.where(valid, worst, np.inf)

    def merge(self) -> bool:
        """Join neighbouring runs that lie on one line; return whether any did."""
        runs = self.runs
        left = self.gaps()
        if not len(left):
            return False
        one = np.minimum(self.miss(left, left + 1), self.miss(left + 1, left)) <= RUNS.on_run
        left = left[one]
        left = left[np.concatenate([[True], np.diff(left) > 1])[: len(left)]]  # pairs that do not overlap
        for end in (runs.high, runs.at_high, runs.noise_high):
            end[left] = end[left + 1]
        keep = np.ones(len(runs), bool)
        keep[left + 1] = False
        self.runs = runs.take(keep)
        return bool(len(left))
