"""What influence functions predict, measured: retraining without samples, and curves over removed labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from divulge.evaluation.store import Store
from divulge.html import ShownAsTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "DatamodelingScore",
    "MislabelCurve",
    "leave_one_out_retraining",
    "linear_datamodeling_score",
    "mislabel_curve",
]

Measure = Callable[[NDArray[np.int64]], ArrayLike]


def leave_one_out_retraining(
    measure: Measure,
    n: int,
    rows: Iterable[int],
    *,
    jobs: int = -1,
    folder: str | Path | None = None,
) -> NDArray[np.float64]:
    """Return the true change (m, k) of test losses when a sample is left out and the model retrained.

    Retraining runs in parallel by joblib, in processes, or as a surrounding `joblib.parallel_config` says
    (threads, Dask, Ray).

    Args:
        measure: from the rows (n - 1,) that are kept to the retrained model's losses (m,) on the test
            points; it is also called with all n rows, for the losses to compare with. Train to convergence:
            a change is of the order of 1/n.
        n: the number of training samples.
        rows: (k,), the samples to leave out, one at a time.
        jobs: of joblib; -1 is one a processor.
        folder: the losses of each retrained model are kept here, by the rows that it was trained on; the same
            call goes on from them after an interruption. Of one measure alone: it is not told from another.

    Raises:
        ValueError: a row that is none of the n; losses of several lengths, as of another measure.
        UnreadableFile: what is kept in the folder is damaged.
    """
    chosen = np.asarray(list(rows), np.int64)
    wrong = chosen[(chosen < 0) | (chosen >= n)]
    if len(wrong):
        raise ValueError(f"expected rows from 0 to {n - 1}, got {wrong[0]}")
    everything = np.arange(n)
    kept = [everything, *(np.delete(everything, row) for row in chosen)]
    losses = _measured(measure, kept, jobs, folder)
    return np.asarray((losses[1:] - losses[0]).T)


@dataclass(frozen=True)
class DatamodelingScore(ShownAsTable):
    """How well scores predict the outcome of training on random subsets.

    Attributes:
        correlation: (m,), Spearman's, of predicted and actual losses over the subsets, for each test point.
        mean: of them.
        actual: (m, subsets), losses of the retrained models.
        predicted: (m, subsets), sums of the scores of the samples in each subset.
    """

    correlation: NDArray[np.float64]
    mean: float
    actual: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each test point and subset: test, subset, actual, predicted."""
        m, subsets = self.actual.shape
        return pd.DataFrame(
            {
                "test": np.repeat(np.arange(m), subsets),
                "subset": np.tile(np.arange(subsets), m),
                "actual": self.actual.ravel(),
                "predicted": self.predicted.ravel(),
            }
        )

    def _facts(self) -> dict[str, Any]:
        return {"correlation": self.mean}


def linear_datamodeling_score(
    scores: ArrayLike,
    measure: Measure,
    *,
    subsets: int = 50,
    share: float = 0.5,
    seed: int = 0,
    jobs: int = -1,
    folder: str | Path | None = None,
) -> DatamodelingScore:
    """Return the linear datamodeling score of influences (Park et al. 2023, TRAK, definition 2.2).

    Args:
        scores: (m, n), as `Influence.scores` gives them: a subset's predicted loss is the sum over its
            samples.
        measure: from the rows of a subset to the losses (m,) of a model trained on it.
        subsets: how many are drawn.
        share: of the samples in each.
        seed: of the subsets.
        jobs: of joblib.
        folder: as of `leave_one_out_retraining`; other scores of the same subsets need no more training.

    Raises:
        ValueError: fewer than two subsets, a share not between 0 and 1, or losses of another length than m.
        UnreadableFile: what is kept in the folder is damaged.
    """
    array = np.asarray(scores, np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError(f"expected finite scores of shape (m, n), got shape {array.shape}")
    if subsets < 2 or not 0 < share < 1:
        raise ValueError(
            f"expected at least 2 subsets and a share between 0 and 1, got {subsets} and {share}"
        )
    n, rng = array.shape[1], np.random.default_rng(seed)
    size = max(1, round(share * n))
    drawn = [np.sort(rng.choice(n, size, replace=False)) for _ in range(subsets)]
    actual = _measured(measure, drawn, jobs, folder).T
    if len(actual) != len(array):
        raise ValueError(
            f"expected {len(array)} losses of each subset, one a row of scores, got {len(actual)}"
        )
    predicted = np.stack([array[:, rows].sum(axis=1) for rows in drawn], axis=1)
    correlation = np.array([spearmanr(a, p).statistic for a, p in zip(actual, predicted, strict=True)])
    return DatamodelingScore(correlation, float(correlation.mean()), actual, predicted)


@dataclass(frozen=True)
class MislabelCurve(ShownAsTable):
    """Share of the flipped labels found against the share of labels checked, in a given order.

    Attributes:
        checked: (n + 1,), from 0 to 1.
        found: (n + 1,), from 0 to 1.
    """

    checked: NDArray[np.float64]
    found: NDArray[np.float64]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each label checked: checked, found."""
        return pd.DataFrame({"checked": self.checked, "found": self.found})

    def _facts(self) -> dict[str, Any]:
        return {"area": self.area}

    def plot(self, name: str = "influence", *, ax: Axes | None = None) -> Axes:
        """Draw the flips found against the labels checked, and return the Axes (`plot_checked`: many)."""
        from divulge.influence.figures import plot_checked

        return plot_checked({name: self}, ax=ax)

    @property
    def area(self) -> float:
        """The area under the curve; 1/2 for a random order."""
        return float(np.trapezoid(self.found, self.checked))

    def found_at(self, share: float) -> float:
        """Return the share of flipped labels found after checking a share of all."""
        return float(np.interp(share, self.checked, self.found))


def mislabel_curve(suspicion: ArrayLike, flipped: ArrayLike) -> MislabelCurve:
    """Return how soon flipped labels are found when samples are checked in falling order of suspicion.

    Args:
        suspicion: (n,), such as `Influence.self_influence()` or each sample's loss; ties are broken by row.
        flipped: (n,), whether each label is wrong, or the rows of those that are.

    Raises:
        ValueError: no flipped label, or shapes that differ.
    """
    order = np.asarray(suspicion, np.float64)
    marks = np.asarray(flipped)
    if order.ndim != 1 or not np.isfinite(order).all():
        raise ValueError(f"expected finite suspicions of shape (n,), got shape {order.shape}")
    if marks.dtype != bool:
        marks = np.isin(np.arange(len(order)), marks)
    if marks.shape != order.shape or not marks.any():
        raise ValueError(f"expected at least one flipped label among {len(order)}, got {int(marks.sum())}")
    hits = marks[np.argsort(-order, kind="stable")]
    found = np.r_[0.0, np.cumsum(hits) / hits.sum()]
    return MislabelCurve(np.linspace(0, 1, len(found)), found)


def _measured(
    measure: Measure, subsets: Sequence[Any], jobs: int, folder: str | Path | None
) -> NDArray[np.float64]:
    """Return the losses (subsets, m) of each subset, those that a folder keeps from there."""
    one = partial(_losses, measure, Store(folder))
    found = [np.asarray(losses) for losses in Parallel(n_jobs=jobs)(delayed(one)(rows) for rows in subsets)]
    shapes = {losses.shape for losses in found}
    if len(shapes) > 1 or found[0].ndim != 1:
        kept = "" if folder is None else f"; {folder} may keep those of another measure"
        raise ValueError(f"expected as many losses (m,) of each subset, got shapes {sorted(shapes)}{kept}")
    return np.stack(found)


def _losses(measure: Measure, store: Store, rows: NDArray[np.int64]) -> list[float]:
    """Return the losses (m,) of a model trained on some rows, and keep them."""
    about = {"trained on": sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest()}
    kept = store.load(about)
    if kept is None:
        kept = np.asarray(measure(rows), np.float64).tolist()
        store.save(about, kept)
    losses: list[float] = kept
    return losses
