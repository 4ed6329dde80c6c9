"""Checks on batches of points, shared by victims and oracles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array

if TYPE_CHECKING:
    import torch

    Points = ArrayLike | torch.Tensor


def as_matrix(points: Points, input_size: int, input_shape: Sequence[int] = ()) -> Array:
    """Return a batch of points as a float64 matrix of shape (n, d).

    Args:
        points: array, tensor or nested sequence of real numbers, shape (n, d) or (n, *input_shape).
        input_size: d.
        input_shape: a second shape that one point may have, of d numbers in all.

    Raises:
        TypeError: the points are not real numbers.
        ValueError: their shape is neither (n, d) nor (n, *input_shape).
    """
    array = np.asarray(host_array(points))
    if array.dtype.kind not in "buif":
        raise TypeError(f"expected points that are real numbers, got dtype {array.dtype}")
    if array.shape[1:] not in {(input_size,), tuple(input_shape) or (input_size,)} or array.ndim < 2:
        raise ValueError(f"expected points of shape (n, {input_size}), got {array.shape}")
    return np.ascontiguousarray(array.reshape(array.shape[0], input_size), dtype=np.float64)


def check_finite(points: Array) -> None:
    """Raise ValueError naming the first point, shape (n, d), that holds a NaN or an infinity."""
    found = first_non_finite(points)
    if found is not None:
        row, column, value = found
        raise ValueError(f"expected finite points, got {value} at coordinate {column} of point {row}")


def first_non_finite(matrix: Array) -> tuple[int, int, float] | None:
    """Return (row, column, value) of the first NaN or infinity in a matrix, or None."""
    bad = ~np.isfinite(matrix)
    if not bad.any():
        return None
    row, column = (int(i) for i in np.argwhere(bad)[0])
    return row, column, float(matrix[row, column])


def host_array(points: Points) -> Any:
    """Return the points where NumPy can read them: off the device and out of the autograd graph."""
    if hasattr(points, "detach"):
        points = points.detach().cpu()
        if str(points.dtype) == "torch.bfloat16":
            points = points.float()
        return points.numpy()
    return points
