"""A tree grown on classes and on LIME's slopes together, by least squares over its leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from divulge.arrays import Array

CANDIDATES = 15  # thresholds of each number that one tree may use
ANYWHERE = 4  # of these at least, drawn between the ends; the others lie between inputs that were asked about
BEYOND = 1.0  # how far past the inputs asked about thresholds lie, in widths
LEAVES = 16  # at most
WORTH = 10.0  # squared errors that a split has to explain, in their own size: noise offers hundreds of splits
APART = 1.0  # squared errors that shares 1 apart on both sides of a split cost: few answers tell none apart
PULL = 1e-3  # of a leaf's shares towards the mean, which decides where nothing was told
TINY = 1e-12


@dataclass(frozen=True)
class Sloped:
    """What answers tell of the shares of classes: their values where asked, and one class's slopes around.

    The slope of f in number i at x is E[f(x + e) e_i], e standard normal: lengths are in widths of e.

    Attributes:
        x: inputs, shape (n, d).
        shares: of each class, shape (n, C); of two classes of the second alone, C = 1.
        slopes: shape (n, d).
        own: 1 for the class whose slopes they are, else 0, shape (n, C).
        shares_count: weights of the squared errors of shares, shape (n,).
        slopes_count: of those of slopes, shape (n,).
    """

    x: Array
    shares: Array
    slopes: Array
    own: Array
    shares_count: Array
    slopes_count: Array


@dataclass
class _Leaf:
    """A box, and what a function that is 1 in it and 0 elsewhere has for shares and slopes."""

    low: Array
    high: Array
    x: Array
    inside: Array = field(init=False)  # (n,)
    mass: Array = field(init=False)  # of each number alone, (n, d)
    slopes: Array = field(init=False)  # (n, d)

    def __post_init__(self) -> None:
        self.inside = ((self.x > self.low) & (self.x <= self.high)).all(axis=1).astype(float)
        self.mass = ndtr(self.high - self.x) - ndtr(self.low - self.x)
        change = _bell(self.low - self.x) - _bell(self.high - self.x)
        self.slopes = self.mass.prod(axis=1)[:, None] * change / np.maximum(self.mass, TINY)

    def split(self, number: int, threshold: float) -> tuple[_Leaf, _Leaf]:
        """Return both sides of a threshold."""
        high, low = self.high.copy(), self.low.copy()
        high[number] = low[number] = threshold
        return _Leaf(self.low, high, self.x), _Leaf(low, self.high, self.x)


class SlopedTree:
    """Boxes with a share of each class, split one by one where that explains most of what was told.

    Args:
        told: classes and slopes.
        rng: draws the thresholds that are looked at.
    """

    def __init__(self, told: Sloped, rng: np.random.Generator) -> None:
        self._told = told
        self._thresholds = _thresholds(told.x, rng)
        whole = np.full(told.x.shape[1], np.inf)
        self._leaves = [_Leaf(-whole, whole, told.x)]
        self._sides = [self._left_sides(self._leaves[0])]
        self._grow()

    def shares(self, x: Array) -> Array:
        """Return the share of each class at inputs (n, d), shape (n, C), from 0 to 1."""
        found = np.zeros((len(x), self._values.shape[1]))
        for leaf, values in zip(self._leaves, self._values, strict=True):
            found[((x > leaf.low) & (x <= leaf.high)).all(axis=1)] = values
        return np.clip(found, 0.0, 1.0)

    def _grow(self) -> None:
        """Split while a split is worth it."""
        self._values = self._fitted()
        while len(self._leaves) < LEAVES:
            gains = [self._gain(*pair) for pair in zip(self._leaves, self._sides, strict=True)]
            place = int(np.argmax([gain.max() for gain in gains]))
            if gains[place].max() < WORTH:
                return
            number, which = np.unravel_index(gains[place].argmax(), gains[place].shape)
            parts = self._leaves.pop(place).split(int(number), float(self._thresholds[number, which]))
            del self._sides[place]
            self._leaves += parts
            self._sides += [self._left_sides(part) for part in parts]
            self._values = self._fitted()

    def _fitted(self) -> Array:
        """The shares (L, C) of all leaves that explain what was told best."""
        told = self._told
        inside = np.stack([leaf.inside for leaf in self._leaves])
        slopes = np.stack([leaf.slopes for leaf in self._leaves])
        counted = inside * told.shares_count
        values = np.empty((len(inside), told.shares.shape[1]))
        for k, mean in enumerate(told.shares.mean(axis=0)):
            count = told.slopes_count * told.own[:, k]
            flat = (slopes * np.sqrt(count)[:, None]).reshape(len(slopes), -1)
            wanted = (told.slopes * np.sqrt(count)[:, None]).ravel()
            squares = counted @ inside.T + flat @ flat.T + PULL * np.eye(len(inside))
            values[:, k] = np.linalg.solve(squares, counted @ told.shares[:, k] + flat @ wanted + PULL * mean)
        return values

    def _left_sides(self, leaf: _Leaf) -> tuple[Array, ...]:
        """Of the left side of each threshold in a leaf its inputs and its slopes.

        Shapes (n, d T): 1 for inputs inside; what slopes in other numbers are, over the leaf's own; the slope
        in the threshold's number.
        """
        x, t = self._told.x[:, :, None], self._thresholds
        below = ndtr(leaf.low - self._told.x)[:, :, None]
        mass = np.clip(ndtr(t - x) - below, 0.0, leaf.mass[:, :, None])
        whole = np.maximum(leaf.mass, TINY)
        rest = leaf.mass.prod(axis=1)[:, None] / whole
        own = rest[:, :, None] * (_bell(leaf.low - self._told.x)[:, :, None] - _bell(t - x))
        inside = (x <= t) * leaf.inside[:, None, None]
        return tuple(part.reshape(len(x), -1) for part in (inside, mass / whole[:, :, None], own))

    def _gain(self, leaf: _Leaf, sides: tuple[Array, ...]) -> Array:
        """How much of the squared error each split of a leaf explains, beside what its shares do, (d, T)."""
        told, (inside, share, own) = self._told, sides
        d, many = self._thresholds.shape
        every = np.stack([part.inside for part in self._leaves]).T @ self._values
        slopes = np.einsum("ajd,aj->jd", [part.slopes for part in self._leaves], self._values @ told.own.T)
        missed = (told.slopes - slopes) * told.slopes_count[:, None]
        product, square = leaf.slopes * missed, leaf.slopes**2
        others, squares, own_missed, own_leaf = (
            np.repeat(part, many, axis=1)
            for part in (*(p.sum(1, keepdims=True) - p for p in (product, square)), missed, leaf.slopes)
        )
        weights = (told.slopes_count[:, None] * told.own).T
        left = told.shares_count @ inside
        length = left + weights @ (share**2 * squares + own**2)
        along = left + weights @ (share * squares + own * own_leaf)
        leaf_length = told.shares_count @ leaf.inside + weights @ square.sum(axis=1)
        error = ((told.shares - every) * told.shares_count[:, None]).T @ inside
        error = error + told.own.T @ (share * others + own * own_missed)
        free = np.maximum(length - along**2 / np.maximum(leaf_length, TINY)[:, None], 0.0)
        gain = np.where(free > TINY, error**2 / (free + APART), 0.0).sum(axis=0).reshape(d, many)
        within = (self._thresholds > leaf.low[:, None]) & (self._thresholds < leaf.high[:, None])
        return np.where(within, gain, 0.0)


def _bell(z: Array) -> Array:
    """The normal density, 0 at both infinities."""
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _thresholds(x: Array, rng: np.random.Generator) -> Array:
    """Places (d, T): some anywhere between two neighbours of the inputs asked about, some anywhere at all."""
    found = np.empty((x.shape[1], CANDIDATES))
    for own, column in zip(found, x.T, strict=True):
        places = np.unique(column)
        most = min(len(places) - 1, CANDIDATES - ANYWHERE)
        pick = rng.choice(len(places) - 1, size=most, replace=False) if most else np.empty(0, np.intp)
        between = rng.uniform(places[pick], places[pick + 1])
        ends = places[0] - BEYOND, places[-1] + BEYOND
        own[:] = np.concatenate([between, rng.uniform(*ends, CANDIDATES - len(between))])
    return found
