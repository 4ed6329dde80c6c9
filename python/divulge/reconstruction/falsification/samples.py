"""Inputs at which copies have been found wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.extreme_points import climbed
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.falsification.beside import beside_groups, beside_on_lines
from divulge.reconstruction.falsification.extreme_rays import has_rays, on_extreme_rays
from divulge.reconstruction.falsification.few_features import with_few_features
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.named import pairs
from divulge.reconstruction.settings import EXTREME_RAYS, FALSIFYING


@dataclass(frozen=True)
class Drawn:
    """Points to test a copy at.

    Attributes:
        how: in words.
        points: shape (n, d).
    """

    how: str
    points: Array


def samples(model: DeepModel, lines: Lines, asked: int, single: bool) -> Iterator[Drawn]:
    """Draw points to test a copy at, the usual ones first.

    One hidden layer with no more units than half the inputs is told from sums of units, and from more layers,
    by the search itself: there a few of each kind do, and the others are for everything else.

    Args:
        model: the copy.
        lines: the domain, and what draws.
        asked: queries that the search took.
        single: whether the victim computes in single precision.
    """
    groups = -(-2 * sum(model.hidden_sizes) // lines.input_size)
    deep = bool(model.prefix.layers)
    simple = groups == 1 and not deep
    usual = max(FALSIFYING.usual * (groups or FALSIFYING.nothing), asked // FALSIFYING.share)
    usual = min(FALSIFYING.most, usual)
    others = usual if deep else usual // 2
    if lines.domain is None:
        yield Drawn("standard normal", lines.samples(usual))
        yield Drawn("far out", far_out(lines, FALSIFYING.far if simple else others // 2, single))
        if not simple:
            yield Drawn("up to 1,000 times as far", scattered(lines, others))
    else:
        yield Drawn("uniform in the box", lines.inside(usual))
        yield Drawn("on faces and vertices", on_faces(lines, usual))
    if not groups:
        return
    whole = model.whole()
    distances = FALSIFYING.distances if simple else FALSIFYING.more_distances
    distances = FALSIFYING.single_distances if single else distances
    yield Drawn("beside hyperplanes", beside_groups(whole.layers[0], lines, distances))
    if deep or lines.domain is not None:
        yield Drawn("beside kinks on lines", beside_on_lines(model, lines, usual))
    if deep:
        yield Drawn("up combinations of features", climbed(model.prefix, lines.samples(usual // 2), lines))
    if deep and has_rays(model.prefix, lines):
        count = rays_for(model, usual, asked)
        yield Drawn("on extreme rays", on_extreme_rays(model.prefix, lines, count))
    if not simple:
        features = model.prefix if deep else whole
        yield Drawn("with few features on", with_few_features(features, lines, 2 * others))


def rays_for(model: DeepModel, usual: int, asked: int) -> int:
    """Return on how many extreme rays a copy is asked about whose search took so many queries."""
    if len(model.prefix.layers) == 1:
        return usual
    return min(EXTREME_RAYS.at_most, max(usual, asked // EXTREME_RAYS.share))


def scattered(lines: Lines, count: int) -> Array:
    """Return points at all distances: a unit of a later layer may be on nowhere near."""
    scales = FALSIFYING.farthest ** lines.rng.uniform(size=(count, 1))
    return lines.unsaturated(scales * lines.samples(count))


def in_corners(first: Dense, lines: Lines, count: int) -> Array:
    """Return points far out in cells of a first layer, in each of them where they are so few.

    None (n = 0) where its rows, one of each pair of parallel ones, are not independent.
    """
    apart = np.delete(np.arange(first.units), pairs(first.rows[: first.units])[1])
    plain = Dense(first.rows[apart], first.offsets[apart])
    size = plain.rows.shape[1]
    free = FreeLayer.of(Prefix(size, [plain]), lines.domain, lines.samples(FALSIFYING.usual * len(plain)))
    if free is None:
        return np.empty((0, size))
    few = len(plain) <= np.log2(count)
    bits = np.arange(2 ** len(plain))[:, None] >> np.arange(len(plain)) & 1 if few else None
    sides = lines.rng.choice([-1.0, 1.0], (count, len(plain))) if bits is None else 2.0 * bits - 1
    far = FALSIFYING.corner ** lines.rng.uniform(1.0, 2.0, sides.shape)
    return free.points(sides * far * free.spread)


def far_out(lines: Lines, directions: int, single: bool) -> Array:
    """Return both ends of random directions: the slopes there are those at infinity."""
    ends = lines.samples(directions) * (FALSIFYING.single_reach if single else FALSIFYING.reach)
    return lines.unsaturated(np.concatenate([ends, -ends]))


def on_faces(lines: Lines, count: int) -> Array:
    """Return points of a box on faces of all dimensions, every other one a vertex."""
    assert lines.domain is not None
    low, high = lines.domain
    points = lines.inside(count)
    corners = np.where(lines.rng.integers(0, 2, points.shape) > 0, high, low)
    moved = lines.rng.uniform(size=points.shape) < FALSIFYING.on_face
    moved[::2] = True
    return np.where(moved, corners, points)
