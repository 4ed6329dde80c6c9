"""Training samples that stand for what a model makes of some points, and those that nothing stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from divulge.conventions import OnProgress
from divulge.influence.arguments import check_rows
from divulge.influence.influence import Influence
from divulge.influence.kernels import FisherKernel, Kernel, RbfKernel
from divulge.influence.operators import blocks
from divulge.influence.parts import is_plain
from divulge.influence.quadrature import Chosen, by_mean, by_quadrature, chosen_criticisms, greedy_mmd
from divulge.influence.samples import Samples
from divulge.points import host_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from divulge.datasets import Dataset
    from divulge.victims import Victim

__all__ = ["Prototypes", "prototypes"]

Method = Literal["quadrature", "mmd", "influence"]
_METHODS = ("quadrature", "mmd", "influence")
_CANCELLED = 1e-3  # share of the mean gradient's norm in that of the gradients
_ROWS = 256


@dataclass(frozen=True)
class Prototypes:
    """Prototypes of some points, in the order of their choice, and criticisms.

    Attributes:
        rows: (k,), training samples.
        weights: (k,), w = K_SS^-1 z_S: the points' mean embedding is about the sum of w times a prototype's.
            Beside later ones a prototype may come to have a weight below zero.
        unexplained: (k,), share of the prior variance that is left after each choice; of "mmd" the squared
            discrepancy in units of that variance.
        criticisms: (c,), training samples far from what the prototypes say.
        witness: (n,), z_i - sum of w k(i, prototype), what the prototypes leave of each sample.
        stopped: "" where all were found; "explained" where nothing was left to explain; "exhausted" where no
            other sample speaks for what is left; "interrupted".
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    unexplained: NDArray[np.float64]
    criticisms: NDArray[np.int64]
    witness: NDArray[np.float64]
    stopped: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each sample: kind, rank from 1 on, sample, weight, unexplained, witness."""
        k, c = len(self.rows), len(self.criticisms)
        rows, nothing = np.concatenate([self.rows, self.criticisms]), np.full(c, np.nan)
        return pd.DataFrame(
            {
                "kind": np.repeat(["prototype", "criticism"], [k, c]),
                "rank": np.concatenate([np.arange(1, k + 1), np.arange(1, c + 1)]),
                "sample": rows,
                "weight": np.concatenate([self.weights, nothing]),
                "unexplained": np.concatenate([self.unexplained, nothing]),
                "witness": self.witness[rows],
            }
        )

    def plot(self, inputs: ArrayLike) -> NDArray[Any]:
        """Draw prototypes with their weights above criticisms.

        Args:
            inputs: training images (n, height, width) or (n, channels, height, width), from 0 to 1.

        Returns:
            The array of Axes, a row for prototypes and one for criticisms.
        """
        from divulge.influence.figures import plot_images

        images = np.asarray(host_array(inputs))
        captions = [f"{i}: {w:.2g}" for i, w in zip(self.rows, self.weights, strict=True)]
        lines: list[Any] = [("prototypes", images[self.rows], captions)]
        if len(self.criticisms):
            lines.append(("criticisms", images[self.criticisms], [str(i) for i in self.criticisms]))
        return plot_images(lines)

    def leak_curve(
        self,
        victim: Victim,
        data: Dataset,
        *,
        counts: Sequence[int] | None = None,
        surrogate: str | nn.Module = "mlp",
        steps: int = 600,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Return how far copies agree with the model that learned its classes of the prototypes alone.

        Args:
            victim: the model, which names each prototype's class.
            data: whose training part the prototypes are of; copies are compared on the test part.
            counts: how many of the first prototypes are told; by default 1, 2, 4, ... and all.
            surrogate: of what kind the copies are, see `divulge.steal`.
            steps: of each copy's training.
            seed: of every random choice.

        Returns:
            A row for each count, of the prototypes and of as many samples drawn at random: samples, numbers,
            agreement.

        Raises:
            TypeError: no victim or no data set.
            ValueError: counts that there are not, or other data.
        """
        from divulge.influence.prototypes_leak import prototypes_leak

        return prototypes_leak(self.rows, victim, data, counts, surrogate, steps, seed)

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        html: str = self.to_frame().to_html(index=False)
        return html


def prototypes(
    influence: Influence,
    test: Any,
    count: int,
    *,
    of: Literal["predictions", "targets"] = "predictions",
    method: Method = "quadrature",
    positive: bool = True,
    criticisms: int = 0,
    among: ArrayLike | None = None,
    width: float | None = None,
    progress: OnProgress | None = None,
) -> Prototypes:
    """Return the training samples that are most responsible for what a model makes of some points, together.

    Samples and points are embedded by H^-1/2 g, g the gradient of the loss, -log p of a label; with H the
    Fisher matrix that is the Fisher kernel k(i, j) = g_i' H^-1 g_j. Samples S are chosen one by one, so that
    the variance z-bar - z_S' K_SS^-1 z_S of Bayesian quadrature falls most, z_i the mean of k(i, .) over the
    points. A single z_i is the mean influence on them; beside it, samples that say the same count once.

    A mean embedding is all that is matched. Where the points' gradients cancel out, as those of the training
    data do once training has converged, there is nothing to match: ask about one class, or what went wrong.

    Args:
        influence: of the trained model; curvature="fisher", "kfac" and "ekfac" give Fisher kernels. Its
            self-influences are needed: "ekfac", "kfac", and solver="direct" for one layer have closed forms.
        test: the points, as in `Influence.scores`.
        count: k, prototypes at most.
        of: "predictions": of classifiers the label g is taken at is the one the model names, as the question
            is what made it do so; "targets": the given one. Other losses always take the given target.
        method: "quadrature"; "mmd", MMD-critic on the inputs alone (an RBF kernel), with equal weights;
            "influence", the k largest z_i.
        positive: of the quadrature: only samples that speak for what is asked about, whose residual z_i -
            k(i, S) K_SS^-1 z_S is above zero, join. The published choice, False, takes those that speak
            against it as well, with weights below zero.
        criticisms: how many samples to name that the prototypes speak for least.
        among: (c,), training samples that may be chosen, by default all.
        width: of the RBF kernel of "mmd", by default the median distance.
        progress: called after each prototype.

    Returns:
        Prototypes; after Ctrl-C those that were found.

    Raises:
        ValueError: numbers that cannot be, gradients that cancel out, or inputs that are no arrays for "mmd".

    Source:
        R. Khanna, B. Kim, J. Ghosh, O. Koyejo, "Interpreting black box predictions using Fisher kernels",
        2019.
    """
    if method not in _METHODS:
        raise ValueError(f"expected a method {', '.join(_METHODS)}, got {method!r}")
    if width is not None and method != "mmd":
        raise ValueError(f"width= is of the kernel of method='mmd', got {width!r} for {method!r}")
    if of not in ("predictions", "targets"):
        raise ValueError(f"expected of= predictions or targets, got {of!r}")
    samples, n = influence.checked(test), influence.operator.rows
    allowed = np.zeros(n, bool)
    allowed[check_rows(among, n)] = True
    if not allowed.any():
        raise ValueError("expected among= at least one training sample, got none")
    _check_count("count", count, 1, int(allowed.sum()))
    _check_count("criticisms", criticisms, 0, int(allowed.sum()))
    kernel = _kernel(influence, _labelled(influence, samples, of), method, width)
    if method == "quadrature":
        found = by_quadrature(kernel, count, allowed, progress, positive)
    else:
        found = (greedy_mmd if method == "mmd" else by_mean)(kernel, count, allowed, progress)
    return _result(kernel, found, method, criticisms, allowed)


def _kernel(influence: Influence, samples: Samples, method: str, width: float | None) -> Kernel:
    if method == "mmd":
        if not is_plain(influence.train.inputs):
            raise ValueError("expected training inputs of one array for method='mmd', got several")
        return RbfKernel(influence.train.inputs, samples.inputs, width=width)
    kernel = FisherKernel(influence, samples)
    if kernel.share < _CANCELLED:
        raise ValueError(
            f"the gradients of these {len(samples)} points cancel out (their mean has {kernel.share:.1g} of "
            "their norm), so that no sample stands for them: ask about one class, or about points that the "
            "model gets wrong"
        )
    return kernel


def _labelled(influence: Influence, samples: Samples, of: str) -> Samples:
    """Return the points with the labels that the model names."""
    if of == "targets" or influence.loss.name != "cross_entropy":
        return samples
    autograd = influence._prepared.autograd
    parts = []
    for rows in blocks(len(samples), _ROWS):
        z = autograd.outputs(samples.take(np.arange(rows.start, rows.stop))).detach().cpu().numpy()
        named = z.argmax(axis=-1) if z.shape[-1] > 1 else (z[..., 0] > 0).astype(np.int64)
        parts.append(named)
    told = np.concatenate(parts)
    ignored = influence.loss.positions.ignore_index
    targets = np.where(samples.targets == ignored, ignored, told) if told.ndim > 1 else told
    return Samples(samples.inputs, targets, samples.integers)


def _result(
    kernel: Kernel, found: Chosen, method: str, criticised: int, allowed: NDArray[np.bool_]
) -> Prototypes:
    rows = np.array(found.rows, np.int64)
    columns = np.array(found.columns).reshape(len(rows), len(kernel.target))
    if method == "mmd":
        weights = np.full(len(rows), 1 / max(len(rows), 1))
    else:
        weights = np.linalg.lstsq(columns[:, rows], kernel.target[rows], rcond=kernel.noise)[0]
    witness = kernel.target - weights @ columns
    others = allowed.copy()
    others[rows] = False
    critics = (
        Chosen() if found.stopped == "interrupted" else chosen_criticisms(kernel, witness, criticised, others)
    )
    return Prototypes(
        rows,
        weights,
        np.array(found.variances) / kernel.prior,
        np.array(critics.rows, np.int64),
        witness,
        found.stopped or critics.stopped,
    )


def _check_count(name: str, value: Any, least: int, most: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ValueError(f"expected {name} as a whole number from {least} to {most}, got {value!r}")
