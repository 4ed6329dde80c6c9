"""Questions about one unit, asked at chosen places of its bent hyperplane."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import HYPERPLANES

LevelsAndSlopes = Callable[[Array], tuple[Array, Array]]


def unit_vectors(vectors: Array) -> Array:
    """Return vectors (n, d) scaled to length 1; zero vectors stay."""
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0))


def levels_and_slopes(prefix: Prefix, rows: Array, offsets: Array, points: Array) -> tuple[Array, Array]:
    """Return the pre-activation rows[n] . features + offsets[n] and its gradient at point n."""
    levels = np.einsum("np,np->n", rows, prefix.features(points)) + offsets
    return levels, prefix.gradients(points, rows)


def onto(prefix: Prefix, rows: Array, offsets: Array, points: Array) -> Array:
    """Move each point onto its unit's hyperplane, by the shortest step of the piece it is in, repeatedly."""
    for _ in range(HYPERPLANES.newton_steps):
        levels, slopes = levels_and_slopes(prefix, rows, offsets, points)
        size = np.einsum("nd,nd->n", slopes, slopes)
        step = np.divide(levels, size, out=np.zeros_like(levels), where=size > 0)
        points = points - step[:, None] * slopes
    return points


def onto_both(
    prefix: Prefix, rows: Array, offsets: Array, inner: Prefix, features: Index, points: Array
) -> Array:
    """Move each point to where its unit's hyperplane meets the hyperplane of a feature.

    Args:
        prefix: the layers before the units, of which the last one holds the features.
        rows: one unit for each point, shape (n, p).
        offsets: of those units, shape (n,).
        inner: the prefix without its last layer.
        features: one feature for each point, shape (n,).
        points: starts, shape (n, d).
    """
    layer = prefix.layers[-1]
    return onto_two(
        lambda x: levels_and_slopes(prefix, rows, offsets, x),
        lambda x: levels_and_slopes(inner, layer.rows[features], layer.offsets[features], x),
        points,
    )


def onto_two(one: LevelsAndSlopes, other: LevelsAndSlopes, points: Array) -> Array:
    """Move each point to where two levels, told with their gradients at points (n, d), vanish."""
    for _ in range(HYPERPLANES.newton_steps):
        (a, u), (b, v) = one(points), other(points)
        uu, vv, uv = (np.einsum("nd,nd->n", x, y) for x, y in ((u, u), (v, v), (u, v)))
        determinant = uu * vv - uv**2
        good = determinant > HYPERPLANES.parallel * uu * vv
        safe = np.where(good, determinant, 1.0)
        alpha = np.where(good, (a * vv - b * uv) / safe, 0.0)
        beta = np.where(good, (b * uu - a * uv) / safe, 0.0)
        points = points - alpha[:, None] * u - beta[:, None] * v
    return points


def nearness(probe: Probe, points: Array) -> Array:
    """Return how far from hyperplanes to ask at points (n, d), shape (n,)."""
    near = probe.tolerances.missing if probe.rounded else HYPERPLANES.near
    return np.asarray(near * (1.0 + np.linalg.norm(points, axis=1) / np.sqrt(points.shape[1])))


def jumps_across(probe: Probe, points: Array, normals: Array, towards: Array | None = None) -> Array:
    """Ask on both sides of hyperplanes and return the gradients' jumps.

    Args:
        probe: where to ask.
        points: on the hyperplanes, shape (n, d).
        normals: of the hyperplanes there, shape (n, d).
        towards: direction into the region in which the jump is wanted, or None.
    """
    size = nearness(probe, points)
    centre = points if towards is None else points + HYPERPLANES.tilt * size[:, None] * unit_vectors(towards)
    step = size[:, None] * unit_vectors(normals)
    pieces = probe.pieces(
        np.concatenate([centre + step, centre - step]), np.tile(HYPERPLANES.tilt * size, 2) / 2
    )
    return np.asarray(pieces[: len(points), :-1] - pieces[len(points) :, :-1])


def borne_out(probe: Probe, prefix: Prefix, units: Candidates, which: Index, points: Array) -> Mask:
    """Ask whether there is a kink at places predicted for units.

    The row of a weak unit is blunt, and misses a kink by more than usual: where a unit was met several times
    the kink is looked for within a longer way, too.

    Args:
        probe: where to ask.
        prefix: the layers before.
        units: the candidates.
        which: the candidate each place belongs to, shape (n,).
        points: places on their hyperplanes, shape (n, d).
    """
    if not len(points):
        return np.zeros(0, bool)
    normals, near = prefix.gradients(points, units.rows[which]), nearness(probe, points)
    found = probe.bends(points, normals, near)
    for wider in HYPERPLANES.wider if probe.bends_are_cheap else ():
        left = np.flatnonzero(~found & (units.members[which] > 1))
        found[left] = probe.bends(points[left], normals[left], wider * near[left])
    return found


def orthogonal_to(normals: Array, vectors: Array) -> Array:
    """Return the part of each vector (n, d) that is orthogonal to its normal (n, d)."""
    v = unit_vectors(normals)
    return np.asarray(vectors - np.einsum("nd,nd->n", vectors, v)[:, None] * v)


def bend_shares(probe: Probe, points: Array, normals: Array, bends: Array) -> tuple[Array, Mask]:
    """Ask how hyperplanes bend: behind its edge at point n one has the normal normals[n] + share bends[n].

    Args:
        probe: where to ask.
        points: on the edges, shape (n, d).
        normals: before the edges, shape (n, d).
        bends: normals of the hyperplanes that make the edges, pointing ahead, shape (n, d).

    Returns:
        The shares, 0 where they could not be told, and where they could, shape (n,) each.
    """
    if probe.bends_are_cheap and probe.noise <= HYPERPLANES.crooked:
        return shares_by_slopes(probe, points, normals, bends)
    jumps = jumps_across(probe, points, orthogonal_to(bends, normals), bends)  # stays behind the edge
    shares, good = np.zeros(len(points)), np.zeros(len(points), bool)
    for n, (jump, normal, bend) in enumerate(zip(jumps, normals, bends, strict=True)):
        basis = np.stack([normal, bend], axis=1)
        solution = np.linalg.lstsq(basis, jump, rcond=None)[0]
        size = np.linalg.norm(jump)
        own = np.abs(solution[0]) * np.linalg.norm(normal)
        good[n] = (
            size > 0
            and np.linalg.norm(basis @ solution - jump) <= HYPERPLANES.crooked * size
            and own > HYPERPLANES.crooked * size
        )
        shares[n] = solution[1] / solution[0] if good[n] else 0.0
    return shares, good


def shares_by_slopes(probe: Probe, points: Array, normals: Array, bends: Array) -> tuple[Array, Mask]:
    """Tell the same from jumps g of slopes, along n and v, normal and bend, made orthogonal to one another.

        g_n = gamma n . e_n,   g_v = gamma share v . e_v,   and none across both.

    Every slope is a difference of two values.
    """
    size = nearness(probe, points)
    along, ahead = unit_vectors(orthogonal_to(bends, normals)), unit_vectors(orthogonal_to(normals, bends))
    across = np.random.default_rng(len(points)).standard_normal(points.shape)
    across = unit_vectors(orthogonal_to(along, orthogonal_to(bends, across)))
    centre = points + HYPERPLANES.tilt * size[:, None] * unit_vectors(bends)  # behind the edge
    directions = np.stack([along, ahead, across], axis=1)
    step = size[:, None] * along
    after = probe.slopes(centre + step, directions, HYPERPLANES.tilt * size)
    g = after - probe.slopes(centre - step, directions, HYPERPLANES.tilt * size)
    own = g[:, 0] / np.einsum("nd,nd->n", normals, along)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = g[:, 1] / np.einsum("nd,nd->n", bends, ahead) / own
    jump = np.hypot(g[:, 0], g[:, 1])
    crooked = HYPERPLANES.slope_crooked * HYPERPLANES.crooked
    good = (np.abs(g[:, 2]) <= crooked * jump) & (np.abs(g[:, 0]) > crooked * jump) & np.isfinite(shares)
    return np.where(good, shares, 0.0), np.asarray(good)
