"""Points close beside a copy's hyperplanes: what is wrong there shows nowhere else.

Two units taken for one leave an error between their hyperplanes alone. A group of at most d / 2 units can be
put at once at one signed distance from its hyperplanes, at a random place otherwise: with rows of length 1

    x = x_0 + R^+ (s e - o - R x_0),   s in {-1, 1}^m,   e the distance.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import FALSIFYING, TINY


def beside_groups(first: Dense, lines: Lines, distances: tuple[float, ...]) -> Array:
    """Return points beside the first layer's hyperplanes, every unit on both sides at every distance.

    Args:
        first: the first layer.
        lines: the domain, and what draws.
        distances: of the points from the hyperplanes.
    """
    size = np.linalg.norm(first.rows, axis=1)
    order = lines.rng.permutation(np.flatnonzero(size[: first.units]))
    rows, offsets = first.rows / np.maximum(size, TINY)[:, None], first.offsets / np.maximum(size, TINY)
    each = max(1, int(FALSIFYING.group * lines.input_size))
    groups = [order[start : start + each] for start in range(0, len(order), each)]
    points = [put_beside(rows[group], offsets[group], lines, distances) for group in groups]
    return np.concatenate([*points, np.empty((0, lines.input_size))])


def put_beside(rows: Array, offsets: Array, lines: Lines, distances: tuple[float, ...]) -> Array:
    """Put units with these rows (m, d) and offsets (m,) beside their hyperplanes, two points a distance."""
    sides = lines.rng.choice([-1.0, 1.0], (len(distances), len(rows)))
    wanted = np.concatenate([sides, -sides]) * np.tile(distances, 2)[:, None] - offsets
    points, inverse = lines.inside(len(wanted)), np.linalg.pinv(rows, rcond=FALSIFYING.dependent)
    for _ in range(1 if lines.domain is None else FALSIFYING.projections):
        points = points + (wanted - points @ rows.T) @ inverse.T
        if lines.domain is not None:
            points = np.clip(points, *lines.domain)
    return lines.unsaturated(points)


def beside_on_lines(model: DeepModel, lines: Lines, count: int) -> Array:
    """Return points on both sides of the kinks that a copy predicts on random lines, so many at most."""
    points: list[Array] = [np.empty((0, lines.input_size))]
    whole = model.whole()
    for _ in range(count):
        line = lines.add_line()
        origin, direction = lines.origins[line, :-1], lines.directions[line, :-1]
        points.append(beside_kinks(whole, origin, direction, lines, FALSIFYING.beside))
        if sum(map(len, points)) >= count:
            break
    found = np.concatenate(points)
    return found[lines.rng.permutation(len(found))[:count]]


def beside_kinks(
    whole: Prefix, origin: Array, direction: Array, lines: Lines, shares: tuple[float, float]
) -> Array:
    """Return points (n, d) on both sides of the kinks of layers on a line of a direction (d,).

    They are the least to the largest of two shares of the way to the next kink from it.
    """
    low, high = lines.ends()
    segment = SearchedSegment(origin, direction, low, high, np.empty(0), np.empty((0, len(origin))))
    nodes = lines.to_s(breakpoints(whole, segment))
    least, most = np.log10(shares)
    share = 10 ** lines.rng.uniform(least, most, (2, len(nodes) - 1))
    gaps = np.diff(nodes)
    points = np.concatenate([(nodes[:-1] + share[0] * gaps)[1:], (nodes[1:] - share[1] * gaps)[:-1]])
    return lines.unsaturated(segment.points(lines.to_t(points)))
