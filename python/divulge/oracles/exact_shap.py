"""Shapley values without sampling: of linear models, of trees, and of few numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.victims.trees import Leaves, leaves_of

if TYPE_CHECKING:
    from divulge.victims import Victim

MOST_NUMBERS = 10  # all subsets of more are too many
_AT_ONCE = 2**22  # numbers held at once

ExactShap = Callable[[Array], Array]


def exact_shap(victim: Victim, background: Array) -> ExactShap | None:
    """Return what gives the SHAP values (n, d, K) of points (n, d), or None where no exact way is known.

    Args:
        victim: the model under study.
        background: shape (b, d).
    """
    if victim.layers is not None and len(victim.layers.weights) == 1:
        weight = victim.layers.weights[0].astype(np.float64)  # (K, d)
        mean = background.mean(axis=0)
        return lambda points: (points - mean)[:, :, None] * weight.T
    leaves = leaves_of(victim)
    if leaves is not None:
        return lambda points: of_trees(leaves, points, background)
    if victim.input_size <= MOST_NUMBERS:
        return lambda points: of_subsets(victim.values, points, background)
    return None


def of_subsets(values: Callable[[Array], Array], points: Array, background: Array) -> Array:
    """Return SHAP values (n, d, K) of points (n, d) from the values of all 2^d subsets.

    phi_i = sum over S without i of |S|! (d - |S| - 1)! / d! (v(S + i) - v(S)), with v(S) the mean over
    backgrounds b of the value of b with the numbers of S taken from x.
    """
    d = points.shape[1]
    masks = (np.arange(2**d)[:, None] >> np.arange(d)) & 1  # (2^d, d)
    sizes = masks.sum(axis=1)
    weight = np.array([factorial(s) * factorial(max(0, d - s - 1)) / factorial(d) for s in range(d + 1)])
    found = []
    for x in points:
        mixed = np.where(masks[:, None], x, background)  # (2^d, b, d)
        told = values(mixed.reshape(-1, d)).reshape(2**d, len(background), -1).mean(axis=1)
        phi = np.zeros((d, told.shape[1]))
        for i in range(d):
            without = np.flatnonzero(masks[:, i] == 0)
            gain = told[without + 2**i] - told[without]
            phi[i] = weight[sizes[without]] @ gain
        found.append(phi)
    return np.array(found) if found else np.zeros((0, d, 1))


def of_trees(leaves: Leaves, points: Array, background: Array) -> Array:
    """Return SHAP values (n, d, K) of points (n, d) for a sum of trees, given by its leaves.

    For a leaf of value v and a background b let A be the numbers on its path that x puts into the leaf and b
    does not, B those that b does and x does not; where some number is in neither, the leaf is never reached.
    Else each of A gains v (|A| - 1)! |B|! / (|A| + |B|)!, each of B loses v |A|! (|B| - 1)! / (|A| + |B|)!.

    Source:
        S. Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        2020 (interventional); the form by leaves is M. Laberge, Y. Pequignot, 2022.
    """
    n, d = points.shape
    depth = leaves.feature.shape[1]
    gain, loss = _shares(depth)
    found = np.zeros((n, d, leaves.value.shape[1]))
    in_background = leaves.inside(background)  # (b, L, D)
    size = max(1, _AT_ONCE // max(1, in_background.size))
    for first in range(0, n, size):
        part = slice(first, first + size)
        own = leaves.inside(points[part])[:, None]  # (p, 1, L, D)
        others = in_background[None]
        reached = (own | others).all(axis=-1)
        a, b = own & ~others, others & ~own
        count_a, count_b = a.sum(axis=-1), b.sum(axis=-1)
        up = np.where(reached, gain[count_a, count_b], 0.0)
        down = np.where(reached, loss[count_a, count_b], 0.0)
        per: Array = (a * up[..., None] - b * down[..., None]).mean(axis=1)  # (p, L, D)
        for place in range(depth):
            column = leaves.feature[:, place]
            used = np.flatnonzero(column >= 0)
            added = per[:, used, place][:, :, None] * leaves.value[used]  # (p, L', K)
            for i in np.unique(column[used]):
                found[part, i] += added[:, column[used] == i].sum(axis=1)
    return found


def _shares(depth: int) -> tuple[Array, Array]:
    """The shares of a leaf's value that one of A gains and one of B loses, by |A| and |B|."""
    gain, loss = np.zeros((2, depth + 1, depth + 1))
    for a in range(depth + 1):
        for b in range(depth + 1 - a):
            if a:
                gain[a, b] = factorial(a - 1) * factorial(b) / factorial(a + b)
            if b:
                loss[a, b] = factorial(a) * factorial(b - 1) / factorial(a + b)
    return gain, loss
