"""The units of a layer, turned to the side on which each is active, by the first way that tells."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.deep import last_layer
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.cells import strewn, told
from divulge.reconstruction.deep.orientation.beside_always_on import with_unit_always_on
from divulge.reconstruction.deep.orientation.by_coefficients import coefficients, independent_points, votes
from divulge.reconstruction.deep.orientation.by_spans import turned_by_spans
from divulge.reconstruction.deep.orientation.by_walking import signs
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import CELLS, COEFFICIENTS, TURNING


def turned_in_cells(
    pool: Pool, prefix: Prefix, units: Candidates, draws: Array, enough: float
) -> Dense | None:
    """Turn the units of a narrow layer by answers where more features are on than there are units.

    There least squares over the units' rows show one that is missing; None where what is left is not that of
    one unit that is on everywhere, or a unit seems to be active on both sides.

    Args:
        pool: where to ask.
        prefix: the layers before, one at least.
        units: the layer's units, orientation open.
        draws: points (n, d) to choose from.
        enough: relative residual from which on a gradient is explained.
    """
    points = testing_points(pool, prefix, units, draws)
    if len(points) < TURNING.points:
        return turned_by_spans(pool, prefix, units, enough, draws)
    gradients = pool.probe.pieces(points)[:, :-1]
    some = gradients.any(axis=1)
    points, gradients = points[some], gradients[some]
    gamma, residual = coefficients(prefix, units, points, gradients)
    if (residual > enough).any():
        return with_unit_always_on(prefix, units, points, gradients, enough)
    zero = np.full((len(gamma), 1), pool.probe.tolerances.missing * np.abs(gamma).max(initial=0.0))
    above, active = prefix.features(points) @ units.rows.T + units.offsets > 0, np.abs(gamma) > zero
    if ((active & above).any(axis=0) & (active & ~above).any(axis=0)).any():
        return None
    return units.turned(votes(prefix, units, points, gamma, zero)[0])


def testing_points(pool: Pool, prefix: Prefix, units: Candidates, draws: Array) -> Array:
    """Return points (n, d) with more features on than there are units, each of these on and off at some."""
    testing = prefix.masks(draws).sum(axis=1) >= min(len(units) + 1, prefix.width)
    points = draws[testing & told(prefix, draws)]
    if not len(points):
        return np.asarray(points)
    points = strewn(prefix, units.rows, np.resize(points, (CELLS.strewn, points.shape[1])), pool.lines.rng)
    slopes = units.rows @ prefix.jacobians(points)
    sizes = np.linalg.svd(slopes, compute_uv=False)
    points = points[sizes[:, -1] * COEFFICIENTS.worst_condition > sizes[:, 0]]
    chosen = last_layer.telling_points(prefix, last_layer.as_layer(units), points, CELLS.sides)
    return np.asarray(points[chosen])


def turned(pool: Pool, prefix: Prefix, units: Candidates, enough: float) -> Dense | None:
    """Turn the units the right way, or return None where they do not explain the gradient anywhere.

    Args:
        pool: where to ask, and what was answered.
        prefix: the layers before.
        units: the layer's units, orientation open.
        enough: relative residual from which on a gradient is explained.
    """
    probe = pool.probe
    if not prefix.layers and len(units) > probe.input_size:
        return by_walks(pool, prefix, units)
    points, pieces = answers(pool, prefix, units)
    if not len(points):
        return turned_by_spans(pool, prefix, units, enough)
    gamma, residual = coefficients(prefix, units, points, pieces[:, :-1])
    usable = residual <= enough
    if probe.rounded and not usable.all():
        return None
    if not usable.any():
        return beside_always_on(pool, prefix, units, enough)
    points, gamma = points[usable], gamma[usable]
    largest = np.abs(gamma).max(axis=1, keepdims=True)
    if prefix.layers or probe.tolerances.blunt:
        zero = np.full_like(largest, probe.tolerances.missing * largest.max())
    else:  # every answer is as sharp as its own size, so that weak units' shares count, too
        zero = probe.tolerances.rounding * largest
    which, _ = votes(prefix, units, points, gamma, zero)
    return units.turned(which)


def answers(pool: Pool, prefix: Prefix, units: Candidates) -> tuple[Array, Array]:
    """Return points and pieces at which the units' gradients are told apart; of the first layer, old ones."""
    probe = pool.probe
    if prefix.layers or probe.rounded or probe.bends_are_cheap:
        draws = pool.lines.samples(TURNING.draws * TURNING.points)
        points = independent_points(prefix, units, draws, TURNING.points)
        return points, probe.pieces(points)
    points, pieces = probe.answered()
    told = np.flatnonzero(pieces[:, :-1].any(axis=1))
    told = np.random.default_rng(0).permutation(told)[: TURNING.answers]
    points = independent_points(prefix, units, points[told], len(told))
    return points, pieces[told][: len(points)]


def by_walks(pool: Pool, prefix: Prefix, units: Candidates) -> Dense | None:
    """Turn the units of a first layer with more units than inputs."""
    layer = Dense(units.rows, units.offsets)
    later = pool.solved(prefix.grown(layer), prefix, pool.sweeps)
    which = signs(pool.probe, layer, later.points, later.rows, pool.lines.rng)
    return None if which is None else units.turned(which)


def beside_always_on(pool: Pool, prefix: Prefix, units: Candidates, enough: float) -> Dense | None:
    """Turn the units of a layer where one more unit is on everywhere, and add that."""
    points, pieces = pool.probe.answered()
    usual = np.linalg.norm(points, axis=1) <= pool.usual
    points, pieces = points[usual], pieces[usual]
    clear = last_layer.clear_of_hyperplanes(prefix, last_layer.as_layer(units), points)
    return with_unit_always_on(prefix, units, points[clear], pieces[clear, :-1], enough)
