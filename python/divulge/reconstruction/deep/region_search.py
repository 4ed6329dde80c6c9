"""Units of later layers sought in chosen regions, where the first layer leaves the choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Prefix

LINES = 2  # at a time
MOST_TURNS, IDLE_TURNS = 60, 3  # how often lines are searched, and how often for nothing
LOOKS = 240  # regions asked at a single point
SHARES = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)  # of the features that are active in a region


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
    for turn in range(MOST_TURNS):
        units = find()
        idle, most = (idle + 1 if len(units) <= most else 0), max(most, len(units))
        pool.learn(prefix, units)
        if idle < IDLE_TURNS:
            active = rng.uniform(size=(LINES, len(free.layer))) < SHARES[turn % len(SHARES)]
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
    active = rng.uniform(size=(LOOKS, len(free.layer))) < np.resize(SHARES, LOOKS)[:, None]
    points = free.points(free.levels_in(active, rng))
    wrong = pool.probe.misses(points, pool.known.pieces(points, 0)) > wrong_from
    starts = points[wrong][:LINES]
    if wrong.all() or not len(starts):
        return False
    pool.between(starts, np.resize(points[~wrong], starts.shape))
    return True
