"""Losses of training samples, functions of the outputs of test points, and the targets that both need."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.cross_entropy import CrossEntropy
from divulge.influence.per_sample import LossFunction, per_sample
from divulge.influence.positions import Positions

__all__ = ["Loss", "LossFunction", "output_function", "resolve_loss"]

_NAMES = ("cross_entropy", "squared", "smooth_hinge")
_OUTPUT_NAMES = ("loss", "log_probability", "margin", "logit")
_MEAN = Positions()


@dataclass(frozen=True)
class Loss:
    """A loss of one sample.

    Attributes:
        name: "cross_entropy", "squared", "smooth_hinge" or "custom".
        function: from outputs (n, K), or (n, *positions, K), and targets to losses (n,).
        temperature: of the smooth hinge.
        positions: how the losses of a sample's positions become one.
    """

    name: str
    function: LossFunction
    temperature: float = 0.0
    positions: Positions = _MEAN

    @property
    def is_likelihood(self) -> bool:
        """Whether exp(-loss) is a probability of the target, so that a model can draw its own labels."""
        return self.name in ("cross_entropy", "squared")

    @property
    def described(self) -> str:
        """Name and settings, as they are compared with those of another time."""
        counted = (
            ""
            if self.positions.ignore_index == _MEAN.ignore_index
            else (f" but those with the target {self.positions.ignore_index}")
        )
        tempered = f" at the temperature {self.temperature:g}" if self.name == "smooth_hinge" else ""
        return f"{self.name}{tempered}, {self.positions.reduction} over positions{counted}"

    def check_targets(self, targets: NDArray[Any], outputs: tuple[int, ...], what: str) -> NDArray[Any]:
        """Return targets as the loss needs them: classes (n,), numbers (n, K), or -1 and 1 (n,).

        Args:
            targets: as given.
            outputs: the shape (*positions, K) of one sample's outputs.
            what: "training" or "test", for messages.

        Raises:
            ValueError: a target that the loss does not know, with its row.
        """
        if self.name == "cross_entropy" and len(outputs) > 1:
            return _class_at_each(targets, outputs, what, self.positions.ignore_index)
        if self.name == "cross_entropy":
            return _classes(targets, outputs[0], what)
        if self.name == "squared":
            return _numbers(targets, outputs, what)
        if self.name == "smooth_hinge":
            return _signs(targets, outputs, what)
        return targets

    def check_positions(self, outputs: tuple[int, ...]) -> None:
        """Refuse what has no loss of single positions, given the shape (*positions, K) of a sample's outputs.

        Raises:
            ValueError: a sample has one position, or the loss is a function that does not tell them apart.
        """
        if not self.is_likelihood or len(outputs) < 2:
            raise ValueError(
                "expected the loss 'cross_entropy' or 'squared' at several positions, as of a text's tokens; "
                f"got the loss {self.name!r} of outputs of shape (n, {', '.join(map(str, outputs))})"
            )

    def at_positions(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what each position adds to its sample's loss, (n, *positions).

        Raises:
            ValueError: as `check_positions`.
        """
        self.check_positions(tuple(outputs.shape[1:]))
        weights = self.weights(targets).to(outputs)
        numbers = self.name == "squared"
        y = targets.flatten(0, -2) if numbers else self.positions.classes(targets).flatten()
        return self.function(outputs.flatten(0, -2), y).reshape(weights.shape) * weights

    def weights(self, targets: Tensor) -> Tensor:
        """Return what each position counts for, (n, *positions)."""
        if self.name == "cross_entropy":
            return self.positions.weights(targets)
        return self.positions.weights(self.positions.all_counting(targets[..., 0]))


def resolve_loss(loss: str | LossFunction, temperature: float = 0.001, positions: Positions = _MEAN) -> Loss:
    """Return a loss by name, or one that wraps a function of (outputs, targets).

    Raises:
        ValueError: an unknown name, or a negative temperature.
    """
    if callable(loss):
        return Loss("custom", per_sample(loss))
    if loss not in _NAMES:
        raise ValueError(f"expected a loss {', '.join(_NAMES)} or a function, got {loss!r}")
    if loss == "cross_entropy":
        return Loss(loss, CrossEntropy(positions), positions=positions)
    if loss == "squared":
        return Loss(loss, partial(_squared, positions=positions), positions=positions)
    if isinstance(temperature, bool) or not isinstance(temperature, Real) or not temperature >= 0:
        raise ValueError(f"expected a temperature of at least 0, got {temperature!r}")
    return Loss(loss, partial(_smooth_hinge, temperature=float(temperature)), float(temperature))


def _squared(z: Tensor, y: Tensor, positions: Positions) -> Tensor:
    values = ((z - y) ** 2).sum(-1) / 2
    return values if values.ndim == 1 else positions.joined(values, positions.all_counting(values))


def _smooth_hinge(z: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Return t log(1 + exp((1 - s) / t)), s = y z; max(1 - s, 0) at t = 0 (Koh & Liang 2017, 4.2)."""
    s = z[:, 0] * y
    if temperature == 0:
        return torch.relu(1 - s)
    return temperature * torch.logaddexp(torch.zeros_like(s), (1 - s) / temperature)


def output_function(of: str | LossFunction, loss: Loss) -> LossFunction:
    """Return the function of (outputs, targets) whose change is asked for, one number a test point.

    Raises:
        ValueError: an unknown name, or one that the loss gives no meaning.
    """
    if callable(of):
        return per_sample(of)
    if of not in _OUTPUT_NAMES:
        raise ValueError(f"expected of= {', '.join(_OUTPUT_NAMES)} or a function, got {of!r}")
    if of == "loss":
        return loss.function
    if of == "log_probability" and loss.name == "cross_entropy":
        return partial(_negated, function=loss.function)
    if of == "log_probability" or loss.name not in ("cross_entropy", "smooth_hinge"):
        raise ValueError(
            f"of={of!r} needs classes, which the loss {loss.name!r} does not have; pass a function"
        )
    if loss.name == "smooth_hinge":
        return _signed if of == "margin" else _only
    kind = _margin if of == "margin" else _logit
    return partial(_at_positions, kind=kind, positions=loss.positions)


def _negated(z: Tensor, y: Tensor, function: LossFunction) -> Tensor:
    return -function(z, y)


def _at_positions(z: Tensor, y: Tensor, kind: LossFunction, positions: Positions) -> Tensor:
    """Return a function of the outputs of one position, joined over a sample's where there are several."""
    if z.ndim == 2:
        return kind(z, y)
    values = kind(z.flatten(0, -2), positions.classes(y).flatten()).reshape(y.shape)
    return positions.joined(values, y)


def _signed(z: Tensor, y: Tensor) -> Tensor:
    return z[:, 0] * y


def _only(z: Tensor, _: Tensor) -> Tensor:
    return z[:, 0]


def _logit(z: Tensor, y: Tensor) -> Tensor:
    """Return the target's output; of a single one, that itself."""
    return z[:, 0] if z.shape[1] == 1 else z.gather(1, y[:, None])[:, 0]


def _margin(z: Tensor, y: Tensor) -> Tensor:
    """Return the log odds of the target: z_y - log(sum of exp z_k over k != y), or +-z of a single output."""
    if z.shape[1] == 1:
        return z[:, 0] * (2 * y - 1)
    target = F.one_hot(y, z.shape[1]).bool()
    others = z.masked_fill(target, -torch.inf).logsumexp(1)
    return z.gather(1, y[:, None])[:, 0] - others


def _classes(targets: NDArray[Any], outputs: int, what: str) -> NDArray[Any]:
    """Return classes 0 to K - 1 (n,); a single output has two, by the sign of its logit."""
    if (
        outputs == 1
        and targets.dtype.kind in "biuf"
        and targets.shape in ((len(targets),), (len(targets), 1))
    ):
        whole = targets.reshape(len(targets))
        wrong = np.flatnonzero((whole != 0) & (whole != 1))
        if len(wrong):
            raise ValueError(
                f"expected {what} targets 0 and 1 for a module with one output, "
                f"got {whole[wrong[0]]} at row {wrong[0]}"
            )
        return whole.astype(np.int64)
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise ValueError(
            f"expected {what} targets that are class numbers of shape (n,), "
            f"got shape {targets.shape} and dtype {targets.dtype}"
        )
    wrong = np.flatnonzero((targets < 0) | (targets >= outputs))
    if len(wrong):
        raise ValueError(
            f"expected {what} targets from 0 to {outputs - 1}, got {targets[wrong[0]]} at row {wrong[0]}"
        )
    return targets.astype(np.int64, copy=False)


def _class_at_each(targets: NDArray[Any], outputs: tuple[int, ...], what: str, ignored: int) -> NDArray[Any]:
    """Return classes 0 to K - 1 (n, *positions), or the number that says that a position does not count."""
    *positions, k = outputs
    if targets.shape[1:] != tuple(positions) or targets.dtype.kind not in "iu":
        raise ValueError(
            f"expected {what} targets that are class numbers of shape (n, {', '.join(map(str, positions))}), "
            f"one for each position of outputs (n, {', '.join(map(str, outputs))}), "
            f"got shape {targets.shape} and dtype {targets.dtype}"
        )
    whole, flat = targets.astype(np.int64, copy=False), targets.reshape(len(targets), -1)
    bad = ((flat < 0) | (flat >= max(k, 2))) & (flat != ignored)
    rows = np.flatnonzero(bad.any(axis=1))
    if len(rows):
        raise ValueError(
            f"expected {what} targets from 0 to {max(k, 2) - 1}, or {ignored} where a position does not "
            f"count, got {flat[rows[0]][bad[rows[0]]][0]} at row {rows[0]}"
        )
    return whole


def _numbers(targets: NDArray[Any], outputs: tuple[int, ...], what: str) -> NDArray[Any]:
    numbers = targets[:, None] if targets.ndim == 1 else targets
    if numbers.shape[1:] != outputs or numbers.dtype.kind not in "iuf":
        raise ValueError(
            f"expected {what} targets of shape (n, {', '.join(map(str, outputs))}), "
            f"got {targets.shape} and dtype {targets.dtype}"
        )
    wrong = np.flatnonzero(~np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1))
    if len(wrong):
        raise ValueError(f"expected finite {what} targets, got {numbers[wrong[0]]} at row {wrong[0]}")
    return numbers


def _signs(targets: NDArray[Any], outputs: tuple[int, ...], what: str) -> NDArray[Any]:
    if outputs != (1,):
        shape = ", ".join(map(str, outputs))
        raise ValueError(f"expected a module with one output for the smooth hinge, got {shape}")
    if targets.ndim != 1:
        raise ValueError(f"expected {what} targets of shape (n,), got {targets.shape}")
    wrong = np.flatnonzero(np.abs(targets) != 1)
    if len(wrong):
        raise ValueError(
            f"expected {what} targets -1 and 1 for the smooth hinge, "
            f"got {targets[wrong[0]]} at row {wrong[0]}"
        )
    return targets
