"""What is shown of gradients as a picture: their sizes, in few shades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from divulge.attributions.methods import Attribution, check_count

__all__ = ["HeatMap"]


@dataclass(frozen=True)
class HeatMap(Attribution):
    """|df_k/dx| added up over channels, over the largest in the map, in 2^bits shades; 0 where all are 0.

    As a copy learns from it rounding is passed over: shades have no slope.

    Attributes:
        channels: of an image (C, H, W); each shows the same map. 1: every number has its own.
        bits: of a shade, 8 in a usual PNG.

    Raises:
        ValueError: fewer than one channel or bit, more than 16 bits, or channels that do not divide d.
        TypeError: they are not whole.
    """

    name: ClassVar[str] = "heat_map"
    channels: int = 1
    bits: int = 8

    def __post_init__(self) -> None:
        check_count("channel of a heat map", self.channels)
        check_count("bit of a heat map", self.bits)
        if self.bits > 16:
            raise ValueError(f"expected at most 16 bits of a heat map, got {self.bits}")

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the map, shape (n, d)."""
        n, d = x.shape
        if d % self.channels:
            raise ValueError(f"expected inputs of {self.channels} channels, got {d} numbers")
        sizes = abs(found[:, 0]).reshape(n, self.channels, -1).sum(1)
        largest = sizes.max(-1, keepdims=True) if isinstance(sizes, np.ndarray) else sizes.amax(-1, True)
        shares = sizes / (largest + (largest == 0))
        steps = 2**self.bits - 1
        if isinstance(shares, np.ndarray):
            return np.tile(np.rint(shares * steps) / steps, (1, self.channels))
        shades = shares + ((shares * steps).round() / steps - shares).detach()
        return shades.repeat(1, self.channels)
