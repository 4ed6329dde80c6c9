"""Inputs at which a tree that few values tell is checked: at the borders of each leaf, and anywhere."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.thresholds import Thresholds

# inputs in bins, half of those anywhere, that check a copy: wrong on a share of .003 passes 1 time in 20
FRESH = 1000
IN_LEAF = 10  # inputs anywhere in each leaf: leaves are small where trees are deep


def fresh_of_leaves(
    tree: GrownTree, known: Thresholds, rng: np.random.Generator, data: Array | None
) -> list[Array]:
    """Return points (n, d) each: beside the borders of all leaves, in them, then anywhere and in data."""
    return [at_leaves(tree, known, rng), *known.fresh(FRESH, rng, data)]


def at_leaves(tree: GrownTree, known: Thresholds, rng: np.random.Generator) -> Array:
    """Return points (n, d): some in each leaf, and next to each of its thresholds one on both sides."""
    found = []
    for low, high in (box for number, box in zip(tree.number, tree.boxes, strict=True) if number < 0):
        sides = [(i, low[i] - 1) for i in np.flatnonzero(low > 0)]
        sides += [(i, high[i]) for i in np.flatnonzero(high < known.counts)]
        points = _anywhere(low, high, known, rng, IN_LEAF + 2 * len(sides))
        for row, (i, which) in enumerate(sides):
            points[2 * row, i] = known.left[i][which]
            points[2 * row + 1, i] = known.right[i][which]
        found.append(points)
    return np.concatenate(found)


def _anywhere(low: Index, high: Index, known: Thresholds, rng: np.random.Generator, n: int) -> Array:
    """Return points (n, d) anywhere in the bins from low to high, (d,) each."""
    least, _ = known.ends(low[None])
    _, most = known.ends(high[None])
    return np.asarray(np.clip(least + rng.random((n, len(low))) * (most - least), least, most))


def checked(tree: GrownTree) -> str:
    """Say what a copy was checked at, and what that leaves open."""
    return (
        f"checked at fresh inputs and at both sides of each border of {tree.leaves} leaves: smaller leaves "
        "inside of these are not excluded"
    )
