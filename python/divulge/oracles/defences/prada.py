"""A detector of theft by the distribution of the queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array, Index
from divulge.oracles.base import Oracle
from divulge.oracles.defences.base import Defence
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole

if TYPE_CHECKING:
    from divulge.points import Points

CHECK_EVERY = 25  # queries between two tests
MOST = 5000  # distances tested, the latest: scipy's p-values are not needed, its W is good up to here


class Prada(Defence):
    """Raises an alarm where queries are not distributed like an honest user's; it changes no answer.

    The distances from each query to the nearest of the earlier ones of its class are about normal for
    images that come as they come. W of Shapiro and Wilk, of all distances but those more than three
    standard deviations off the mean, falls below the threshold where queries are made for a purpose. Earlier
    queries are kept only where they are further than mean less standard deviation from those kept.

    Args:
        oracle: what is watched.
        threshold: W below which the alarm is raised, in (0, 1).
        least: queries before the first test.

    Raises:
        ValueError: a threshold outside (0, 1), or fewer than 10 queries before the first test.

    Attributes:
        alarm: after how many queries the alarm was raised, or None.
        statistic: W at the last test, or NaN.

    Source:
        M. Juuti, S. Szyller, S. Marchal, N. Asokan, "PRADA: Protecting Against DNN Model Stealing Attacks",
        2019. Tested every 25 queries, on the latest 5,000 distances.
    """

    def __init__(self, oracle: Oracle, *, threshold: float = 0.95, least: int = 100) -> None:
        super().__init__(oracle)
        if not 0 < threshold < 1:
            raise ValueError(f"expected a threshold between 0 and 1, got {threshold}")
        if whole("a number of queries", least) < 10:
            raise ValueError(f"expected at least 10 queries before the first test, got {least}")
        self.threshold = float(threshold)
        self.least = least
        self.alarm: int | None = None
        self.statistic = float("nan")
        self._seen = 0
        self._distances: list[float] = []
        self._classes: dict[int, _Kept] = {}

    def explain(self, points: Points, output: ArrayLike | None = None) -> Answers:
        """Pass the question on, and watch."""
        matrix = self._admit(points)
        answers = self.oracle.explain(matrix, output)
        told = answers.outputs if answers.labels is None else answers.labels
        classes = told[:: max(1, len(told) // max(1, len(matrix)))]  # K rows a point: one
        self._watch(matrix, classes if answers.labels is not None else self._named(matrix, classes))
        return answers

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        answers = self.oracle.query(points, output)
        self._watch(points, self._named(points, np.zeros(len(points), np.intp)))
        return answers

    def _named(self, points: Array, otherwise: Index) -> Index:
        """Return the victim's classes of points (n, d), where it is at hand."""
        return otherwise if self.victim is None else self.victim.classes(points)

    def _watch(self, points: Array, classes: ArrayLike) -> None:
        """Take queries (n, d) of these classes (n,) into account, one after the other."""
        for point, label in zip(points, np.asarray(classes).tolist(), strict=True):
            distance = self._classes.setdefault(label, _Kept()).take(point)
            self._seen += 1
            if distance is not None:
                self._distances.append(distance)
            if self._seen >= self.least and self._seen % CHECK_EVERY == 0:
                self._test()

    def _test(self) -> None:
        from scipy.stats import shapiro

        distances = np.array(self._distances[-MOST:])
        usual = np.abs(distances - distances.mean()) <= 3 * distances.std() if len(distances) else []
        distances = distances[usual]
        if len(distances) < 3 or np.ptp(distances) == 0:
            self.statistic = 0.0 if len(distances) else float("nan")
        else:
            self.statistic = float(shapiro(distances).statistic)
        if self.alarm is None and self.statistic < self.threshold:
            self.alarm = self._seen


class _Kept:
    """The queries of one class that later ones are compared with."""

    def __init__(self) -> None:
        self._points: list[Array] = []
        self._gaps: list[float] = []

    def take(self, point: Array) -> float | None:
        """Return the distance to the nearest, None for the first, and keep the point if it is far enough."""
        if not self._points:
            self._points.append(point)
            return None
        distance = float(np.sqrt(((np.stack(self._points) - point) ** 2).sum(axis=1).min()))
        gaps = np.array(self._gaps)
        if not len(gaps) or distance >= gaps.mean() - gaps.std():
            self._points.append(point)
            self._gaps.append(distance)
        return distance
