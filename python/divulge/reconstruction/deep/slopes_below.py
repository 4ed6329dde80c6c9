"""Slopes of units below 0: of leaky ones, absolute values, ReLUs.

At a point the gradient is sum_j s_j gamma_j (r_j . J), J the features' Jacobian, s_j = 1 where z_j is above
0 and the unit's slope below. Beside the hyperplane of unit i nothing else changes from one side to the other:
the two shares of its row have the slope's ratio. Two answers tell it, wherever what follows is alive. A
maximum or a skip connection has another ratio at another place.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates, joined
from divulge.reconstruction.deep.evidence import places
from divulge.reconstruction.deep.hyperplane_queries import nearness, unit_vectors
from divulge.reconstruction.deep.orientation.by_coefficients import coefficients
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.whole_rows import hyperplanes, whole_rows
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.one_layer.kink_by_kink import unlike
from divulge.reconstruction.settings import NAMED, SLOPES_BELOW


def with_slopes(probe: Probe, prefix: Prefix, units: Candidates, lines: Lines) -> Dense | None:
    """Return a layer with each unit's slope below 0, a plain one where all are 0; None where it is not told.

    Units are turned so that no slope is above 1.

    Args:
        probe: whom to ask.
        prefix: the layers before, turned.
        units: the layer's units, sides open.
        lines: where hyperplanes are looked for.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if probe.rounded or not len(units) or not units.known.all() or too_many(prefix, units):
        return None
    told: list[list[tuple[float, float]]] = [[] for _ in range(len(units))]
    for _ in range(SLOPES_BELOW.rounds):
        few = np.array([len(shares) < SLOPES_BELOW.places for shares in told])
        if not few.any():
            break
        found = shares_beside(probe, prefix, units, np.flatnonzero(few), lines)
        if found is None:
            return None
        for unit, above, below in zip(*found, strict=True):
            told[unit].append((above, below))
    slopes = [slope_of(shares, probe.tolerances.alike) for shares in told]
    if any(slope is None for slope in slopes):
        return None
    return turned(units, np.array(slopes, float), probe.tolerances.alike)


def too_many(prefix: Prefix, units: Candidates) -> bool:
    """Whether there are more units than numbers that come in: their shares of a gradient are not told."""
    return len(units) > min(prefix.width, prefix.input_size)


def shares_beside(
    probe: Probe, prefix: Prefix, units: Candidates, which: Index, lines: Lines
) -> tuple[Index, Array, Array] | None:
    """Return shares of units' rows beside their hyperplanes: the unit, above 0 and below, (n,) each.

    Places at which more than the unit's share changes, or none is seen, are left out. None where gradients
    hold more than the rows.
    """
    own, points = places(prefix, units.take(which), lines, SLOPES_BELOW.places)
    if not len(points):
        return np.empty(0, np.intp), np.empty(0), np.empty(0)
    own = which[own]
    step = nearness(probe, points)[:, None] * unit_vectors(prefix.gradients(points, units.rows[own]))
    sides = np.concatenate([points + step, points - step])
    gamma, residual = coefficients(prefix, units, sides, probe.pieces(sides)[:, :-1])
    alike, size = probe.tolerances.alike, np.abs(gamma).max(axis=1, initial=0.0)
    if (residual[size > 0] > alike).mean() > SLOPES_BELOW.beyond:
        return None
    which_place, (above, below) = np.arange(len(own)), np.split(gamma, 2)
    change = np.abs(above - below)
    change[which_place, own] = 0.0
    above, below = above[which_place, own], below[which_place, own]
    shown = np.maximum(np.abs(above), np.abs(below))
    good = np.maximum(*np.split(residual, 2)) <= alike
    good &= change.max(axis=1, initial=0.0) <= alike * shown
    good &= shown > SLOPES_BELOW.weak * np.maximum(*np.split(size, 2))
    good &= crosses(prefix, units, own, sides)
    return own[good], above[good], below[good]


def crosses(prefix: Prefix, units: Candidates, own: Index, sides: Array) -> Mask:
    """Whether each unit of places (n,) is above 0 at the first n of points (2 n, d), below at the others."""
    twice = np.tile(own, 2)
    levels = np.einsum("np,np->n", prefix.features(sides), units.rows[twice]) + units.offsets[twice]
    over, under = np.split(levels, 2)
    return np.asarray((over > 0) & (under < 0))


def slope_of(shares: list[tuple[float, float]], alike: float) -> float | None:
    """Return the slope below 0 over that above, in (-inf, inf], that all places agree about, or None."""
    if len(shares) < SLOPES_BELOW.least:
        return None
    pairs = np.array(shares)
    pairs = pairs / np.linalg.norm(pairs, axis=1, keepdims=True)
    pairs *= np.where(np.sum(pairs * pairs[0], axis=1, keepdims=True) < 0, -1.0, 1.0)
    above, below = np.median(pairs, axis=0)
    if np.abs(pairs - [above, below]).max() > alike:
        return None
    return float(below / above) if abs(above) > alike else float("inf")


def turned(units: Candidates, slopes: Array, alike: float) -> Dense:
    """Return the layer, units with slopes above 1 turned over.

    Slopes that differ by what answers leave open are one: a number of few digits among them, else the median.
    """
    over: Mask = np.abs(slopes) > 1
    with np.errstate(divide="ignore"):
        slopes = np.where(over, 1 / slopes, slopes)
    slopes = np.where(np.abs(slopes) > SLOPES_BELOW.none, slopes, 0.0)
    if np.ptp(slopes) <= alike:
        plain = np.round(np.median(slopes), NAMED.decimals)
        one = plain if slopes.min() <= plain <= slopes.max() else np.median(slopes)
        slopes = np.full_like(slopes, one)
    layer = units.turned(over)
    return Dense(layer.rows, layer.offsets, slopes=slopes if slopes.any() else None)


def whole_rows_behind(probe: Probe, layer: Dense, lines: Lines) -> Candidates | None:
    """Find the units after a first layer with slopes where theirs is the last, by features of one sign.

    Over features p > 0 no unit of the first layer switches, nor where all are below 0. Every unit after it
    that switches anywhere does so on one of these two sides. Below 0 a feature of slope 0 is not seen: where
    there is one only the side above is searched, and kinks elsewhere are to show the other units.

    Args:
        probe: whom to ask.
        layer: the first layer, its rows independent.
        lines: of the inputs; its random numbers are used.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    assert layer.slopes is not None
    sides = [(1.0, np.ones(len(layer))), (-1.0, -layer.slopes)]
    samples, found = lines.samples(SLOPES_BELOW.samples), list[Candidates]()
    for side, factors in sides if (np.abs(layer.slopes) > SLOPES_BELOW.seen).all() else sides[:1]:
        plain = Dense(side * layer.rows, side * layer.offsets)
        free = FreeLayer.of(Prefix(probe.input_size, [plain]), lines.domain, samples)
        units = None if free is None else whole_rows(probe, free, lines)
        if units is None:
            return None
        rows = units.rows / factors
        size = np.linalg.norm(rows, axis=1)
        found.append(replace(units, rows=rows / size[:, None], offsets=units.offsets / size))
    if len(found) == 1:
        return found[0]
    above, below = found  # where both show a unit the first does without a division
    new = unlike(hyperplanes(above), hyperplanes(below), probe.tolerances.alike)
    return joined(above, below.take(new))
