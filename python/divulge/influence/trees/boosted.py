"""What is known of a boosted ensemble: its leaf rule, and in which leaves rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.influence.trees.losses import Initial, TreeLoss

__all__ = ["Boosted", "refused"]


@dataclass(frozen=True)
class Boosted:
    """A fitted ensemble of T rounds of K trees; leaf l adds v_l = -rate sum w_i g_i / (sum w_i h_i + l2).

    Sums go over the samples in the leaf, g and h are the loss's derivatives at the margins before the round.

    Attributes:
        title: the estimator's class.
        loss: l(y, F).
        rate: the learning rate, with the library's own factors.
        l2: added to the sum of second derivatives.
        initial: F_0.
        leaves: from rows (n, d) to the numbers of their leaves (n, T, K).
        margins: from rows (n, d) to F (n, K).
        classes: (C,), or None of a regression.
        width: d.
        tolerance: of the library's margins, relative to their spread.
        rounding: likewise, relative to their size.
    """

    title: str
    loss: TreeLoss
    rate: float
    l2: float
    initial: Initial
    leaves: Callable[[Any], NDArray[Any]]
    margins: Callable[[Any], Array]
    classes: NDArray[Any] | None
    width: int
    tolerance: float
    rounding: float


def refused(title: str, reason: str) -> ValueError:
    """Return the error for a model whose trees do not follow the leaf rule."""
    return ValueError(f"influence in trees does not cover {title} with {reason}")
