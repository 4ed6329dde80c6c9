"""What the package lime explains, as far as copies can make it of their own values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from divulge.arrays import Array
from divulge.attributions.lime import Lime
from divulge.attributions.methods import Attribution, check_count, like
from divulge.points import host_array

__all__ = ["ImageLime", "TableLime", "check_count"]


@dataclass(frozen=True, eq=False)
class TableLime(Lime):
    """LIME of a class's probability, as the package lime has it for tables.

    Samples lie around the mean of the data, not around x, and count by their distance from x. Of a linear
    score its slopes are w times width times a factor that changes with the probability.

    Attributes:
        center: the mean of the data, a number or shape (d,).
        discretize: whether it is of the quartiles that numbers lie in: copies learn only from what is told
            beside it then.
    """

    name: ClassVar[str] = "lime_tabular"
    of_probability: ClassVar[bool] = True
    center: Any = 0.0
    discretize: bool = False

    def places(self, x: Any, noise: Any) -> Any:
        """Return center + width e."""
        return super().places(x, self._from_x(x, noise))

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the slopes in e, samples counted by their distance from x."""
        return super().combine(x, found, self._from_x(x, noise))

    def _from_x(self, x: Any, noise: Any) -> Any:
        """How far samples (n, m, d) lie from x, in widths."""
        center = like(x, np.asarray(host_array(self.center), np.float64))
        return noise - ((x - center) / self._widths(x))[:, None]

    def factor(self, x: Array) -> Array | None:  # type: ignore[override]
        """Return the widths; None of quartiles."""
        return None if self.discretize else super().factor(x)

    @property
    def imitable(self) -> bool:  # type: ignore[override]
        """Whether a copy can make the same of its own values."""
        return not self.discretize


@dataclass(frozen=True)
class ImageLime(Attribution):
    """LIME's weights of an image's segments; copies learn only from what is told beside it.

    Attributes:
        samples: images with segments left out.

    Raises:
        ValueError: no sample.
        TypeError: a number of samples that is not whole.
    """

    name: ClassVar[str] = "lime_image"
    of_values: ClassVar[bool] = True
    imitable: ClassVar[bool] = False
    samples: int = 200

    def __post_init__(self) -> None:
        check_count("sample of LIME", self.samples)
