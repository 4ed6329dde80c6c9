"""The methods that explain a score by its values at changed inputs, each written once for NumPy and torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from divulge.arrays import Array
from divulge.attributions.methods import Attribution, check_count, like
from divulge.points import host_array

__all__ = ["Occlusion", "Shap", "ValueAttribution"]


@dataclass(frozen=True, eq=False)
class ValueAttribution(Attribution):
    """An explanation made of values f_k at changed inputs; `combine` takes these, shape (n, m).

    Attributes:
        background: what a number is changed to where it is left out: a number, one input, shape (d,), or
            several, shape (b, d).
    """

    of_values: ClassVar[bool] = True
    by_numbers: ClassVar[bool] = True  # whether each number can be explained by itself, with `around`
    at_the_input: ClassVar[bool] = False
    background: Any = field(default=0.0)

    def __post_init__(self) -> None:
        rows = np.asarray(host_array(self.background), np.float64)
        if rows.ndim > 2 or rows.size == 0 or not np.isfinite(rows).all():
            raise ValueError(
                "expected a background of finite numbers, one input (d,) or several (b, d), got shape "
                f"{rows.shape}"
            )

    def rows(self, d: int) -> Array:
        """Return the background as float64 (b, d)."""
        rows = np.asarray(host_array(self.background), np.float64)
        rows = rows[None] if rows.ndim < 2 else rows
        if rows.shape[1:] not in {(), (1,), (d,)}:
            raise ValueError(f"expected a background of inputs of {d} numbers, got {rows.shape[1]}")
        return np.array(np.broadcast_to(rows.reshape(len(rows), -1), (len(rows), d)))

    def mean(self, x: Any) -> Any:
        """Return the background's mean, shape (d,), as x is kept."""
        return like(x, self.rows(x.shape[1]).mean(axis=0))

    def around(self, x: Any, which: Any, noise: Any) -> Any:
        """Return, for numbers `which` (n, w) of x, places without and with each by turns, (n, 2 w, d).

        The difference of their values is, in the mean over noise (n, 2 w, d), what explains the number.
        """
        raise NotImplementedError

    def halves(self, noise: Any) -> tuple[ValueAttribution, tuple[Any, ...]]:
        """Return what each half of the noise (n, draws, d) is for, and the halves; or all of it."""
        return self, (noise,)

    def __eq__(self, other: object) -> bool:
        mine = (type(self), *(np.asarray(host_array(part)).tolist() for part in vars(self).values()))
        return isinstance(other, ValueAttribution) and mine == (
            type(other),
            *(np.asarray(host_array(part)).tolist() for part in vars(other).values()),
        )

    def __hash__(self) -> int:
        return hash(type(self))


@dataclass(frozen=True, eq=False)
class Shap(ValueAttribution):
    """Shapley values of the numbers of x against a background, estimated from orders drawn at random.

    phi_i is the mean change of f_k when x_i takes the place of b_i, over backgrounds b and over orders in
    which the numbers of x take theirs; all phi add up to f_k(x) - f_k(b). An oracle computes them exactly
    where it can (`ShapOracle`).

    Attributes:
        samples: orders, each with a background of its own.

    Source:
        E. Strumbelj, I. Kononenko, "Explaining prediction models and individual predictions with feature
        contributions", 2014; S. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions",
        2017.
    """

    name: ClassVar[str] = "shap"
    samples: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("order of SHAP", self.samples)

    @property
    def draws(self) -> int:
        """An order's vector, and one whose first number draws the background."""
        return 2 * self.samples

    def count(self, d: int) -> int:
        """One after each number, and one before, in each order."""
        return self.samples * (d + 1)

    def places(self, x: Any, noise: Any) -> Any:
        """Return x in those numbers that took their place, the background in others."""
        n, d = x.shape
        ranks = _ranks(noise)
        steps = like(x, np.arange(d + 1.0))
        mask = like_floats(x, ranks[:, :, None, :] < steps[:, None])  # (n, samples, d + 1, d)
        rows = like(x, self.rows(d))
        chosen = rows[_uniform(noise[:, 1::2, 0], len(rows))][:, :, None, :]
        return (mask * x[:, None, None, :] + (1 - mask) * chosen).reshape(n, -1, d)

    def around(self, x: Any, which: Any, noise: Any) -> Any:
        """Return, for numbers `which` (n, w) of x, places without and with each by turns, (n, 2 w, d).

        Each has an order and a background of its own: the first half of noise (n, 2 w, d), and the second.
        """
        n, d = x.shape
        count = which.shape[1]
        order = noise[:, :count]
        own = _taken(order, which[..., None])  # (n, w, 1)
        before = like_floats(x, order < own)
        rows = like(x, self.rows(d))
        chosen = rows[_uniform(noise[:, count:, 0], len(rows))]
        at = like_floats(x, which[..., None] == like(which, np.arange(d)))
        with_it = before + at
        pairs = [mask * x[:, None] + (1 - mask) * chosen for mask in (before, with_it)]
        stack = np.stack if isinstance(x, np.ndarray) else _torch_stack
        return stack(pairs, 2).reshape(n, 2 * count, d)

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return the mean change over the orders."""
        n, d = x.shape
        values = found.reshape(n, self.samples, d + 1)
        changes = values[..., 1:] - values[..., :-1]
        return _taken(changes, _ranks(noise)).mean(1)

    def factor(self, x: Array) -> Array:
        """Return x less the background's mean."""
        return np.asarray(x - self.mean(x))

    def lighter(self) -> Shap:
        """Two orders are enough for a step."""
        return replace(self, samples=min(2, self.samples))

    def halves(self, noise: Any) -> tuple[Shap, tuple[Any, ...]]:
        """Return the same with half the orders, and the noise (n, draws, d) of each half."""
        half = self.samples // 2
        if not half:
            return self, (noise,)
        return replace(self, samples=half), (noise[:, : 2 * half], noise[:, 2 * half : 4 * half])


@dataclass(frozen=True, eq=False)
class Occlusion(ValueAttribution):
    """f_k(x) less f_k of x with one number at a time put in its place by the background's mean.

    Source:
        M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2014, with patches of
        one number.
    """

    name: ClassVar[str] = "occlusion"

    def count(self, d: int) -> int:
        """At x, and without each number."""
        return d + 1

    def places(self, x: Any, noise: Any) -> Any:
        """Return x, then x without each number in turn."""
        d = x.shape[1]
        keep = like(x, 1 - np.eye(d + 1, d, -1))  # its first row keeps all
        return keep * x[:, None] + (1 - keep) * self.mean(x)

    def around(self, x: Any, which: Any, noise: Any) -> Any:
        """Return x without each number, and x."""
        n, d = x.shape
        out = like_floats(x, which[..., None] == like(which, np.arange(d)))  # (n, w, d)
        without = (1 - out) * x[:, None] + out * self.mean(x)
        stack = np.stack if isinstance(x, np.ndarray) else _torch_stack
        return stack([without, 0 * out + x[:, None]], 2).reshape(n, 2 * which.shape[1], d)

    def combine(self, x: Any, found: Any, noise: Any = None) -> Any:
        """Return what each number adds."""
        return found[:, :1] - found[:, 1:]

    def factor(self, x: Array) -> Array:
        """Return x less the background's mean."""
        return np.asarray(x - self.mean(x))


def _ranks(noise: Any) -> Any:
    """The place of each number in each order, shape (n, samples, d)."""
    return noise[:, 0::2].argsort(-1).argsort(-1)


def _taken(values: Any, index: Any) -> Any:
    """values[..., index] along the last axis."""
    return (
        np.take_along_axis(values, index, -1) if isinstance(values, np.ndarray) else values.gather(-1, index)
    )


def _uniform(normal: Any, count: int) -> Any:
    """Whole numbers below a count, evenly drawn, of standard normal ones."""
    if isinstance(normal, np.ndarray):
        from scipy.special import ndtr

        return np.minimum((ndtr(normal) * count).astype(np.intp), count - 1)
    import torch

    return (torch.special.ndtr(normal.double()) * count).long().clamp(max=count - 1)


def _torch_stack(parts: Any, axis: int) -> Any:
    """torch.stack."""
    import torch

    return torch.stack(parts, dim=axis)


def like_floats(x: Any, mask: Any) -> Any:
    """Return truth values as numbers 0 and 1 in the precision of x."""
    return mask.astype(x.dtype) if isinstance(x, np.ndarray) else mask.to(x.dtype)
