"""Which part of the training data a prediction leans on: debugging a domain mismatch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from divulge.html import ShownAsTable
from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array
from divulge.influence.parts import is_plain

__all__ = ["DomainInfluence", "domain_influence", "influence_by_distance"]


@dataclass(frozen=True)
class DomainInfluence(ShownAsTable):
    """What the training samples of each domain do to some test points (Koh & Liang 2017, 5.3).

    Attributes:
        counts: (g,), samples of each domain.
        total: (m, g), sums of `Influence.scores`: what up-weighting a whole domain does to the test loss.
        strength: (m, g), means of the scores' absolute values: what one sample of it does.
        scores: (m, n).
    """

    counts: NDArray[np.int64]
    total: NDArray[np.float64]
    strength: NDArray[np.float64]
    scores: Array

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each test point and domain: test, domain, samples, total, strength."""
        m, g = self.total.shape
        return pd.DataFrame(
            {
                "test": np.repeat(np.arange(m), g),
                "domain": np.tile(np.arange(g), m),
                "samples": np.tile(self.counts, m),
                "total": self.total.ravel(),
                "strength": self.strength.ravel(),
            }
        )

    def ratio(self, domain: int) -> NDArray[np.float64]:
        """Return how many times stronger a sample of one domain is than one of all others, (m,)."""
        others = np.arange(len(self.counts)) != domain
        rest = (self.strength[:, others] * self.counts[others]).sum(axis=1) / self.counts[others].sum()
        return np.asarray(self.strength[:, domain] / rest, np.float64)


def domain_influence(
    influence: Influence, test: Any, domains: ArrayLike, *, of: str | LossFunction | None = None
) -> DomainInfluence:
    """Return the influence of each domain of the training data on test points.

    A prediction that a handful of samples from one source decide is not backed by the rest of the data.

    Args:
        influence: of the trained model.
        test: test points.
        domains: (n,), the number of each training sample's domain from 0 on.
        of: as in `Influence.scores`.

    Raises:
        ValueError: numbers of another shape, below 0, or a single domain.
    """
    numbers = np.asarray(domains)
    rows = influence.operator.rows
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu" or numbers.min() < 0 or not numbers.any():
        raise ValueError(
            f"expected domains as {rows} numbers from 0 on, at least two of them, "
            f"got shape {numbers.shape} and dtype {numbers.dtype}"
        )
    scores = influence.scores(test, of)
    counts = np.bincount(numbers)
    sums = [[np.bincount(numbers, row, len(counts)) for row in part] for part in (scores, np.abs(scores))]
    total, strength = (np.array(part, np.float64) for part in sums)
    return DomainInfluence(counts, total, strength / np.maximum(counts, 1), scores)


def influence_by_distance(
    influence: Influence, inputs: ArrayLike, test: Any
) -> tuple[NDArray[np.float64], Array]:
    """Return Euclidean distances |x_i - x_t| (m, n) in input space beside the scores (m, n).

    A model that compares inputs by their distance, such as one with an RBF kernel, leans on near training
    samples; a deep network on far ones as well (Koh & Liang 2017, 5.1).

    Args:
        influence: of the trained model.
        inputs: (n, *shape), the training inputs as the distance is meant, for instance as images.
        test: (inputs, targets) of test points.

    Raises:
        ValueError: another number of inputs than training samples, or of other sizes than the test inputs.
    """
    points = influence.checked(test).inputs
    if not is_plain(points):
        raise ValueError("expected test inputs of one array for a distance, got several")
    if isinstance(inputs, (Mapping, tuple)):
        raise ValueError(f"expected training inputs as one array for a distance, got {type(inputs).__name__}")
    x = np.asarray(inputs, np.float64)
    if len(x) != influence.operator.rows:
        raise ValueError(f"expected {influence.operator.rows} training inputs, got {len(x)}")
    x = x.reshape(len(x), -1)
    t = np.asarray(points, np.float64).reshape(len(points), -1)
    if t.shape[1] != x.shape[1]:
        raise ValueError(
            f"expected training inputs of {t.shape[1]} numbers like the test inputs, got {x.shape[1]}"
        )
    squares = (t**2).sum(1)[:, None] + (x**2).sum(1) - 2 * t @ x.T
    return np.sqrt(np.maximum(squares, 0)), influence.scores(test)
