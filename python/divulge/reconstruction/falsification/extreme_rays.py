"""Inputs far out where units of later layers are on, or off, that are so nowhere else.

Far from the origin offsets count for nothing, and the known layers cut the features p >= 0 of the first one
into cones, in each of which a unit of the next layer is linear in p. One that is on in any part of a cone is
so at one of its extreme rays: few features are on there, k of them, and k - 1 units of the known layers
behind are between on and off. An 80-10-10-9-3 copied without a unit was wrong at 1 of 40,000 directions, and
at 1 of 500 such rays; behind one known layer the rays are its single features.

Rays are many, and most of them tell what others do: where f(e) are the features of a layer on ray e, f over
their sum, a unit of the next layer that is on anywhere is so where some r . f is the largest of all rays. So
rays are ranked by how many random r have their largest r . f there.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import EXTREME_RAYS, FALSIFYING, RANK, TINY


def on_extreme_rays(prefix: Prefix, lines: Lines, count: int) -> Array:
    """Return points (n, d) right beside extreme rays, no two of one ray, those of single features first.

    They are 1,000 times as far out as usual: further than units that decide anything at usual inputs switch.

    Args:
        prefix: the known layers, one at least.
        lines: draws which, and on which side.
        count: how many at most.
    """
    if not has_rays(prefix, lines):
        return np.empty((0, lines.input_size))
    first = prefix.layers[0]
    features = distinct_rays(prefix, lines.rng, count)
    off = -np.abs(lines.rng.standard_normal(features.shape)) / np.sqrt(len(first))
    size = np.linalg.norm(first.rows, axis=1)
    levels = FALSIFYING.farthest * np.sqrt(lines.input_size) * size * np.where(features > 0, features, off)
    drawn, moves = lines.samples(len(levels)), lines.rng.standard_normal((len(levels), lines.input_size))
    points = drawn + (levels - first.levels(drawn)) @ np.linalg.pinv(first.rows).T
    usual = np.linalg.norm(points, axis=1, keepdims=True) / np.sqrt(lines.input_size)
    return lines.unsaturated(points + EXTREME_RAYS.beside * usual * moves)


def has_rays(prefix: Prefix, lines: Lines) -> bool:
    """Whether there are inputs far out on every extreme ray.

    There are none in a box, nor where the first layer's rows depend on each other, or hand their input on:
    not every p is then that of an input.
    """
    if lines.domain is not None or not prefix.layers:
        return False
    first = prefix.layers[0]
    return not first.passage and independent(first)


def independent(layer: Dense) -> bool:
    """Whether a layer's rows are linearly independent."""
    _, s, _ = layer.svd
    return len(layer) <= layer.rows.shape[1] and bool(s.min(initial=np.inf) > RANK * s.max(initial=TINY))


def distinct_rays(prefix: Prefix, rng: np.random.Generator, count: int) -> Array:
    """Return features (n, h) of the first layer over its rows' lengths, on extreme rays, at most `count`.

    Those of single features come first, then those that tell most.
    """
    units = len(prefix.layers[0])
    single = np.eye(units)[rng.permutation(units)[:count]]
    if len(prefix.layers) == 1 or count <= units:
        return single
    rays = drawn_rays(prefix, rng)
    best = np.argsort(-times_largest(prefix, rays, rng), kind="stable")
    best = best[(rays[best] > 0).sum(axis=1) > 1]
    return np.concatenate([single, rays[best[: count - units]]])


def drawn_rays(prefix: Prefix, rng: np.random.Generator) -> Array:
    """Draw features (n, h) of the first layer over its rows' lengths on distinct extreme rays."""
    units = len(prefix.layers[0])
    found, most = [np.eye(units)], min(units, EXTREME_RAYS.most)
    each = -(-EXTREME_RAYS.drawn // max(most - 1, 1))
    for size in range(2, most + 1):
        chosen = rng.uniform(size=(each, units)).argsort(axis=1)[:, :size]
        found.append(walked(prefix, np.sort(chosen, axis=1), rng))
    rays = np.concatenate(found)
    _, kept = np.unique(np.round(rays, EXTREME_RAYS.digits), axis=0, return_index=True)
    return np.asarray(rays[kept])


def times_largest(prefix: Prefix, rays: Array, rng: np.random.Generator) -> Array:
    """Return on how many random combinations of a layer's features each ray (n, h) is the largest, (n,).

    Features count over their sum, as only a ray's direction does; those of all layers but the first, of
    which single features tell all.
    """
    features = rays * np.linalg.norm(prefix.layers[0].rows, axis=1)
    times = np.zeros(len(rays))
    for layer in prefix.layers[1:]:
        levels = features @ layer.rows.T
        features = levels * layer.on(levels)
        total = np.abs(features).sum(axis=1, keepdims=True)
        some = total[:, 0] > EXTREME_RAYS.dependent * total.max(initial=0.0)
        if some.any():
            shares = features[some] / total[some]
            combinations = rng.standard_normal((EXTREME_RAYS.combinations, shares.shape[1]))
            np.add.at(times, np.flatnonzero(some)[(shares @ combinations.T).argmax(axis=0)], 1)
    return times


def walked(prefix: Prefix, chosen: Index, rng: np.random.Generator) -> Array:
    """Walk from random places with chosen features (n, k) on to extreme rays of their cones, (n, h).

    Features are over their rows' lengths, places of length 1. Each step goes a random way, at a right angle
    to the place and along the hyperplanes met so far, to the next one.
    """
    n, size = chosen.shape
    places = lengthened(np.exp(rng.standard_normal((n, size))))
    rows = hyperplanes(prefix, chosen, places)
    met = np.zeros(rows.shape[:2], bool)
    walking = np.arange(n)
    for _ in range(size - 1):
        ways = along(rows[walking], met[walking], places[walking], rng)
        level, slope = (np.einsum("nmk,nk->nm", rows[walking], each) for each in (places[walking], ways))
        crosses = (np.abs(slope) > EXTREME_RAYS.dependent) & ~met[walking]
        t = np.where(crosses, -level / np.where(crosses, slope, 1.0), np.inf)
        backwards = rng.integers(0, 2, (len(walking), 1)) > 0
        t = np.where(backwards, -t, t)
        t = np.where(crosses & (t >= 0), t, np.inf)
        which, here = t.argmin(axis=1), np.arange(len(walking))
        steps = np.where(backwards[:, 0], -1.0, 1.0) * t[here, which]
        goes = np.isfinite(steps)
        walking, which = walking[goes], which[goes]
        places[walking] = lengthened(places[walking] + steps[goes, None] * ways[goes])
        met[walking, which] = True
    features = np.zeros((n, len(prefix.layers[0])))
    places[met[:, :size]] = 0.0
    np.put_along_axis(features, chosen, np.maximum(places, 0.0), axis=1)
    return features[walking]


def hyperplanes(prefix: Prefix, chosen: Index, places: Array) -> Array:
    """Return rows of length 1 over chosen features (n, k), in the cone of places (n, k), shape (n, m, k).

    The first k are those of the features themselves, then those of all layers behind.
    """
    size = np.linalg.norm(prefix.layers[0].rows, axis=1)
    maps = np.diag(size)[:, chosen].transpose(1, 0, 2)
    found = [np.broadcast_to(np.eye(chosen.shape[1]), (len(chosen), chosen.shape[1], chosen.shape[1]))]
    for layer in prefix.layers[1:]:
        rows = layer.rows @ maps
        found.append(lengthened(rows[:, : layer.units]))
        maps = rows * layer.on(np.einsum("nmk,nk->nm", rows, places))[:, :, None]
    return np.concatenate(found, axis=1)


def along(rows: Array, met: Mask, places: Array, rng: np.random.Generator) -> Array:
    """Return random ways (n, k) along the hyperplanes met so far, at a right angle to places (n, k)."""
    kept = np.concatenate([rows * met[:, :, None], places[:, None]], axis=1)
    _, s, vt = np.linalg.svd(np.swapaxes(kept, 1, 2) @ kept)
    free = s <= EXTREME_RAYS.dependent * s[:, :1]
    drawn = rng.standard_normal(places.shape) * free
    return lengthened(np.einsum("nk,nkj->nj", drawn, vt))


def lengthened(rows: Array) -> Array:
    """Return rows (..., k) at length 1, those of length 0 as they are."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), TINY))
