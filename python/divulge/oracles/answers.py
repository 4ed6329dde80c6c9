"""Checks on what an oracle returned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array
from divulge.errors import OracleError
from divulge.points import first_non_finite


def check_values(values: ArrayLike | None, n: int) -> Array:
    """Return finite values of shape (n,), or raise OracleError."""
    array = _real_array("values", values)
    if array.shape not in {(n,), (n, 1)}:
        raise OracleError(f"expected values of shape ({n},), the oracle returned {array.shape}")
    array = array.reshape(n)
    found = first_non_finite(array[:, None])
    if found is not None:
        raise OracleError(f"the oracle returned the value {found[2]} for point {found[0]} of {n}")
    return array


def check_gradients(
    gradients: ArrayLike | None, n: int, input_size: int, *, name: str = "gradients"
) -> Array:
    """Return finite gradients, or what they are called, of shape (n, d), or raise OracleError."""
    array = _real_array(name, gradients)
    if array.shape != (n, input_size):
        raise OracleError(f"expected {name} of shape ({n}, {input_size}), the oracle returned {array.shape}")
    found = first_non_finite(array)
    if found is not None:
        row, column, value = found
        raise OracleError(
            f"the oracle returned {name} with {value} at coordinate {column} for point {row} of {n}"
        )
    return array


def _real_array(name: str, answer: ArrayLike | None) -> Array:
    """Return one part of an answer as float64, or raise OracleError."""
    if answer is None:
        raise OracleError(f"expected {name} in the answer, the oracle returned None")
    try:
        array = np.asarray(answer)
        if array.dtype.kind not in "buif":
            raise TypeError(f"dtype {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise OracleError(f"expected {name} that are real numbers, the oracle returned {error}") from error
