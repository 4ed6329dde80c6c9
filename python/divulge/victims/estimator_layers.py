"""Linear models, perceptrons and the scalers before them, written as torch layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.training.scaled import Scaled
from divulge.victims.estimators import EstimatorModule, softmax

_TOLERANCE = 1e-9  # relative, of float64
_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid, "identity": nn.Identity}


def layers_of(model: EstimatorModule, rows: Array) -> nn.Sequential | None:
    """Return layers that give an estimator's outputs, with gradients, or None where there are none.

    They are told from the fitted numbers and compared with the estimator on rows (n, d).
    """
    try:
        steps = [step for _, step in getattr(model.estimator, "steps", [("", model.estimator)])]
        parts = [_transform(step, rows.shape[1]) for step in steps[:-1]]
        layers = nn.Sequential(*[part for part in parts if part is not None], *_predictor(steps[-1]))
        with torch.no_grad():
            mine = layers(torch.from_numpy(rows)).numpy()
    except (_NoLayersError, AttributeError, RuntimeError, ValueError, IndexError):
        return None
    if not np.isfinite(mine).all():
        return None
    told = model.outputs(rows, model.method)
    if model.tells_probabilities:
        mine = softmax(mine)
    if mine.shape != told.shape:
        return None
    same = np.abs(mine - told).max() <= _TOLERANCE * max(1.0, float(np.abs(told).max()))
    return layers.eval() if same else None


class _NoLayersError(Exception):
    """A step is none of those known here."""


def _transform(step: Any, width: int) -> nn.Module | None:
    """A scaler or a projection."""
    if step is None or step == "passthrough":
        return None
    kind = type(step).__name__
    if kind == "StandardScaler":
        scale = np.ones(width) if step.scale_ is None else 1 / step.scale_
        mean = np.zeros(width) if step.mean_ is None else step.mean_
        return Scaled(scale, -mean * scale)
    if kind == "MinMaxScaler" and not step.clip:
        return Scaled(step.scale_, step.min_)
    if kind == "MaxAbsScaler":
        return Scaled(1 / step.scale_, np.zeros(len(step.scale_)))
    if kind == "RobustScaler":
        scale = np.ones(width) if step.scale_ is None else 1 / step.scale_
        centre = np.zeros(width) if step.center_ is None else step.center_
        return Scaled(scale, -centre * scale)
    if kind == "PCA":
        rows = step.components_ / (np.sqrt(step.explained_variance_)[:, None] if step.whiten else 1.0)
        return _linear(rows, -rows @ step.mean_)
    raise _NoLayersError(kind)


def _predictor(step: Any) -> list[nn.Module]:
    """The layers of a linear model or a perceptron."""
    if hasattr(step, "coefs_") and hasattr(step, "intercepts_"):
        activation = _ACTIVATIONS[step.activation]
        layers: list[nn.Module] = []
        for weight, bias in zip(step.coefs_, step.intercepts_, strict=True):
            layers += [_linear(weight.T, bias), activation()]
        return layers[:-1]
    coefficients = np.atleast_2d(np.asarray(step.coef_, np.float64))
    offsets = np.broadcast_to(np.asarray(step.intercept_, np.float64).reshape(-1), (len(coefficients),))
    return [_linear(coefficients, offsets)]


def _linear(weight: Array, bias: Array) -> nn.Linear:
    """A linear layer with weight (out, in) and bias (out,) in float64."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, *weight.T.shape, dtype=torch.float64)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.array(weight, np.float64)))
        layer.bias.copy_(torch.from_numpy(np.array(bias, np.float64)))
    return layer
