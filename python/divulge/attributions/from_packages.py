"""What the package lime explains, as far as copies can make it of their own values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from divulge.attributions.lime import Lime
from divulge.attributions.methods import Attribution, check_count

__all__ = ["ImageLime", "TableLime", "check_count"]


@dataclass(frozen=True, eq=False)
class TableLime(Lime):
    """LIME of a class's probability, as the package lime has it for tables.

    Of a linear score its slopes are w times width times a factor that changes with the probability.

    Attributes:
        discretize: whether it is of the quartiles that numbers lie in: copies learn only from what is told
            beside it then.
    """

    name: ClassVar[str] = "lime_tabular"
    of_probability: ClassVar[bool] = True
    discretize: bool = False

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
