"""The function that is explained: one number for each row, whatever tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import nn

from divulge.arrays import Array
from divulge.datasets import Dataset
from divulge.errors import OracleError
from divulge.training.class_scores import check_class
from divulge.victims import Victim
from divulge.victims.estimators import is_estimator

if TYPE_CHECKING:
    from divulge.explanations.rows import Rows

Scale = Literal["value", "probability", "log_odds"]
SCALES = ("value", "probability", "log_odds")
ROUNDED = 1e-6  # by which told probabilities, of float32 at worst, may lie outside of [0, 1]
CLIP = 1e-3  # of probabilities, whose log-odds would be infinite


class Asked:
    """One output of a model as a function of rows (n, d), with a count of the rows asked about.

    Args:
        predict: a function of points (n, d) that returns (n,) or (n, K); a Victim, or a module or estimator,
            of which one is made.
        rows: like those the model is for.
        data: the data set that these are of, if any.
        output: which of K; None: the only one, of two the second.
        scale: "value": as it is told; "probability" or "log_odds" of it, log(p / (1 - p)) with p kept within
            [.001, .999] where probabilities are told. None: `usual` of a victim that names classes, else
            "value".
        usual: that scale.

    Raises:
        TypeError: predict is none of these.
        ValueError: there is no such output or scale, or values that should be probabilities are none.

    Attributes:
        victim: the victim, or None for a function.
        scale: the scale taken.
        output: the output taken.
        calls: how often the function was called.
        points: about how many rows.
    """

    def __init__(
        self,
        predict: Any,
        rows: Rows,
        data: Any = None,
        *,
        output: int | None = None,
        scale: Scale | None = None,
        usual: Scale = "value",
    ) -> None:
        self.victim = _as_victim(predict, data, rows.names)
        if self.victim is None and not callable(predict):
            raise TypeError(
                "expected a function of points (n, d), a Victim, a torch module or a fitted estimator, got "
                f"{type(predict).__name__}"
            )
        if scale is not None and scale not in SCALES:
            raise ValueError(f"expected a scale {', '.join(SCALES)}, got {scale!r}")
        self._predict = predict
        self.size = len(rows.columns)
        if self.victim is not None and self.victim.input_size != self.size:
            raise ValueError(
                f"the model takes {self.victim.input_size} numbers, and the data have {self.size} columns"
            )
        names_classes = self.victim is not None and self.victim._regression is None
        self.scale: Scale = scale or (usual if names_classes else "value")
        if self.scale != "value" and self.victim is not None:
            self.victim.check_names_classes()
        self.calls = self.points = 0
        told = self._told(rows.train[:1])
        self.output = _chosen(output, told.shape[1])
        self.outputs = told.shape[1]

    def __call__(self, points: Array) -> Array:
        """Return one finite number for each row, shape (n,).

        Raises:
            OracleError: the model failed, or answered with another shape, NaN or infinity.
            ValueError: values that should be probabilities are none.
        """
        return self._scaled(self._told(points)) if len(points) else np.zeros(0)

    @property
    def threshold(self) -> float:
        """Above which the output's class is named; NaN of a victim's number that alone names none."""
        if self.victim is None or self.scale != "value":
            return 0.5 if self.scale == "probability" else 0.0
        if self.victim._regression is not None:
            return np.nan
        if self.victim.tells_probabilities:
            return 0.5
        return self.victim.threshold if self.outputs == 1 else np.nan

    def gradients(self, points: Array) -> Array | None:
        """Return the gradients (n, d) of the number told, or None where the model has none."""
        if self.victim is None or not self.victim.differentiable:
            return None
        victim, told = self.victim, self.victim.values(points)
        one = [victim.values_and_gradients(points, k)[1] for k in range(victim.output_size)]
        slopes = np.stack(one, axis=2)  # (n, d, K)
        return np.asarray(np.einsum("ndk,nk->nd", slopes, self._slopes(told)))

    def _slopes(self, told: Array) -> Array:
        """The derivative (n, K) of the scaled number by each output told, by central differences."""
        step = 1e-5 * np.maximum(1.0, np.abs(told))
        slopes = np.zeros_like(told)
        for k in range(told.shape[1]):
            moved = [told.copy(), told.copy()]
            moved[0][:, k] += step[:, k]
            moved[1][:, k] -= step[:, k]
            if self._tells_probabilities:
                moved = [np.clip(part, 0, 1) for part in moved]
            slopes[:, k] = (self._scaled(moved[0]) - self._scaled(moved[1])) / (2 * step[:, k])
        return slopes

    @property
    def _tells_probabilities(self) -> bool:
        return self.victim is None or self.victim.tells_probabilities

    def _told(self, points: Array) -> Array:
        """What the model says of rows (n, d), shape (n, K)."""
        self.calls += 1
        self.points += len(points)
        told = _numbers(self._predict(points) if self.victim is None else self.victim.values(points))
        if told.ndim == 1:
            told = told[:, None]
        if told.ndim != 2 or len(told) != len(points) or not told.shape[1]:
            raise OracleError(
                f"expected values of shape ({len(points)},) or ({len(points)}, K), got {told.shape}"
            )
        if not np.isfinite(told).all():
            row, output = np.argwhere(~np.isfinite(told))[0]
            raise OracleError(f"the model says {told[row, output]} of row {row}, in output {output}")
        return told

    def _scaled(self, told: Array) -> Array:
        """One number (n,) of outputs (n, K)."""
        own = told[:, self.output]
        if self.scale == "value":
            return np.asarray(own)
        if self._tells_probabilities:
            own = _probabilities(own)
            kept = np.clip(own, CLIP, 1 - CLIP)
            return np.asarray(own if self.scale == "probability" else np.log(kept / (1 - kept)))
        others = np.delete(told, self.output, axis=1)
        odds = own - np.logaddexp.reduce(others, axis=1) if others.size else own
        return np.asarray(odds if self.scale == "log_odds" else _sigmoid(odds))


def _as_victim(predict: Any, data: Any, names: list[Any]) -> Victim | None:
    """The victim itself, or one made of a module or an estimator."""
    if isinstance(predict, Victim):
        return predict
    known = data if isinstance(data, Dataset) else None
    if isinstance(predict, nn.Module) or is_estimator(predict):
        if known is None:
            _check_order(predict, names)
        return Victim(predict, None if known is not None else (len(names),), known)
    return None


def _check_order(model: Any, names: list[Any]) -> None:
    """Raise ValueError where an estimator was fitted on the same columns in another order."""
    fitted = list(getattr(model, "feature_names_in_", names))
    if fitted != names and sorted(map(str, fitted)) == sorted(map(str, names)):
        place = next(i for i, pair in enumerate(zip(fitted, names, strict=True)) if pair[0] != pair[1])
        raise ValueError(
            f"the estimator was fitted with column {fitted[place]!r} at place {place}, where the data have "
            f"{names[place]!r}: give data in its order"
        )


def _chosen(output: int | None, outputs: int) -> int:
    """The output taken, of K."""
    if output is not None:
        return check_class("an output", output, outputs)
    if outputs > 2:
        raise ValueError(f"expected output=, a number from 0 to {outputs - 1}: the model has {outputs}")
    return outputs - 1


def _numbers(told: Any) -> Array:
    """What a function returned as float64."""
    from divulge.points import host_array

    try:
        return np.asarray(host_array(told), np.float64)
    except (TypeError, ValueError):
        raise OracleError(f"expected values that are real numbers, got {type(told).__name__}") from None


def _probabilities(values: Array) -> Array:
    """Return values (n,) within [0, 1], which they may miss by rounding; raise ValueError beyond."""
    wrong = values[(values < -ROUNDED) | (values > 1 + ROUNDED)]
    if len(wrong):
        raise ValueError(f"expected probabilities, from 0 to 1, got {wrong[0]:g}: choose scale='value'")
    return np.clip(values, 0.0, 1.0)


def _sigmoid(odds: Array) -> Array:
    """Return 1 / (1 + exp(-odds)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(odds / 2)))
