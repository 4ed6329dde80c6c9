"""Arguments of `TreeInfluence`, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from torch import Tensor

from divulge.arrays import Array
from divulge.influence.losses import LossFunction, output_function, resolve_loss
from divulge.influence.trees.boosted import Boosted
from divulge.influence.trees.losses import Exponential, Poisson, Squared
from divulge.points import host_array

__all__ = ["asked_function", "columns_of", "read_groups", "read_rows", "read_targets", "read_weights"]


def columns_of(inputs: Any) -> list[Any] | None:
    """Return the names of a table's columns; None of an array."""
    return list(inputs.columns) if hasattr(inputs, "iloc") else None


def read_rows(data: Any, width: int, what: str, columns: list[Any] | None = None) -> tuple[Any, NDArray[Any]]:
    """Return (inputs, targets) of as many rows each; tables stay tables.

    Raises:
        TypeError: no pair, or sparse inputs.
        ValueError: other lengths, none, or a table whose columns are not `columns`.
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"expected {what} data as (inputs, targets), got {type(data).__name__}")
    if issparse(data[0]):
        raise TypeError(f"expected {what} inputs as an array or a table, got a sparse matrix")
    inputs = data[0] if hasattr(data[0], "iloc") else np.asarray(host_array(data[0]))
    targets = np.asarray(host_array(data[1]))
    if inputs.ndim != 2 or inputs.shape[1] != width:
        raise ValueError(f"expected {what} inputs of shape (n, {width}), got {inputs.shape}")
    names = columns_of(inputs)
    if columns is not None and names is not None and names != columns:
        raise ValueError(f"expected {what} inputs with the training columns {columns}, got {names}")
    if targets.ndim != 1 or len(targets) != len(inputs):
        raise ValueError(f"expected {what} targets of shape ({len(inputs)},), got {targets.shape}")
    if not len(targets):
        raise ValueError(f"expected {what} data, got none")
    return inputs, targets


def read_targets(targets: NDArray[Any], model: Boosted, what: str) -> Array:
    """Return targets (n, K): numbers, 0 and 1 of two classes, or one-hot.

    Raises:
        ValueError: a class that the model does not know, or no finite number.
    """
    if model.classes is None:
        try:
            numbers = targets.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected {what} targets as numbers: {error}") from error
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise ValueError(f"expected finite {what} targets, got {targets[wrong[0]]} at row {wrong[0]}")
        return numbers[:, None]
    same = targets[:, None] == np.asarray(model.classes)
    wrong = np.flatnonzero(~same.any(axis=1))
    if len(wrong):
        raise ValueError(
            f"expected {what} targets among the model's classes {np.asarray(model.classes).tolist()}, "
            f"got {targets[wrong[:1]].tolist()[0]!r} at row {wrong[0]}"
        )
    return np.asarray(same[:, 1:] if same.shape[1] == 2 else same, np.float64)


def read_weights(weights: ArrayLike | None, rows: int) -> Array:
    """Return weights (n,), by default ones.

    Raises:
        ValueError: another shape, or a number below 0.
    """
    if weights is None:
        return np.ones(rows)
    found = np.asarray(weights, np.float64)
    wanted = f"expected weights as {rows} finite numbers of at least 0, not all 0"
    if found.shape != (rows,):
        raise ValueError(f"{wanted}, got shape {found.shape}")
    wrong = np.flatnonzero(~((found >= 0) & np.isfinite(found)))
    if len(wrong) or not found.any():
        raise ValueError(
            f"{wanted}, got {found[wrong[0]]:g} at {wrong[0]}" if len(wrong) else f"{wanted}, got 0s"
        )
    return found


def read_groups(groups: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Return group numbers (n,), -1 where a sample stays.

    Raises:
        ValueError: another shape, other numbers, or no group.
    """
    numbers = np.asarray(groups)
    if numbers.shape != (rows,) or numbers.dtype.kind not in "iu" or numbers.min() < -1 or numbers.max() < 0:
        raise ValueError(
            f"expected groups as {rows} whole numbers from 0 on, or -1 for samples that stay, "
            f"got shape {numbers.shape} and dtype {numbers.dtype}"
        )
    return numbers.astype(np.int64)


def asked_function(of: str | LossFunction, model: Boosted) -> LossFunction:
    """Return the function of (margins (m, K), targets) that is asked for.

    Raises:
        ValueError: a name without a meaning for the model.
    """
    if isinstance(of, str) and of == "prediction":
        return _only
    if isinstance(model.loss, Poisson):
        loss = resolve_loss(_poisson)
    elif isinstance(model.loss, Exponential):  # whose log odds are 2 F
        loss = resolve_loss(_exponential)
    else:
        loss = resolve_loss("squared" if isinstance(model.loss, Squared) else "cross_entropy")
    function = output_function(of, loss)
    return _by_row(function) if isinstance(model.loss, Squared) and not callable(of) else function


def _by_row(function: LossFunction) -> LossFunction:
    """Give targets (m,) the shape (m, 1) of the outputs."""
    return lambda z, y: function(z, y[:, None])


def _only(z: Tensor, _: Tensor) -> Tensor:
    if z.shape[1] != 1:
        raise ValueError(f"of='prediction' needs one margin, the model has {z.shape[1]}; use 'logit'")
    return z[:, 0]


def _poisson(z: Tensor, y: Tensor) -> Tensor:
    return torch.exp(z[:, 0]) - y * z[:, 0]


def _exponential(z: Tensor, y: Tensor) -> Tensor:
    return torch.exp(-(2 * y - 1) * z[:, 0])
