"""A walk in small steps: what the known layers explain of each change is taken off, and the rest isolated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.inputs import fine, grainy
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.settings import CONV_WALK, TINY


@dataclass(frozen=True)
class Answer:
    """What was answered at a point: value, and gradient (d,)."""

    point: Array
    value: float
    gradient: Array


@dataclass(frozen=True)
class Kink:
    """A point (d,) where the gradient jumps.

    Attributes:
        jump: by how much, shape (d,).
        floor: up to which entries of it are rounding.
        ends: points (2, d) on either side of it, between which the gradient changes by the jump.
    """

    point: Array
    jump: Array
    floor: float
    ends: Array


Explained = Callable[[Answer, Answer, Index], None]


class Walk:
    """Walks from one random point towards another, and so on; every answer stays in the transcript.

    Attributes:
        known: the layers that explain changes; they grow while it walks.
        reach: size of the points walked to, where inputs are not confined to a box.
        blocks: whether these are images of blocks: fine noise turns most features of any window on, so that a
            kink of the next layer shows nearly all of a channel, but moves averages little.
        flips: crossings of known units met in steps that were explained.
        rows: of the answers that it asked for in fine noise of the usual size, where channels that are seldom
            on are off.
        kinks: all that were met.
        bounded: whether units of the network are seen to be cut off above.
        told: called with the ends of an explained step and the units that switched.
    """

    def __init__(self, transcript: Transcript, lines: Lines, known: Prefix) -> None:
        self.transcript = transcript
        self.lines = lines
        self.known = known
        self.tolerances = transcript.tolerances
        self.reach = 1.0
        self.blocks = False
        self.flips = 0
        self.rows: list[int] = []
        self.kinks: list[Kink] = []
        self.bounded = False
        self.told: Explained | None = None
        self.share = CONV_WALK.first_step
        self._here: Answer | None = None
        self._from = self._to = np.empty(0)

    def samples(self, count: int) -> Array:
        """Random points (n, d) to walk to or to ask about."""
        kind = grainy if self.blocks else fine
        return kind(self.lines, self.known.shape, count) * (self.reach if self.lines.domain is None else 1.0)

    def ask(self, points: Array) -> list[Answer]:
        """Ask about points (n, d).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        rows = self.transcript.ask(points)
        if not self.blocks and self.reach == 1.0:
            self.rows += rows.tolist()
        return self.answers(rows)

    def answers(self, rows: Index) -> list[Answer]:
        """Answers in rows of the transcript."""
        pieces, values = self.transcript.pieces[rows], self.transcript.told(rows)
        at = self.transcript.points[rows, :-1]
        return [Answer(x, float(f), g[:-1]) for x, f, g in zip(at, values, pieces, strict=True)]

    def restart(self) -> None:
        """Go on from another random point."""
        self._here = None

    def aim(self, direction: Callable[[Array], Array]) -> None:
        """Walk along a direction next, by the length of a usual point or, in a box, to its edge.

        Args:
            direction: of norm 1, shape (d,), at the point (d,) where the walk is.
        """
        before = self._here or self._start()
        target = before.point + float(np.linalg.norm(self.samples(1))) * direction(before.point)
        if self.lines.domain is not None:
            target = np.clip(target, *self.lines.domain)
        self._here, self._from, self._to = before, before.point, target

    def along(self, way: Array) -> Iterator[Kink]:
        """Walk from one of two points (2, d) to the other, in as many steps as it takes; what is met.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        (self._from, self._to), length = way, float(np.linalg.norm(way[1] - way[0]))
        states = self.known.states(
            way[0] + np.linspace(0.0, 1.0, CONV_WALK.grid)[:, None] * (way[1] - way[0])
        )
        crossings = int((states[1:] != states[:-1]).sum())
        room = self.known.size / max(len(self.known.layers), 1)
        self.share = min(CONV_WALK.few * room / max(crossings, 1), 0.5)
        self._here = self.ask(way[:1])[0]
        while np.linalg.norm(way[1] - self._here.point) > CONV_WALK.rank * length:
            yield from self.step()
        self._here = None

    def step(self) -> list[Kink]:
        """Take a step; return the kinks on it that the known layers do not explain, each on its own.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        before = self._here or self._start()
        way = self._to - self._from
        left = self._to - before.point
        length = min(self.share * float(np.linalg.norm(way)), float(np.linalg.norm(left)))
        after = self.ask((before.point + length * left / max(float(np.linalg.norm(left)), TINY))[None])[0]
        self._here = after
        if length < self.share * float(np.linalg.norm(way)):
            self._from, self._to = after.point, self.samples(1)[0]
        rest, units = self.left_over(before, after)
        if rest is None:
            self._note_explained(before, after, units)
            return []
        found = self.isolated(before, after)
        self.kinks += found
        if len(units) > 2 * len(found) + CONV_WALK.crowd:
            self.share *= CONV_WALK.shorter
        if len(found) > 1:
            self.share *= CONV_WALK.shorter
        return found

    def _start(self) -> Answer:
        self._from, self._to = self.samples(2)
        return self.ask(self._from[None])[0]

    def _note_explained(self, before: Answer, after: Answer, units: Index) -> None:
        self.flips += len(units)
        if self.told is not None and len(units):
            self.told(before, after, units)
        room = self.known.size / max(len(self.known.layers), 1)
        if len(units) < CONV_WALK.few * room:
            self.share = min(self.share * CONV_WALK.longer, 0.5)
        elif len(units) > CONV_WALK.many * room:
            self.share *= CONV_WALK.shorter

    def left_over(self, before: Answer, after: Answer) -> tuple[Array | None, Index]:
        """Take off a change of the gradient what known units that switched explain.

        Returns:
            What is left, shape (d,), or None where that is rounding, and the units that switched.
        """
        change = after.gradient - before.gradient
        scale = max(np.abs(after.gradient).max(), np.abs(before.gradient).max(), TINY)
        if np.abs(change).max() <= self.tolerances.same * scale:
            return None, np.empty(0, np.intp)
        states = self.known.states(np.stack([before.point, after.point]))
        units = np.flatnonzero(states[0] != states[1])
        rows = self.known.gradients(before.point, units)
        if len(self.known.layers) > 1:
            rows = np.concatenate([rows, self.known.gradients(after.point, units)])
        rest = off_span(rows, change)
        return (None if np.abs(rest).max() <= self.tolerances.rounding * scale else rest), units

    def isolated(
        self, before: Answer, after: Answer, supposed: Index | Sequence[int] = (), depth: int = 0
    ) -> list[Kink]:
        """Cut a step until what is not explained lies alone on a part of it.

        Args:
            before: the answer at its start.
            after: the one at its end.
            supposed: units that do not switch where they seem to, being known in part.
            depth: how often it was cut.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        rest, _ = self.left_over(before, after)
        if rest is None or depth > CONV_WALK.deepest:
            return []
        share, crowd = self._cut(before.point, after.point, supposed)
        if not crowd:
            crossing = tangents_cross(before, after)
            if crossing is not None and 0 < crossing < 1:
                return [self._kink(before, after, crossing)]
        middle = self.ask((before.point + share * (after.point - before.point))[None])[0]
        parts = (before, middle), (middle, after)
        return [kink for part in parts for kink in self.isolated(*part, supposed, depth + 1)]

    def as_predicted(self, before: Answer, after: Answer, unit: Sequence[int]) -> list[Kink]:
        """The kink of a unit, known in part, that switches alone between two answers, as is known of it.

        What is known explains the change, and nothing is isolated, where entries that are not known are 0. A
        gradient that does not change, or more than the unit explains, shows nothing.
        """
        rest, units = self.left_over(before, after)
        if rest is not None or not len(units) or units.tolist() != list(unit):
            return []
        crossing = tangents_cross(before, after)
        if crossing is None or not 0 < crossing < 1:
            return []
        return [self._kink(before, after, crossing)]

    def _kink(self, before: Answer, after: Answer, share: float) -> Kink:
        scale = max(np.abs(after.gradient).max(), np.abs(before.gradient).max())
        point = before.point + share * (after.point - before.point)
        ends = np.stack([before.point, after.point])
        return Kink(point, after.gradient - before.gradient, self.tolerances.noise * float(scale), ends)

    def alone(self, kink: Kink) -> bool:
        """Whether no unit known by now switches beside a kink: its jump would be that of both."""
        states = self.known.states(kink.ends)
        return bool((states[0] == states[1]).all())

    def _cut(self, start: Array, end: Array, supposed: Index | Sequence[int]) -> tuple[float, int]:
        """Return where to cut so that half of the known crossings lie on either side, and their count."""
        shares = np.linspace(0.0, 1.0, CONV_WALK.grid + 1)
        states = self.known.states(start + shares[:, None] * (end - start))
        states[:, list(supposed)] = 0
        crossings = (states[1:] != states[:-1]).sum(axis=1)
        total = int(crossings.sum())
        if not total:
            return 0.5, 0
        before = np.cumsum(crossings)[:-1]
        best = int(np.abs(before - total / 2).argmin())
        if 0 < before[best] < total:
            return float(shares[best + 1]), total
        cell = int(crossings.argmax())
        return float(shares[cell] if shares[cell] > 1 - shares[cell + 1] else shares[cell + 1]), total

    def certified(self, kink: Kink) -> bool:
        """Whether the gradient jumps by the whole jump, and by no more, close to the kink.

        Of coarse answers closer than it is missed at: so far away, 1e-3, other units switch.
        """
        normal = kink.jump / np.linalg.norm(kink.jump)
        near = self.tolerances.loose if self.tolerances.single else self.tolerances.missing
        away = near * max(float(np.linalg.norm(kink.point)), 1.0) * normal
        before, after = self.ask(np.stack([kink.point - away, kink.point + away]))
        change = after.gradient - before.gradient
        off = min(np.abs(change - kink.jump).max(), np.abs(change + kink.jump).max())
        return bool(off <= self.tolerances.rounding * np.abs(after.gradient).max())


def tangents_cross(before: Answer, after: Answer) -> float | None:
    """Where the affine pieces at two points meet on the way between them, as a share of it."""
    way = after.point - before.point
    first, second = before.gradient @ way, after.gradient @ way
    if first == second:
        return None
    return float((after.value - before.value - second) / (first - second))


def off_span(rows: Array, vector: Array) -> Array:
    """What is left of a vector (d,) when its part in the span of rows (m, d) is taken off."""
    norms = np.linalg.norm(rows, axis=1)
    rows = rows[norms > 0] / norms[norms > 0, None]
    if not len(rows):
        return vector
    basis, corner, _ = qr(rows.T, mode="economic", pivoting=True, check_finite=False)
    sizes = np.abs(np.diag(corner))
    basis = basis[:, : len(sizes)][:, sizes > CONV_WALK.rank * sizes[0]]
    rest = vector - basis @ (basis.T @ vector)
    return np.asarray(rest - basis @ (basis.T @ rest))
