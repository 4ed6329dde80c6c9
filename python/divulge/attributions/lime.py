"""LIME: the linear model that fits the score around an input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar

import numpy as np

from divulge.arrays import Array
from divulge.attributions.from_values import ValueAttribution
from divulge.attributions.methods import check_count, like
from divulge.points import host_array

__all__ = ["Lime"]

_RIDGE = 1e-9  # of a weight, relative: decides where there are fewer samples than numbers


@dataclass(frozen=True, eq=False)
class Lime(ValueAttribution):
    """The slopes, times width, of the linear model that fits f_k best at x + width e, e standard normal.

    Samples count exp(-|e|^2 / (2 d kernel^2)). Of a linear score w.x + b they are width w exactly, given as
    many samples as numbers and one; with fewer the smallest slopes that fit.

    Attributes:
        samples: how many e.
        width: how far samples lie from x in each number, a number or shape (d,); the standard deviation of
            data in the paper's software.
        kernel: how fast they count less, in units of d^(1/2); 0.75 in the paper's software.

    Raises:
        ValueError: one of these cannot be.
        TypeError: a number of samples that is not whole.

    Source:
        M. Ribeiro, S. Singh, C. Guestrin, "Why Should I Trust You?", 2016; without its choice of few numbers
        and its grid.
    """

    name: ClassVar[str] = "lime"
    by_numbers: ClassVar[bool] = False
    samples: int = 100
    width: Any = 1.0
    kernel: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("sample of LIME", self.samples)
        width = np.asarray(host_array(self.width), np.float64)
        if width.ndim > 1 or not ((width > 0) & np.isfinite(width)).all():
            raise ValueError(f"expected a positive, finite width of LIME, a number or (d,), got {self.width}")
        if not 0 < self.kernel < inf:
            raise ValueError(f"expected a positive, finite kernel of LIME, got {self.kernel}")

    @property
    def draws(self) -> int:
        """One vector a sample."""
        return self.samples

    def count(self, d: int) -> int:
        """At every sample."""
        return self.samples

    def places(self, x: Any, noise: Any) -> Any:
        """Return x + width e."""
        return x[:, None] + self._widths(x) * noise

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the slopes in e, by weighted least squares around the weighted means."""
        d = x.shape[1]
        log_weights = -(noise**2).sum(-1) / (2 * d * self.kernel**2)  # (n, m)
        largest = log_weights.max(-1) if isinstance(x, np.ndarray) else log_weights.amax(-1)
        exp = np.exp if isinstance(x, np.ndarray) else _torch().exp
        weights = exp(log_weights - largest[:, None])
        weights = weights / weights.sum(-1)[:, None]
        e = noise - (weights[..., None] * noise).sum(1)[:, None]
        f = found - (weights * found).sum(-1)[:, None]
        weighted = weights[..., None] * e
        squares = weighted.swapaxes(1, 2) @ e + like(x, _RIDGE * np.eye(d))
        right = weighted.swapaxes(1, 2) @ f[..., None]
        solve = np.linalg.solve if isinstance(x, np.ndarray) else _torch().linalg.solve
        return solve(squares, right)[..., 0]

    def factor(self, x: Array) -> Array:
        """Return the widths."""
        return np.asarray(self._widths(x) + np.zeros_like(x))

    def halves(self, noise: Any) -> tuple[Lime, tuple[Any, ...]]:
        """Return the same with half the samples and the halves of the noise, where these are enough."""
        half = self.samples // 2
        if half < noise.shape[-1] + 2:
            return self, (noise,)
        return replace(self, samples=half), (noise[:, :half], noise[:, half : 2 * half])

    def _widths(self, x: Any) -> Any:
        widths = np.asarray(host_array(self.width), np.float64)
        if widths.shape not in {(), (x.shape[1],)}:
            raise ValueError(f"expected a width of LIME for {x.shape[1]} numbers, got {len(widths)}")
        return like(x, widths)


def _torch() -> Any:
    import torch

    return torch
