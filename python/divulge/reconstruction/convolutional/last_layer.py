"""The outputs: answers chosen at which every unit of the last hidden layer is on, and their weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.equations import Equations, Solution, answered, size_of
from divulge.reconstruction.convolutional.inputs import fine
from divulge.reconstruction.convolutional.judge import certain_of, certain_rows
from divulge.reconstruction.convolutional.layers import gradients_of
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.raised import levels, on_at, raised
from divulge.reconstruction.convolutional.side_answers import spread
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST


class LastLayer:
    """The outputs as functions of the last layer's units, whose sides are known.

    Attributes:
        points: the answers that decide it.
        never: units that no point found turns on.
        found: what the walk's answers alone say of the first output.
        equations: of all units, and what was worked out for them.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self.never = 0
        self.equations = self._equations()
        self.points = np.empty((0, self.prefix.size))
        self._of_walk: set[int] = set()
        self._far = np.empty(0, np.intp)

    def cover(self) -> Equations:
        """Choose answers, and ask for more, until every unit is on at one.

        Answers that what the walk told, and the units it did not show, do not explain are left out: something
        that is missing is on there, and would spoil the weights of all.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        self.found, self.equations = self._walked()
        self._of_walk = set(self.walk.rows)
        walked = self._certain(np.array(self.walk.rows, np.intp))
        chosen, missing = self._greedy(self._on(self.walk.transcript.points[walked, :-1]))
        rows = list(walked[chosen])
        rows += self._from_others(missing)
        rows += self._asked(missing)
        rows += self._apart()
        self.points = self.walk.transcript.points[rows, :-1]
        self.never = int(missing.sum())
        return self.equations

    def choose_again(self, outputs: int) -> None:
        """Choose as few points as will do, now that all answers are explained: each output is asked there.

        One output alone has been asked about points enough; several are asked about points made for it, but
        where answers are coarse: as few of these as will do leave weights to rounding.
        """
        points = self.walk.transcript.points[certain_rows(self.prefix, self.walk.transcript), :-1]
        given = outputs == 1 or self.walk.tolerances.single
        self.points = points[self._greedy(self._on(points))[0]] if given else self._turned_on(points)

    def _turned_on(self, points: Array) -> Array:
        """Points (n, d) at which every unit is on that can be, until they decide all weights.

        They are noise and images, moved so that many of the units are on that are wanted: where features are
        alike all over an image their gradients are dependent, and an answer tells less of the units behind.
        """
        wanted = np.ones(self._on(points[:1]).shape[1], bool)
        never = np.zeros_like(wanted)
        chosen: list[Array] = []
        covered, least, idle = False, len(wanted) + 1, 0
        while wanted.any() and len(chosen) < CONV_LAST.most and idle < CONV_LAST.failures:
            starts = self._starts_for(wanted, points, covered)
            if starts is None:
                never[wanted.argmax()] = True
            else:
                chosen.append(raised(self.prefix, self.walk.lines, starts, wanted))
            on = self._on(np.stack(chosen)).any(axis=0) if chosen else np.zeros_like(never)
            wanted = ~on & ~never
            covered = covered or not wanted.any()
            if chosen and not wanted.any():
                wanted = self._open_at(np.stack(chosen)) & ~never
                idle = 0 if wanted.sum() < least else idle + 1
                least = min(least, int(wanted.sum()))
        if not chosen:
            return points[:1]  # no unit can be turned on
        points = np.stack(chosen)
        return points if wanted.any() else self._fewer(points)

    def _fewer(self, points: Array) -> Array:
        """Leave out points (n, d), one after the other, while the others can be moved to do without it.

        So many stay that there are more equations than weights: what is left over tests the other outputs.
        """
        on = self._on(points)
        reached = on.any(axis=0)
        least = int(np.ceil(CONV_LAST.equations * (on.shape[1] + 1) / (points.shape[1] + 1)))
        while len(points) > max(1, least):
            alone = [int((on[i] & ~np.delete(on, i, axis=0).any(axis=0)).sum()) for i in range(len(on))]
            out = int(np.argmin(alone))
            moved, left = np.delete(points, out, axis=0), points[out]
            for place in range(len(moved)):
                others = np.delete(self._on(moved), place, axis=0).any(axis=0)
                wanted: NDArray[np.bool_] = np.logical_and(reached, ~others)
                starts = np.stack([moved[place], left])
                moved[place] = raised(self.prefix, self.walk.lines, starts, wanted)
            on = self._on(moved)
            if (reached & ~on.any(axis=0)).any() or self._open_at(moved).any():
                break
            points = moved
        return points

    def _starts_for(self, wanted: NDArray[np.bool_], points: Array, noisy: bool) -> Array | None:
        """Points (n, d) at which most wanted units are on: noise, images, of points (n, d), or climbed to.

        Noise alone will do, if it does, where units were on before: it differs each time, and is never even.
        """
        noise = fine(self.walk.lines, self.prefix.shape, CONV_LAST.noise)
        others = np.concatenate([points, spread(self.walk, CONV_LAST.candidates)])
        best = []
        for candidates in (noise, others):
            gains = (self._on(candidates) & wanted).sum(axis=1)
            order = np.argsort(-gains, kind="stable")[: CONV_LAST.starts]
            best.append(candidates[order[gains[order] > 0]])
            if noisy and len(best[0]):
                break
        starts = np.concatenate(best)
        if len(starts):
            return starts
        climbed = self._climb(int(wanted.argmax()), others[0])
        return None if climbed is None else climbed[None]

    def _open_at(self, points: Array) -> NDArray[np.bool_]:
        """Which units' weights answers at points (n, d) would not decide."""
        found = self.equations.solve(points, np.zeros((*points.shape, 1)), np.zeros((len(points), 1)))
        return np.asarray(found.seen & ~found.needed[:-1])

    def _from_others(self, missing: NDArray[np.bool_]) -> list[int]:
        """Choose answers beside the walk's at which missing units are on; these are missing no more."""
        others = self._certain(np.setdiff1d(np.arange(len(self.walk.transcript)), self.walk.rows))
        on = self._on(self.walk.transcript.points[others, :-1])
        rows: list[int] = []
        while len(others):
            gain = (on & missing).sum(axis=1)
            best = int(gain.argmax())
            if not gain[best]:
                break
            if self._explained(int(others[best])):
                rows.append(int(others[best]))
                missing &= ~on[best]
            on[best] = False
        return rows

    def _asked(self, missing: NDArray[np.bool_]) -> list[int]:
        """Ask about points at which missing units are on; these are missing no more."""
        transcript = self.walk.transcript
        rows: list[int] = []
        failures = 0
        while missing.any() and len(rows) < CONV_LAST.most and failures < CONV_LAST.failures:
            point = self._where_on(missing)
            if point is None:
                break
            row = int(answered(transcript, point[None])[0])
            on = self._on(transcript.points[row : row + 1, :-1])[0]
            if self._explained(row) and (on & missing).any():
                rows.append(row)
                missing &= ~on
            else:
                failures += 1
        return rows

    def _walked(self) -> tuple[Solution, Equations]:
        """Solve for the first output by answers of the walk alone, all of which the known layers explain."""
        transcript, equations = self.walk.transcript, self._equations()
        walked = self._certain(np.array(self.walk.rows, np.intp))
        rows = walked[self._greedy(self._on(transcript.points[walked, :-1]))[0]]
        points, gradients = transcript.points[rows, :-1], transcript.pieces[rows, :-1]
        found = equations.solve(points, gradients[:, :, None], transcript.told(rows)[:, None])
        return found, equations

    def _explained(self, row: int) -> bool:
        """Whether the weights that the walk told, and some of units it did not show, explain an answer."""
        transcript, found = self.walk.transcript, self.found
        if row in self._of_walk:
            return True
        point = transcript.points[row, :-1]
        level = transcript.told(np.array([row])) - found.weights[-1, 0]
        on, part = self.equations.at(point)
        told = np.append(transcript.pieces[row, :-1], level / size_of(point))
        shown = (found.seen & found.needed[:-1])[on]
        rest = told - part[:, shown] @ found.weights[on[shown], 0]
        if 2 * (~shown).sum() > len(rest):
            return False
        if not shown.all():
            columns = part[:, ~shown] / np.linalg.norm(part[:, ~shown], axis=0)
            rest = rest - columns @ np.linalg.lstsq(columns, rest, rcond=None)[0]
        return bool(np.abs(rest[:-1]).max() <= self.walk.tolerances.missing * np.abs(told[:-1]).max())

    def _equations(self) -> Equations:
        depth = len(self.prefix.layers)
        coarser = CONV_LAST.coarser if self.walk.tolerances.single else 1
        most = coarser * CONV_LAST.most_equations
        if self.prefix.ends_dense:  # all numbers: some might miss the few features behind which a unit is on
            most = np.inf
        return Equations(self.prefix, lambda point: moving(self.prefix, point, depth), most=most)

    def _greedy(self, on: NDArray[np.bool_]) -> tuple[list[int], NDArray[np.bool_]]:
        """Choose rows of states (n, q) until each unit is on that is on in any; return rows, other units."""
        missing = np.ones(on.shape[1], bool)
        chosen: list[int] = []
        enough = int(np.ceil(CONV_LAST.equations * on.shape[1] / (self.prefix.size + 1)))
        while (not self.walk.tolerances.single and len(chosen) < min(enough, len(on))) or (
            on & missing
        ).any():
            gain = (on & missing).sum(axis=1) + on.mean(axis=1)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            missing &= ~on[best]
        if self.walk.tolerances.single:
            more = np.linspace(0, len(on) - 1, max(CONV_LAST.coarse, CONV_LAST.coarser * enough)).astype(
                np.intp
            )
            chosen = np.unique([*chosen, *more]).tolist()
        return chosen, missing

    def _apart(self) -> list[int]:
        """Answers far from each other, where answers are coarse: those of a walk are too much alike."""
        if not self.walk.tolerances.single:
            return []
        if not len(self._far):
            self._far = self.walk.transcript.ask(spread(self.walk, CONV_LAST.coarse))
        return list(self._certain(self._far))

    def _certain(self, rows: Index) -> Index:
        """Those of answers at which every unit's side is certain, all where there is none."""
        return certain_of(rows, self.prefix, self.walk.transcript)

    def _on(self, points: Array) -> NDArray[np.bool_]:
        """Which features are on at points (n, d), shape (n, q)."""
        return on_at(self.prefix, points)

    def _where_on(self, missing: NDArray[np.bool_]) -> Array | None:
        """Return a point where some of the missing features are on, None where none is found."""
        points = spread(self.walk, CONV_LAST.candidates)
        gain = self._on(points)[:, missing].sum(axis=1)
        if gain.max() > 0:
            return raised(self.prefix, self.walk.lines, points[gain.argmax()][None], missing)
        for unit in np.flatnonzero(missing)[: CONV_LAST.tries]:
            point = self._climb(int(unit), points[0])
            if point is not None:
                return point
        return None

    def _climb(self, unit: int, point: Array) -> Array | None:
        """Walk uphill from a point until a unit of z is on; None where it stays off."""
        length = float(np.linalg.norm(point))

        def level(x: Tensor) -> Tensor:
            return levels(self.prefix, x)

        for _ in range(CONV_LAST.climb):
            with torch.no_grad():
                value = float(levels(self.prefix, self.prefix.images(point[None]))[0, unit])
            if value > 0:
                return point
            slope = gradients_of(self.prefix, level, point, np.array([unit]))[0]
            size = float(slope @ slope)
            if not size:
                return None
            step = min(2 * (length * size**0.5 * CONV_LAST.beyond - value) / size, length / size**0.5)
            point = point + step * slope
            if self.walk.lines.domain is not None:
                point = np.clip(point, *self.walk.lines.domain)
        return None

    def weights(self, transcripts: list[Transcript], equations: Equations) -> Solution:
        """Ask every output at the points chosen and solve for all; more points where that is not unique.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        least, idle = self.prefix.sizes()[-1] + 1, 0
        while True:
            gradients, values = [], []
            for transcript in transcripts:
                rows = answered(transcript, self.points)
                gradients.append(transcript.pieces[rows, :-1])
                values.append(transcript.told(rows))
            found = equations.solve(self.points, np.stack(gradients, 2), np.stack(values, 1))
            undecided = int((found.seen & ~found.needed[:-1]).sum())
            least, idle = min(least, undecided), 0 if undecided < least else idle + 1
            if found.unique or len(self.points) > CONV_LAST.most or idle == CONV_LAST.failures:
                return found
            self.points = np.concatenate([self.points, spread(self.walk, CONV_LAST.more)])
