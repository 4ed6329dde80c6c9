"""The box of inputs that an oracle accepts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array

# A point computed to lie on a face, u + t v with rounding, may miss it by a few units in the last place.
_SLACK = 8 * np.finfo(np.float64).eps

_NARROWEST = 1e-9  # half a side relative to the larger bound
_FARTHEST = 1e100


class Box:
    """All x in R^d with low <= x <= high, coordinate by coordinate.

    Args:
        low: least values, a scalar or shape (d,).
        high: greatest values, a scalar or shape (d,).
        input_size: d.

    Raises:
        ValueError: a bound has another shape or is not finite, or the box has no interior to speak of.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, input_size: int) -> None:
        self.low = _bound("low", low, input_size)
        self.high = _bound("high", high, input_size)
        empty = np.flatnonzero(self.low >= self.high)
        if empty.size:
            i = int(empty[0])
            raise ValueError(
                f"expected a domain with low < high, got low {self.low[i]} and high {self.high[i]} "
                f"in coordinate {i}"
            )
        self._check_sides()
        self._slack = _SLACK * np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def range(self) -> float:
        """The largest upper bound less the smallest lower one."""
        return float(self.high.max() - self.low.min())

    def _check_sides(self) -> None:
        """Raise ValueError for a side along which points cannot be told apart, or distances overflow."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        narrow = (
            (self.high / 2 - self.low / 2 < _NARROWEST * size) | (size > _FARTHEST) | (size < 1 / _FARTHEST)
        )
        if narrow.any():
            i = int(np.flatnonzero(narrow)[0])
            raise ValueError(
                f"expected a domain between -{_FARTHEST:g} and {_FARTHEST:g} with sides that are not lost in "
                f"rounding, got low {self.low[i]} and high {self.high[i]} in coordinate {i}"
            )

    def admit(self, points: Array) -> Array:
        """Return the points (n, d), those that miss a face by rounding moved onto it.

        Raises:
            ValueError: a point lies outside the box.
        """
        outside = (points < self.low - self._slack) | (points > self.high + self._slack)
        if outside.any():
            row, i = (int(k) for k in np.argwhere(outside)[0])
            raise ValueError(
                f"expected points inside the domain, got {points[row, i]} at coordinate {i} of point {row}, "
                f"outside [{self.low[i]}, {self.high[i]}]"
            )
        return np.clip(points, self.low, self.high)


def _bound(name: str, value: ArrayLike, input_size: int) -> Array:
    """Return one face of the box as an array of shape (d,)."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"expected a domain's {name} to be a number or an array, got {value!r}") from None
    if array.shape not in {(), (input_size,)}:
        raise ValueError(
            f"expected a domain's {name} to be a number or of shape ({input_size},), got {array.shape}"
        )
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].flat[0]
        raise ValueError(f"expected a domain's {name} to be finite, got {bad}")
    return np.array(np.broadcast_to(array, (input_size,)))


def as_box(domain: tuple[ArrayLike, ArrayLike] | None, input_size: int) -> Box | None:
    """Return a domain given as None or (low, high) as a box, or None for all of R^d."""
    if domain is None:
        return None
    try:
        low, high = domain
    except (TypeError, ValueError):
        raise ValueError(f"expected a domain of the form (low, high), got {domain!r}") from None
    return Box(low, high, input_size)
