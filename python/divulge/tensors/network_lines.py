"""Dense ReLU networks and the lines on which they are searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from divulge.tensors.device import same_place

__all__ = ["NetworkLines", "named"]


@dataclass(frozen=True)
class NetworkLines:
    """V networks of one shape, and lines u + t v, low <= t <= high, as many of each network.

    Attributes:
        weights: (V, out, in) a layer.
        biases: (V, out) a layer.
        origins: u of shape (L, d), in float64.
        directions: v of shape (L, d), in float64.
        low: where the lines begin.
        high: where they end.
        output: the network's, whose kinks are looked for.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    origins: Tensor
    directions: Tensor
    low: float
    high: float
    output: int

    @classmethod
    def of(
        cls,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        origins: Tensor,
        directions: Tensor,
        low: float,
        high: float,
        output: int = 0,
    ) -> NetworkLines:
        """Return them with all arguments checked; weights and biases may be those of one network.

        Raises:
            TypeError: what should be a tensor is none.
            ValueError: shapes, places or precisions that do not fit, or no such output.
        """
        same_place(origins=origins, directions=directions, **named(weights, biases))
        stacked = [w if w.ndim == 3 else w[None] for w in weights]
        offsets = [b if b.ndim == 2 else b[None] for b in biases]
        lines = cls(stacked, offsets, origins, directions, low, high, output)
        lines._check_network()
        lines._check_lines()
        return lines

    @property
    def victims(self) -> int:
        """V."""
        return len(self.weights[0])

    @property
    def each(self) -> int:
        """L / V, the lines of one network."""
        return len(self.origins) // self.victims

    def _check_network(self) -> None:
        width = self.weights[0].shape[2]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            fits = w.shape[0] == self.victims and w.shape[2] == width and b.shape == w.shape[:2]
            if not fits or w.dtype != b.dtype:
                raise ValueError(
                    f"layer {i}: expected a weight ({self.victims}, out, {width}) and a bias "
                    f"({self.victims}, out), got {tuple(w.shape)} and {tuple(b.shape)}"
                )
            width = w.shape[1]
        if not 0 <= self.output < width:
            raise ValueError(f"expected an output from 0 to {width - 1}, got {self.output}")

    def _check_lines(self) -> None:
        count, d = len(self.origins), self.weights[0].shape[2]
        for name, lines in (("origins", self.origins), ("directions", self.directions)):
            if lines.shape != (count, d) or lines.dtype != torch.float64:
                raise ValueError(
                    f"expected {name} of shape ({count}, {d}) in float64, got {tuple(lines.shape)} "
                    f"in {lines.dtype}"
                )
        if self.victims == 0 or count % self.victims:
            raise ValueError(
                f"expected the same number of lines for {self.victims} networks, got {count} in all"
            )
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"expected finite low < high, got {self.low} and {self.high}")


def named(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the layers' tensors by what errors call them.

    Raises:
        ValueError: no layers, or not a bias for each weight.
    """
    if not weights or len(weights) != len(biases):
        raise ValueError(
            "expected a weight and a bias for each of one or more layers, "
            f"got {len(weights)} and {len(biases)}"
        )
    return {
        f"{name} {i}": t for name, part in (("weight", weights), ("bias", biases)) for i, t in enumerate(part)
    }
