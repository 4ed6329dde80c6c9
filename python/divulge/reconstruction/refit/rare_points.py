"""Where to ask about entries of rows that are known badly: unit and feature are hardly ever on together."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.derivatives import Tangents
from divulge.reconstruction.refit.gauss_newton import Told, whitening
from divulge.reconstruction.settings import GAUSS_NEWTON, RARE


def rare_points(model: DeepModel, told: Told, seeds: Array, lines: Lines) -> Array:
    """Return points where units are on together with features of which values tell little.

    Args:
        model: nearly right.
        told: the values.
        seeds: all points asked about, those too close to hyperplanes for a fit as well, shape (m, d).
        lines: the domain, and what draws.

    Returns:
        Shape (n, d).
    """
    tangents = Tangents.at(model, told.points, told.output, slope=False)
    levels, found = model.whole().levels(seeds), [np.empty((0, model.prefix.input_size))]
    for place, squares in enumerate(tangents.squares(1 / told.rounding)[1:-1]):
        factor = whitening(squares, prior=1.0)
        blunt = np.sqrt(np.einsum("umn,umn->um", factor, factor))[:, :-1] > RARE.blunt
        for unit, feature in np.argwhere(blunt):
            both = (levels[place + 1][:, unit] > 0) & (levels[place][:, feature] > 0)
            if both.any():
                found.append(near(model, place, (unit, feature), seeds[both], lines))
    return np.concatenate(found)


def near(model: DeepModel, place: int, pair: tuple[int, int], seeds: Array, lines: Lines) -> Array:
    """Return points of the same kind around some, at all distances, clear of hyperplanes."""
    count = RARE.values * RARE.draws
    seeds = seeds[lines.rng.integers(len(seeds), size=count)]
    share = 10 ** lines.rng.uniform(RARE.nearest, 0, size=(count, 1))
    points = seeds + share * (lines.samples(count) - seeds)
    levels = model.whole().levels(points)
    good = (levels[place + 1][:, pair[0]] > 0) & (levels[place][:, pair[1]] > 0)
    good &= clear_of_hyperplanes(model.prefix, model.layer, points, GAUSS_NEWTON.clearance)
    far = np.argsort(-share[good, 0], kind="stable")[: RARE.values]
    return np.asarray(points[good][far])
