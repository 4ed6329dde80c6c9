"""One answer for all questions that lie near each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.explained import Answers

if TYPE_CHECKING:
    from divulge.points import Points


class Cached(Defence):
    """Moves each input to the next point of a grid, and tells again what was told about that point before.

    All that is told, the label too, is of the point g = step round(x / step), moved into the oracle's
    domain; the ledger counts all questions, told again or not. Noise within is drawn once for each point and
    output, so that asking again averages nothing out and spends no privacy. Who knows the grid can ask at
    its points, where nothing is moved: alone it slows down attacks that need near points, and no others.
    Every answer is kept in memory.

    Args:
        oracle: what is defended.
        step: between neighbouring grid points, in the units of the inputs: one number, or one for each
            number of an input, shape (d,).

    Raises:
        ValueError: a step is not positive and finite, or there is another number of them.

    Attributes:
        points: how many pairs of grid point and output were asked about.
    """

    def __init__(self, oracle: Oracle, step: ArrayLike) -> None:
        super().__init__(oracle, gradients=False)
        self.step = np.asarray(step, np.float64)
        if self.step.shape not in {(), (self.input_size,)}:
            raise ValueError(f"expected one step or {self.input_size}, got shape {self.step.shape}")
        if not ((self.step > 0) & np.isfinite(self.step)).all():
            raise ValueError(f"expected positive, finite steps, got {self.step}")
        self._told: dict[tuple[bytes, int | None], Answers] = {}

    @property
    def points(self) -> int:
        """How many pairs of grid point and output were asked about."""
        return len(self._told)

    def explain(self, points: Points, output: ArrayLike | None = None) -> Answers:
        """Ask about the grid points next to points; see `Oracle.explain`."""
        matrix = self._admit(points)
        outputs = None if output is None else self._check_outputs(output, len(matrix))
        if not len(matrix):
            return self.oracle.explain(matrix, output)
        return self._answers(matrix, [None] * len(matrix) if outputs is None else outputs.tolist())

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        return self._answers(points, [output] * len(points)).values, None

    def _answers(self, points: Array, outputs: list[int | None]) -> Answers:
        """Answers about points (n, d), each of an output."""
        grid = self._grid(points)
        keys = [(row.tobytes(), output) for row, output in zip(grid, outputs, strict=True)]
        fresh = {key: place for place, key in enumerate(keys) if key not in self._told}
        self.ledger.charge(self.kind, self._price(len(keys)) - self._price(len(fresh)))
        for output in {key[1] for key in fresh}:
            self._ask_anew({key: place for key, place in fresh.items() if key[1] == output}, grid, output)
        told = []
        for point, near, key in zip(points, grid, keys, strict=True):
            answer = self._told[key]
            at = (answer.points == near).all(axis=1, keepdims=True)  # counterfactuals stay where they are
            told.append(replace(answer, points=np.where(at, point, answer.points)))
        if self.kind != "counterfactual":
            return Answers.join(told)
        # Told behind all inputs, as the oracle itself does.
        first, others = (slice(None, 1), slice(1, None))
        return Answers.join([answer.rows(part) for part in (first, others) for answer in told])

    def _ask_anew(self, fresh: dict[tuple[bytes, int | None], int], grid: Array, output: int | None) -> None:
        """Ask about grid points (those at the places of `fresh`) and one output, and keep what is told."""
        answers = self.oracle.explain(grid[list(fresh.values())], output)
        for place, key in enumerate(fresh):
            if self.kind == "counterfactual":  # the inputs, and then what was found for each
                self._told[key] = answers.rows(slice(place, None, len(fresh)))
            else:
                rows = len(answers) // len(fresh)  # K of them where all outputs are told
                self._told[key] = answers.rows(slice(rows * place, rows * (place + 1)))

    def _grid(self, points: Array) -> Array:
        """The grid points next to points, shape (n, d)."""
        moved = self.step * np.round(points / self.step) + 0.0  # no -0, which has other bytes
        return moved if self._box is None else np.clip(moved, self._box.low, self._box.high)
