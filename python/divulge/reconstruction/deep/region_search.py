"""Units of later layers sought in chosen regions, where the first layer leaves the choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import REGION_SEARCH


def explore(
    pool: Pool, prefix: Prefix, free: FreeLayer, find: Callable[[], Candidates], wrong_from: float
) -> Candidates:
    """Search lines inside of chosen regions, and ask in many more, until that brings no new unit.

    Small regions show many units, large ones much of each row.

    Args:
        pool: where sweeps go.
        prefix: the layers before the units.
        free: the first of them.
        find: returns the units that the pool shows by now.
        wrong_from: relative error of a gradient that tells of a unit that is missing.
    """
    rng, idle, most = pool.lines.rng, 0, 0
    for turn in range(REGION_SEARCH.most_turns):
        units = find()
        idle, most = (idle + 1 if len(units) <= most else 0), max(most, len(units))
        pool.learn(prefix, units)
        if idle < REGION_SEARCH.idle_turns:
            active = (
                rng.uniform(size=(REGION_SEARCH.lines, len(free.layer)))
                < REGION_SEARCH.shares[turn % len(REGION_SEARCH.shares)]
            )
            pool.between(*(free.points(free.levels_in(active, rng)) for _ in range(2)))
        elif not look(pool, free, wrong_from):
            break
    return units


def look(pool: Pool, free: FreeLayer, wrong_from: float) -> bool:
    """Ask one point each of many regions; search from where what is known fails to where it holds.

    Returns:
        Whether it failed anywhere.
    """
    if pool.known is None or not pool.everywhere:
        return False
    rng = pool.lines.rng
    active = (
        rng.uniform(size=(REGION_SEARCH.looks, len(free.layer)))
        < np.resize(REGION_SEARCH.shares, REGION_SEARCH.looks)[:, None]
    )
    points = free.points(free.levels_in(active, rng))
    wrong = pool.probe.misses(points, pool.known.pieces(points, 0)) > wrong_from
    starts = points[wrong][: REGION_SEARCH.lines]
    if wrong.all() or not len(starts):
        return False
    pool.between(starts, np.resize(points[~wrong], starts.shape))
    return True
