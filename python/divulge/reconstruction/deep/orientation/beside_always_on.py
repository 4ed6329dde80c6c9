"""A unit of an inner layer that is on everywhere: no kink shows it, yet the layers behind read it.

At a point the gradient, in the features of the layer before, is

    h = sum over active units j of gamma_j r_j + gamma_0 r_0      on the active features,

r_0 the row of the unit that nothing has shown. Whatever of h no known row explains is gamma_0 times what no
known row explains of r_0: equations in r_0 that are linear once h is known, and leave it open up to known
rows. With such a row in place of r_0 the coefficient of a unit that is inactive is a fixed multiple of
gamma_0. That tells for every unit on which side it is inactive, and the multiple is what r_0 lacks.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.partial_rows import Segments, segments
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import ALWAYS_ON, RANK, TINY


def with_unit_always_on(
    prefix: Prefix, units: Candidates, points: Array, gradients: Array, tolerance: float
) -> Dense | None:
    """Return the layer with a unit that is on everywhere, or None where there is not exactly one such unit.

    Args:
        prefix: the layers before.
        units: the layer's units, orientation open.
        points: where gradients are known, clear of hyperplanes, shape (n, d).
        gradients: shape (n, d).
        tolerance: relative residual that counts as rounding.
    """
    crowded = np.argsort(-prefix.masks(points).sum(axis=1), kind="stable")[: ALWAYS_ON.most_points]
    shown = segments(prefix, points[crowded], gradients[crowded])
    wide = shown.masks.sum(axis=1) > len(units)
    shown = shown.take(wide & shown.determined & (shown.residuals <= tolerance))
    row = common_row(units.rows, shown)
    if row is None:
        return None
    gamma, explained = shares(np.concatenate([units.rows, row[None]]), shown)
    shown, gamma = shown.take(explained <= tolerance), gamma[explained <= tolerance]
    features = prefix.features(shown.points)
    above = features @ units.rows.T + units.offsets > 0
    found = inactive_shares(gamma, above)
    if found is None:
        return None
    turned, share = found
    row = row + share @ units.rows
    row /= np.linalg.norm(row)
    layer = units.turned(turned)
    level = ALWAYS_ON.above * float(np.abs(features @ row).max())
    return Dense(np.concatenate([layer.rows, row[None]]), np.append(layer.offsets, level))


def common_row(rows: Array, shown: Segments) -> Array | None:
    """Return the part that no known row explains of the one row that all answers share, or None."""
    equations = [np.zeros((0, rows.shape[1]))]
    for h, mask in zip(shown.rows, shown.masks, strict=True):
        q = np.linalg.qr(rows[:, mask].T, mode="complete")[0][:, len(rows) :]
        left = q.T @ h[mask]
        size = np.linalg.norm(left)
        if size <= ALWAYS_ON.none * np.linalg.norm(h[mask]):
            continue
        across = q - np.outer(q @ left, left) / size**2
        part = np.zeros((len(left), rows.shape[1]))
        part[:, mask] = across.T
        equations.append(part)
    stacked = np.concatenate(equations)
    basis = np.linalg.qr(rows.T, mode="complete")[0][:, len(rows) :]  # rows that no known one is part of
    if basis.shape[1] == 1 and len(stacked):
        return np.asarray(basis[:, 0])  # whatever is left is its
    if len(stacked) < basis.shape[1] or not basis.shape[1]:
        return None
    _, s, vt = np.linalg.svd(stacked @ basis, full_matrices=False)
    several = s[-2] <= ALWAYS_ON.none * np.sqrt(len(stacked))  # rows fit: answers of one row more say nothing
    if several or s[-1] > ALWAYS_ON.gap * s[-2]:
        return None
    return np.asarray(basis @ vt[-1])


def shares(rows: Array, shown: Segments) -> tuple[Array, Array]:
    """Return the coefficients of rows at every point, the last one's being 1, and the relative residuals."""
    gamma, residual = np.empty((len(shown), len(rows) - 1)), np.empty(len(shown))
    for n, (h, mask) in enumerate(zip(shown.rows, shown.masks, strict=True)):
        basis = rows[:, mask].T
        found = np.linalg.lstsq(basis, h[mask], rcond=RANK)[0]
        residual[n] = np.linalg.norm(basis @ found - h[mask]) / max(np.linalg.norm(h[mask]), TINY)
        safe = found[-1] if found[-1] else np.nan
        gamma[n] = found[:-1] / safe
    return gamma, np.where(np.isfinite(gamma).all(axis=1), residual, np.inf)


def inactive_shares(gamma: Array, above: Mask) -> tuple[Mask, Array] | None:
    """Return which units are active below their hyperplanes, and the fixed coefficients of inactive ones.

    Args:
        gamma: coefficients relative to that of the unit that is on everywhere, shape (n, c).
        above: on which side of each unit's hyperplane a point lies, shape (n, c).
    """
    middles, spreads = zip(*(centre(np.where(side, gamma, np.nan)) for side in (above, ~above)), strict=True)
    spread = np.array(spreads)
    fixed, varies = (spread <= ALWAYS_ON.fixed * np.nanmax(spread, initial=0.0)), np.isfinite(spread)
    varies &= ~fixed
    inactive = fixed | (varies[::-1] & np.isfinite(middles))  # too few points to see that it is fixed
    if (inactive.sum(axis=0) != 1).any():
        return None
    return inactive[0], np.where(inactive[0], *middles)


def centre(values: Array) -> tuple[Array, Array]:
    """Return median and deviation of columns, NaN left out, shape (c,); NaN where too few are left."""
    middle, spread = np.full((2, values.shape[1]), np.nan)
    for j, column in enumerate(values.T):
        own = column[np.isfinite(column)]
        middle[j] = np.median(own) if len(own) else np.nan
        spread[j] = (
            np.quantile(np.abs(own - middle[j]), ALWAYS_ON.most) if len(own) >= ALWAYS_ON.seen else np.nan
        )
    return middle, spread
