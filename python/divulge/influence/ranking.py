"""Groups of training samples, and the most influential ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from divulge.html import ShownAsTable
from divulge.influence.operators import Array
from divulge.points import host_array

__all__ = ["Best", "Ranking", "group_members", "smallest", "top_of"]


@dataclass(frozen=True)
class Ranking(ShownAsTable):
    """The training samples with the largest influence on each test point.

    Attributes:
        helpful: (m, k), training samples whose up-weighting lowers the test loss, the strongest first.
        helpful_scores: (m, k), below zero where there are that many.
        harmful: (m, k), those whose up-weighting raises it, the strongest first.
        harmful_scores: (m, k).
    """

    helpful: NDArray[np.int64]
    helpful_scores: Array
    harmful: NDArray[np.int64]
    harmful_scores: Array

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each test point, side and rank: test, side, rank from 1 on, sample, score."""
        m, k = self.helpful.shape
        parts = [
            {
                "test": np.repeat(np.arange(m), k),
                "side": side,
                "rank": np.tile(np.arange(1, k + 1), m),
                "sample": rows.ravel(),
                "score": scores.ravel(),
            }
            for side, rows, scores in (
                ("helpful", self.helpful, self.helpful_scores),
                ("harmful", self.harmful, self.harmful_scores),
            )
        ]
        frame = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
        return frame.sort_values(["test"], kind="stable", ignore_index=True)

    def plot(self, inputs: ArrayLike, test: ArrayLike, row: int = 0) -> NDArray[Any]:
        """Draw a test image above the training images that helped and those that harmed it.

        Args:
            inputs: training images (n, height, width) or (n, channels, height, width), from 0 to 1.
            test: test images (m, ...), likewise.
            row: the test image.

        Returns:
            The array of Axes (3, images of the longest row).
        """
        from divulge.influence.figures import plot_images

        images, tests = (np.asarray(host_array(part)) for part in (inputs, test))
        lines: list[Any] = [("test", tests[[row]], [f"test image {row}"])]
        for name, rows, scores in (
            ("helpful", self.helpful[row], self.helpful_scores[row]),
            ("harmful", self.harmful[row], self.harmful_scores[row]),
        ):
            captions = [f"{i}: {score:.2g}" for i, score in zip(rows, scores, strict=True)]
            lines.append((name, images[rows], captions))
        return plot_images(lines)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"test points": len(self.helpful), "samples of each side": self.helpful.shape[1]}


def group_members(groups: ArrayLike, rows: int) -> Array:
    """Return the membership matrix (n, groups) of group numbers (n,)."""
    numbers = np.asarray(groups)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        raise ValueError(
            f"expected groups as {rows} numbers from 0 on, "
            f"got shape {numbers.shape} and dtype {numbers.dtype}"
            + (f" from {numbers.min()}" if numbers.size and numbers.dtype.kind == "i" else "")
        )
    return np.asarray(np.eye(int(numbers.max()) + 1, dtype=np.float32)[numbers])


def smallest(scores: Array, k: int) -> tuple[NDArray[np.int64], Array]:
    """Return columns (m, k) and values (m, k) of each row's k smallest numbers, the smallest first."""
    part = np.argpartition(scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, part, axis=1)
    order = np.lexsort((part, values), axis=1)
    return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)


def top_of(scores: Array, k: int) -> tuple[NDArray[np.int64], Array, NDArray[np.int64], Array]:
    """Return a `Ranking`'s four arrays (m, k) of scores (m, n)."""
    harmful, negated = smallest(-scores, k)
    return (*smallest(scores, k), harmful, -negated)


class Best:
    """The k smallest scores and the k largest, negated, of those that were added, with their numbers."""

    def __init__(self, k: int, tests: int) -> None:
        none: tuple[NDArray[np.int64], Array] = np.zeros((tests, 0), np.int64), np.zeros((tests, 0))
        self.k, self.helpful, self.harmful = k, none, none

    def add(self, scores: Array, rows: slice) -> None:
        """Look at the scores (tests, b) of some samples."""
        numbers = np.broadcast_to(np.arange(rows.start, rows.stop), scores.shape)
        self.helpful = self._merged(self.helpful, numbers, scores)
        self.harmful = self._merged(self.harmful, numbers, -scores)

    def _merged(
        self, held: tuple[NDArray[np.int64], Array], numbers: NDArray[np.int64], values: Array
    ) -> tuple[NDArray[np.int64], Array]:
        all_numbers = np.concatenate([held[0], numbers], axis=1)
        all_values = np.concatenate([held[1], values], axis=1)
        places, best = smallest(all_values, min(self.k, all_values.shape[1]))
        return np.take_along_axis(all_numbers, places, axis=1), best
