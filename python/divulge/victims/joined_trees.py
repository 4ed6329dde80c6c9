"""A forest of few trees as one: its leaves are where leaves of all trees meet."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.victims.trees import Leaves, Path, leaves_of

if TYPE_CHECKING:
    from divulge.victims.victim import Victim

MOST = 20_000  # leaves; those of trees that ask about many numbers multiply


def joined_tree(victim: Victim) -> Leaves | None:
    """Return the leaves of a victim that is one tree, or that few trees make together, or None.

    Outputs of joined leaves are what the victim says inside of them, ties and rounding included.
    """
    found = leaves_of(victim)
    if found is None or not found.starts:
        return None
    if len(found.starts) == 1:
        return found
    boxes: list[Path] = [{}]
    for tree in _by_tree(found):
        both = (_meeting(box, leaf) for box in boxes for leaf in tree)
        boxes = list(islice((box for box in both if box is not None), MOST + 1))
        if len(boxes) > MOST:
            return None
    return _leaves(found, boxes, victim)


def _by_tree(leaves: Leaves) -> list[list[Path]]:
    """The leaves of each tree."""
    paths = [
        {int(j): (float(low), float(high)) for j, low, high in zip(*row, strict=True) if j >= 0}
        for row in zip(leaves.feature, leaves.low, leaves.high, strict=True)
    ]
    return [paths[first:last] for first, last in pairwise([*leaves.starts, len(paths)])]


def _meeting(one: Path, other: Path) -> Path | None:
    """The box in which two leaves meet, None where they do not."""
    both = dict(one)
    for number, (low, high) in other.items():
        own = both.get(number, (-np.inf, np.inf))
        both[number] = max(own[0], low), min(own[1], high)
        if both[number][0] >= both[number][1]:
            return None
    return both


def _leaves(trees: Leaves, boxes: list[Path], victim: Victim) -> Leaves:
    """Boxes that hold an input as leaves, with what the victim says there."""
    depth = max(map(len, boxes))
    feature: NDArray[np.intp] = np.full((len(boxes), depth), -1, np.intp)
    low, high = np.full(feature.shape, -np.inf), np.full(feature.shape, np.inf)
    for row, box in enumerate(boxes):
        for place, (number, ends) in enumerate(box.items()):
            feature[row, place], low[row, place], high[row, place] = number, *ends
    first, last = trees.ends(low), trees.ends(high, below=True)
    held = (first <= last).all(axis=1)
    feature, low, high, first, last = feature[held], low[held], high[held], first[held], last[held]
    inside: Array = np.zeros((len(feature), victim.input_size))
    own = np.nonzero(feature >= 0)
    inside[own[0], feature[own]] = np.clip(0.0, first[own], last[own])
    value = victim.values(inside)
    return Leaves(feature, low, high, value, np.zeros_like(trees.base), trees.strict, trees.single)
