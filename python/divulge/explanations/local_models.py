"""Local explanations as models of a value, alone and pooled over groups of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from divulge.arrays import Array, Index


@dataclass(frozen=True)
class Pooled:
    """One explanation for each of g groups.

    Attributes:
        explanations: shape (g, d).
        bases: what makes the mean over the members right, shape (g,): value = base + explanation . x for
            slopes, base + the sum of effects for effects.
        sizes: members, shape (g,).
    """

    explanations: Array
    bases: Array
    sizes: Index


@dataclass(frozen=True)
class LocalModels:
    """Explanations of rows.

    Attributes:
        theta: shape (n, d).
        x: the rows, shape (n, d).
        values: of the model there, shape (n,), or None.
        kind: "slopes" or "effects".
    """

    theta: Array
    x: Array
    values: Array | None
    kind: str

    def comparable(self) -> Array:
        """Return what is compared of rows, in units of the value, shape (n, d) or (n, d + 1)."""
        if self.kind == "effects":
            return self.theta
        scaled = self.theta * self.x.std(axis=0)
        if self.values is None:
            return np.asarray(scaled)
        at_mean = self.values - (self.theta * (self.x - self.x.mean(axis=0))).sum(axis=1)
        return np.column_stack([scaled, at_mean])

    def pooled(self, groups: Index, known: dict[bytes, tuple[Array, float]] | None = None) -> Pooled:
        """Return the explanation of each group of rows, groups (n,) numbered from 0.

        Effects, and slopes without values, are the members' means. With values f, a group's slopes minimise

            sum over members of (f_i - b - theta . x_i)^2 + |s (theta - theta_i)|^2,

        s the deviations of the columns: the members' values count as much as their explanations.

        Args:
            groups: shape (n,).
            known: explanations of groups by their rows, to which new ones are added.
        """
        order = np.argsort(groups, kind="stable")
        sizes = np.bincount(groups)
        known = {} if known is None else known
        found = []
        for rows in np.split(order, np.cumsum(sizes)[:-1]):
            key = rows.tobytes()
            if key not in known:
                known[key] = self._one(rows)
            found.append(known[key])
        return Pooled(np.array([theta for theta, _ in found]), np.array([base for _, base in found]), sizes)

    def _one(self, rows: Index) -> tuple[Array, float]:
        """The explanation and base of the group of some rows."""
        theta, x = self.theta[rows].mean(axis=0), self.x[rows]
        if self.values is None:
            return theta, 0.0
        if self.kind == "slopes" and len(rows) > 1:
            centred, left = x - x.mean(axis=0), self.values[rows] - self._parts(theta[None], x)
            unit = self.x.var(axis=0)
            gram = centred.T @ centred + len(rows) * np.diag(np.where(unit > 0, unit, 1.0))
            theta = theta + np.linalg.solve(gram, centred.T @ (left - left.mean()))
        return theta, float((self.values[rows] - self._parts(theta[None], x)).mean())

    def predictions(self, pooled: Pooled, groups: Index, x: Array | None = None) -> Array:
        """Return what groups' explanations say of rows (m, d) in groups (m,), shape (m,)."""
        rows = self.x if x is None else x
        return np.asarray(pooled.bases[groups] + self._parts(pooled.explanations[groups], rows))

    def nearest(self, x: Array) -> Index:
        """Return the place (m,) of the row nearest to each of rows (m, d), columns in units of deviations."""
        spread = self.x.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        return np.asarray(cdist(x / spread, self.x / spread).argmin(axis=1), np.intp)

    def _parts(self, theta: Array, x: Array) -> Array:
        """What explanations (m, d) add up to at rows (m, d)."""
        return np.asarray((theta * x).sum(axis=1) if self.kind == "slopes" else theta.sum(axis=1))


def share_of_variance(values: Array, told: Array) -> float:
    """Return 1 - mean squared error / variance; 1 where nothing varies and nothing is missed."""
    error, variance = float(np.mean((values - told) ** 2)), float(values.var())
    if variance <= 1e-24 * max(1.0, float(np.abs(values).max()) ** 2):
        return 1.0 if error <= 1e-12 * max(1.0, float(np.abs(values).max()) ** 2) else -np.inf
    return 1 - error / variance
