"""Chords of cells in which many features are on: there kinks show whole rows of the next layer.

A jump behind l known layers shows a row on the features that are on, and only where these are independent as
functions of the input: no more of them than there are in any layer before. At usual inputs half of a narrow
first layer is on, and more of the next: a jump leaves the row open there. Where the first layer's
pre-activations are chosen nearly all of it is on, and within one cell of the known layers no known unit
switches, so that a line meets those alone that are sought.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.cell_walks import Walks
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import CELLS, POSITIVE, TINY


def drawn(free: FreeLayer, rng: np.random.Generator, count: int) -> Array:
    """Return inputs (n, d) at which all of the first layer is on, or most of it, heavy-tailed."""
    size = (count, len(free.layer))
    sigma = rng.uniform(0.0, POSITIVE.sigma, (count, 1))
    logs = sigma * rng.standard_normal(size)
    least, most = np.log(POSITIVE.largest)
    largest = rng.uniform(least, most, (count, 1))
    levels = np.exp(np.maximum(logs - logs.max(axis=1, keepdims=True), np.log(POSITIVE.least)) + largest)
    off = rng.uniform(size=size) < rng.choice(CELLS.off, (count, 1))
    return free.points(np.where(off, -levels, levels) * free.spread)


def crowded(prefix: Prefix, points: Array, rng: np.random.Generator, count: int) -> Index:
    """Return which of points (n, d) to start from: features independent, many on, each cell at most once."""
    good = np.flatnonzero(told(prefix, points))
    masks = states(prefix, points[good])
    _, first = np.unique(np.concatenate(masks, axis=1), axis=0, return_index=True)
    score = masks[-1][first].sum(axis=1) + CELLS.any_of * rng.uniform(size=len(first))
    return good[first[np.argsort(-score, kind="stable")[:count]]]


def states(prefix: Prefix, points: Array) -> list[Mask]:
    """Return which units of each layer are on at points (n, d), shapes (n, h)."""
    return [layer.on(z) for layer, z in zip(prefix.layers, prefix.levels(points), strict=True)]


def told(prefix: Prefix, points: Array) -> Mask:
    """Return at which points (n, d) features are on, no more of them than in any layer before."""
    on = np.stack([mask.sum(axis=1) for mask in states(prefix, points)])
    return np.asarray((on[-1] <= on.min(axis=0)) & (on[-1] > 0))


def strewn(prefix: Prefix, rows: Array, points: Array, rng: np.random.Generator) -> Array:
    """Move points (n, d) at random within their cells, to where levels of rows (c, p) are high or low.

    Steps go towards points at which a level is extreme for its features' size, and beyond, up to an edge.
    """
    each = np.arange(len(points))
    for _ in range(CELLS.steps):
        features = prefix.features(points)
        levels = features @ rows.T / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), TINY)
        extreme = np.concatenate([levels.argmin(axis=0), levels.argmax(axis=0)])
        goals = np.where(
            rng.uniform(size=len(points)) < 0.5, rng.choice(extreme, len(points)), rng.permutation(each)
        )
        ways = points[goals] - points
        ways += np.linalg.norm(ways, axis=1, keepdims=True) * rng.standard_normal(points.shape) * CELLS.astray
        size = np.linalg.norm(points, axis=1) + TINY
        small = CELLS.small * size / np.maximum(np.linalg.norm(ways, axis=1), CELLS.small * size)
        levels = np.concatenate(prefix.levels(points), axis=1)
        growth = np.concatenate(prefix.levels(points + small[:, None] * ways), axis=1) - levels
        growth /= np.maximum(small, TINY)[:, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            room = np.where(growth * levels < 0, -levels / growth, CELLS.reach).min(axis=1)
        points = points + (rng.uniform(size=len(points)) ** 2 * CELLS.within * room)[:, None] * ways
    return points


def walks(probe: Probe, prefix: Prefix, draws: Array, lines: Lines, most: int = CELLS.lines) -> Walks | None:
    """Return lines through crowded cells, as far as features stay independent; None where there are none.

    Args:
        probe: whom to ask.
        prefix: the known layers.
        draws: points (n, d) to begin at and to go towards.
        lines: its random numbers are used.
        most: how many lines.
    """
    origins = draws[crowded(prefix, draws, lines.rng, most)]
    if not len(origins):
        return None
    directions = lines.rng.choice(draws, len(origins)) - origins
    nodes = [told_cells(prefix, *line) for line in zip(origins, directions, strict=True)]
    return Walks(probe, origins, directions, nodes)


def told_cells(prefix: Prefix, origin: Array, direction: Array) -> Array:
    """Return where the cells of a line begin and end, from t = 0 both ways as far as they are told."""
    ends = -CELLS.reach, CELLS.reach
    nodes = breakpoints(
        prefix, SearchedSegment(origin, direction, *ends, np.empty(0), np.empty((0, len(origin))))
    )
    middles = origin + ((nodes[1:] + nodes[:-1]) / 2)[:, None] * direction
    good = told(prefix, middles)
    first = last = int(np.searchsorted(nodes, 0.0)) - 1
    while first > 0 and good[first - 1] and last - first < CELLS.each_way:
        first -= 1
    middle = first
    while last < len(good) - 1 and good[last + 1] and last - middle < 2 * CELLS.each_way:
        last += 1
    return nodes[first : last + 2]


def explore_cells(pool: Pool, prefix: Prefix, free: FreeLayer, find: Callable[[], Candidates]) -> Candidates:
    """Search chords until some turns have shown no more of the units; return what find returns then."""
    idle, most = 0, (-1, -1)
    for _ in range(CELLS.most_turns):
        draws = drawn(free, pool.lines.rng, CELLS.draws)
        found = walks(pool.probe, prefix, draws, pool.lines)
        pool.sweeps += [] if found is None else found.searched()
        units = find()
        now = len(units), int(units.known.sum())
        idle, most = (idle + 1 if now <= most else 0), max(now, most)
        if idle == CELLS.idle_turns:
            break
    return units


def aimed(prefix: Prefix, free: FreeLayer, row: Array, lines: Lines) -> tuple[Array, Array]:
    """Return segments (n, d) from where a unit's level is lowest for its features to where it is highest.

    Of these every other one begins far out: an offset may be large beside the row's entries. None where the
    level is nowhere negative without its offset.
    """
    draws = drawn(free, lines.rng, CELLS.draws)
    features = prefix.features(draws)
    level = features @ row / np.maximum(np.linalg.norm(features, axis=1), TINY)
    order = np.argsort(level, kind="stable")
    lowest, highest = order[: CELLS.aimed], order[-CELLS.aimed :]
    lowest, highest = lowest[level[lowest] < 0], highest[level[lowest] < 0]
    size = np.resize([1.0, CELLS.far], len(lowest))[:, None]
    return free.points(size * free.layer.levels(draws[lowest])), draws[highest]


def steadied(prefix: Prefix, free: FreeLayer, layer: Dense, lines: Lines) -> Dense:
    """Return a layer with its last unit, on everywhere, turned so that it needs no large offset for that."""
    row, features = layer.rows[-1], prefix.features(drawn(free, lines.rng, CELLS.draws))
    level = features @ row
    sign = 1.0 if level.sum() > 0 else -1.0
    if (sign * level < 0).any():
        return layer
    rows, offsets = layer.rows.copy(), layer.offsets.copy()
    rows[-1], offsets[-1] = sign * row, np.median(np.abs(level))
    return Dense(rows, offsets, layer.passage)
