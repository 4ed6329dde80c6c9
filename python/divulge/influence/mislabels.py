"""Wrong labels: made on purpose, and what finding them is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from divulge.html import ShownAsTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FixCurve", "fix_curve", "flip_labels"]

Measure = Callable[[NDArray[np.int64]], float]


def flip_labels(targets: ArrayLike, share: float, *, seed: int = 0) -> NDArray[np.int64]:
    """Return a copy of class numbers (n,) in which a share of them, drawn at random, is another class.

    Args:
        targets: (n,), from 0 to K - 1, K their largest plus 1.
        share: round(share n) labels are replaced, each by one of the K - 1 other classes, equally likely.
        seed: of both choices.

    Raises:
        ValueError: targets of another shape, a share not between 0 and 1, or fewer than two classes.
    """
    labels = np.array(targets, np.int64)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"expected targets of shape (n,), got {labels.shape}")
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    classes = int(labels.max()) + 1
    if classes < 2:
        raise ValueError(f"expected at least two classes, got {classes}")
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    labels[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    return labels


@dataclass(frozen=True)
class FixCurve(ShownAsTable):
    """Test accuracy against the share of labels that were checked and, where wrong, set right.

    Attributes:
        checked: (k,), from 0 to 1.
        fixed: (k,), share of the wrong labels among them.
        accuracy: (k,), after training anew.
    """

    checked: NDArray[np.float64]
    fixed: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each share: checked, fixed, accuracy."""
        return pd.DataFrame({"checked": self.checked, "fixed": self.fixed, "accuracy": self.accuracy})

    def plot(self, name: str = "influence", *, ax: Axes | None = None) -> Axes:
        """Draw the test accuracy against the labels checked, and return the Axes (`plot_checked`: many)."""
        from divulge.influence.figures import plot_checked

        return plot_checked({name: self}, ax=ax)


def fix_curve(
    measure: Measure,
    given: ArrayLike,
    true: ArrayLike,
    suspicion: ArrayLike,
    *,
    shares: Sequence[float] = (0, 0.05, 0.1, 0.2, 0.3),
    progress: Callable[[int, int], None] | None = None,
) -> FixCurve:
    """Check labels in falling order of suspicion, set them right and train again (Koh & Liang 2017, 5.4).

    Args:
        measure: from labels (n,) to the test accuracy of a model trained on them.
        given: (n,), labels of which some are wrong.
        true: (n,).
        suspicion: (n,), such as `Influence.self_influence()`, losses, or random numbers.
        shares: of the labels that are checked, from 0 to 1, each with a training.
        progress: called with the trainings done and the number of all, after each.

    Raises:
        ValueError: shapes that differ, no wrong label, or a share not from 0 to 1.
    """
    labels, right, order = np.asarray(given), np.asarray(true), np.asarray(suspicion, np.float64)
    if not labels.shape == right.shape == order.shape or labels.ndim != 1:
        raise ValueError(
            "expected labels, true labels and suspicions of one shape (n,), "
            f"got {labels.shape}, {right.shape} and {order.shape}"
        )
    wrong = labels != right
    if not wrong.any():
        raise ValueError("expected at least one wrong label, got none")
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"expected shares from 0 to 1, got {share}")
    rows = np.argsort(-order, kind="stable")
    fixed, accuracy = [], []
    for done, share in enumerate(shares, 1):
        checked = rows[: round(share * len(rows))]
        labels_now = labels.copy()
        labels_now[checked] = right[checked]
        fixed.append(wrong[checked].sum() / wrong.sum())
        accuracy.append(measure(labels_now))
        if progress is not None:
            progress(done, len(shares))
    return FixCurve(np.asarray(shares, np.float64), np.array(fixed), np.array(accuracy))
