"""Units of the first layer that no line has shown, looked for along the gradients that betray them.

Every gradient is a sum of rows of the first layer. What the rows known so far leave of one is orthogonal to
them: along it none of their units switches, but those that are missing do. Where the levels of known units
are large, a few much larger than others, later layers are on and off by them, and switch seldom along it.

Units a million times weaker than others drown in the rounding of the others' gradients. In the dark, where
all known units are off, theirs are the only ones, and as sharp as any.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probability_reach import farthest, nearer
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import LAYERS, POSITIVE, UNEXPLAINED


def unexplained(probe: Probe, rows: Array) -> tuple[float, Array] | None:
    """Return how much rows (h, d) leave at most, and what of the gradient they span worst; None if nothing.

    Returns:
        A size relative to the largest gradient, and a direction, shape (d,).
    """
    gradients = probe.answered()[1][:, :-1]
    basis = np.linalg.svd(rows, full_matrices=False)[2][: np.linalg.matrix_rank(rows)] if len(rows) else rows
    left = gradients - (gradients @ basis.T) @ basis
    size, whole = np.linalg.norm(left, axis=1), np.linalg.norm(gradients, axis=1)
    largest = whole.max(initial=0.0)
    share = np.divide(size, whole, out=np.zeros_like(size), where=size > UNEXPLAINED.faint * largest)
    worst = int(np.argmax(share))
    if share[worst] <= probe.tolerances.rounding:
        return None
    length = float(np.sqrt(left.shape[1]))
    strength = float(size.max() / largest)
    return strength, np.asarray(left[worst] * (length / float(size[worst])), float)


def far_origin(probe: Probe, units: Candidates, lines: Lines) -> Array:
    """Return a point (d,) at which the first layer's known units have large levels, as far as answers go."""
    point: Array = lines.samples(1)[0]
    free = free_layer(units, lines)
    if free is None:
        return np.asarray(point)
    logs = POSITIVE.sigma * lines.rng.standard_normal(len(units))
    size = UNEXPLAINED.far * np.maximum(np.exp(logs - logs.max()), POSITIVE.least) * free.spread
    levels = size * lines.rng.choice([-1.0, 1.0], len(units))
    far = point + free.inverse @ (levels - free.layer.levels(point[None])[0])
    return np.asarray(nearer(far[None], farthest(probe, lines))[0])


def dark_origin(probe: Probe, units: Candidates, lines: Lines) -> Array | None:
    """Return a point (d,) at which the first layer's known units are off, None where there is none to be had.

    A gradient has a share of the rows of units that are on, and none of the others': that tells the sides.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    units = met_once(units, probe.tolerances.alike)
    free = free_layer(units, lines)
    if free is None:
        return None
    point: Array = lines.samples(1)[0]
    points, pieces = probe.answered()
    shares, levels = np.abs(pieces[:, :-1] @ free.inverse), free.layer.levels(points)
    above, below = (
        (shares * side).sum(axis=0) / np.maximum(side.sum(axis=0), 1) for side in (levels > 0, levels < 0)
    )
    size = free.spread * lines.rng.uniform(*UNEXPLAINED.dark, len(units))
    off = np.where(above > below, -size, size)
    dark = point + free.inverse @ (off - free.layer.levels(point[None])[0])
    steep = np.linalg.norm(probe.pieces(dark[None])[0, :-1])
    return np.asarray(dark) if steep <= UNEXPLAINED.weak * probe.steepest else None


def met_once(units: Candidates, alike: float) -> Candidates:
    """Return units without those whose row another has too: weak ones, met far out at two blunt offsets."""
    same = np.abs(np.triu(units.rows @ units.rows.T, k=1)) > 1 - alike**2 / 2
    return units.take(np.flatnonzero(~same.any(axis=0)))


def free_layer(units: Candidates, lines: Lines) -> FreeLayer | None:
    """Return the first layer of these units, None where their levels cannot be chosen."""
    prefix = Prefix(units.rows.shape[1], [Dense(units.rows, units.offsets)])
    return FreeLayer.of(prefix, lines.domain, lines.samples(LAYERS.samples))
