"""Walks behind known features, on which neighbouring pieces differ by rows of a dense layer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from divulge.reconstruction.convolutional.dense_rows import (
    DenseRows,
    Difference,
    difference,
    fragment_of,
)
from divulge.reconstruction.convolutional.pulled_back import Piece, PulledBack
from divulge.reconstruction.convolutional.walk import Answer, Walk
from divulge.reconstruction.settings import CONV_DENSE, TINY


class DenseWalk:
    """Rows of a dense layer, as far as walks show them.

    Attributes:
        back: what is behind the known features.
        found: the rows.
        trail: answers of each walk in their order.
        unclear: answers that the features do not explain: a channel is missing there.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.depth = len(walk.known.layers)
        self.back = PulledBack(walk.known, self.depth, walk.tolerances.missing)
        self.found = DenseRows(walk.tolerances.missing, walk.tolerances.alike)
        self.trail: list[list[Answer]] = []
        self.unclear: list[Answer] = []
        self.share = CONV_DENSE.first_step
        self._to = np.empty(0)
        self._from = np.empty(0)

    @property
    def pieces(self) -> list[Piece]:
        """All pieces that are known."""
        return [piece for piece in self.back.kept.values() if piece is not None]

    def replay(self, trail: list[list[Answer]]) -> None:
        """Look at walks once more that were made for layers before."""
        for walk in trail:
            for before, after in pairwise(walk):
                self._compare(before, after, CONV_DENSE.deepest, -len(self.trail) - 1)
            self.trail.append(walk)

    def find(self, quiet: int) -> None:
        """Walk until so many crossings of known units in a row showed no new one.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        since, units, steps = self.found.crossings, len(self.found.rows), 0
        while (
            steps < (CONV_DENSE.patience if units else CONV_DENSE.early)
            and not self.spoilt
            and self.found.crossings - since < quiet * max(1, units)
        ):
            steps += 1
            self.step()
            self.found.drop_false()
            if len(self.found.rows) != units:
                since, units, steps = self.found.crossings, len(self.found.rows), 0

    def step(self) -> None:
        """Take a step of a walk."""
        if not self.trail or not len(self._to):
            self._begin()
        before = self.trail[-1][-1]
        way, left = self._to - self._from, self._to - before.point
        length = self.share * float(np.linalg.norm(way))
        last = length >= float(np.linalg.norm(left))
        target = self._to if last else before.point + length * left / max(float(np.linalg.norm(left)), TINY)
        after = self.walk.ask(target[None])[0]
        self.trail[-1].append(after)
        explained = self._compare(before, after, 0, len(self.trail))
        self.share = min(self.share * (CONV_DENSE.longer if explained else CONV_DENSE.shorter), 0.5)
        if last:
            self._to = np.empty(0)

    def _begin(self, at: Answer | None = None) -> None:
        """Begin a walk, of noise or of images of blocks, near or far."""
        number = len(self.trail)
        self.walk.blocks = number % 2 == 1
        self.walk.reach = CONV_DENSE.reaches[number % len(CONV_DENSE.reaches)]
        ends = self.walk.samples(2)
        start = at or (self.trail[-1][-1] if self.trail and number % 4 else self.walk.ask(ends[:1])[0])
        self.trail.append([start])
        self._from, self._to = start.point, ends[1]
        self.walk.blocks, self.walk.reach = False, 1.0

    def walk_from(self, start: Answer) -> None:
        """Walk from an answer to a usual point: what is missing at it switches on the way.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        usual = float(np.linalg.norm(self.walk.samples(1)))
        length = float(np.linalg.norm(start.point))
        if self.walk.lines.domain is None and length > CONV_DENSE.farthest * usual:
            start = self.walk.ask(CONV_DENSE.farthest * usual / length * start.point[None])[0]
        for _ in range(CONV_DENSE.ways):
            self._begin(start)
            self.share = CONV_DENSE.first_step
            for _ in range(CONV_DENSE.early):  # where nothing is explained steps get shorter without end
                self.step()
                if not len(self._to):
                    break
            self._to = np.empty(0)
        self.found.drop_false()

    def _compare(self, before: Answer, after: Answer, depth: int, walk: int) -> bool:
        """Explain what two answers differ by, asking between them where that is needed; whether it was."""
        one, two = self.back.piece(before), self.back.piece(after)
        if one is None or two is None:
            self.unclear += [after] if self.back.is_wrong(after) else []
            return False
        between = difference(one, two)
        sure, maybe, ways = self.found.switched(one, two)
        for units in (sure, np.concatenate([sure, maybe])) if len(maybe) else (sure,):
            sizes = self.found.explained(between, units)
            if sizes is not None:
                self.found.learn(between, units, sizes, ways)
                return True
        if not len(sure):
            return self._take(before, after, depth, walk)
        if depth < CONV_DENSE.deepest:
            middle = self.walk.ask(0.5 * (before.point + after.point)[None])[0]
            self._compare(before, middle, depth + 1, walk)
            self._compare(middle, after, depth + 1, walk)
        return False

    def _take(self, before: Answer, after: Answer, depth: int, walk: int) -> bool:
        """Take what two answers differ by for one unit's; whether it is of one that is known.

        What comes twice may still be of two units, which have one weight each where nothing else is behind:
        then cutting the step parts them.
        """
        found = fragment_of(self._difference(before, after))
        if self.found.of_known(found):
            return True
        row = self.found.again(found, walk)
        if row is None or depth >= CONV_DENSE.deepest:
            self.found.keep(found, walk)
            return False
        for _ in range(CONV_DENSE.cuts):
            middle = self.walk.ask(0.5 * (before.point + after.point)[None])[0]
            if self.back.piece(middle) is None:
                return False
            first, second = (self._nothing(*pair) for pair in ((before, middle), (middle, after)))
            if not first and not second:
                for pair in ((before, middle), (middle, after)):
                    self._compare(*pair, depth + 1, walk)
                return False
            before, after = (middle, after) if first else (before, middle)
        self.found.add(row)
        return True

    def _difference(self, before: Answer, after: Answer) -> Difference:
        one, two = self.back.piece(before), self.back.piece(after)
        assert one is not None
        assert two is not None
        return difference(one, two)

    def _nothing(self, before: Answer, after: Answer) -> bool:
        """Whether two answers differ by no unit."""
        return self.found.explained(self._difference(before, after), np.empty(0, np.intp)) is not None

    @property
    def spoilt(self) -> bool:
        """Whether many answers are not explained by the features: a channel before is missing."""
        return len(self.unclear) > CONV_DENSE.unclear * len(self.back.kept) + CONV_DENSE.few
