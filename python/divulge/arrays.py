"""The arrays that travel between modules, each named once; shapes are said where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Floats", "Index", "Mask", "Words"]

# Real numbers, whatever precision the victim computes in: points (n, d), values (n,), gradients (n, d).
Array = NDArray[np.float64]
# Numbers in float32 or float64, where the precision is that of a network.
Floats = NDArray[np.floating[Any]]
# Places in another array: classes and outputs (n,), rows, units.
Index = NDArray[np.intp]
# Which of them: units that are active, rows that are kept.
Mask = NDArray[np.bool_]
# What is said of points in words: rules (n,).
Words = NDArray[np.str_]
