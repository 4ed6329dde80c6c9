"""Units of the first layer that no line has shown, looked for along the gradients that betray them.

Every gradient is a sum of rows of the first layer. What the rows known so far leave of one is orthogonal to
them: along it none of their units switches, but those that are missing do. Where the levels of known units
are large, a few much larger than others, later layers are on and off by them, and switch seldom along it.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import LAYERS, POSITIVE, UNEXPLAINED


def unexplained(probe: Probe, rows: Array) -> Array | None:
    """Return what rows (h, d) leave of the gradient they span worst, shape (d,); None where they span all."""
    gradients = probe.answered()[1][:, :-1]
    basis = np.linalg.svd(rows, full_matrices=False)[2][: np.linalg.matrix_rank(rows)] if len(rows) else rows
    left = gradients - (gradients @ basis.T) @ basis
    size, whole = np.linalg.norm(left, axis=1), np.linalg.norm(gradients, axis=1)
    share = np.divide(size, whole, out=np.zeros_like(size), where=whole > 0)
    worst = int(np.argmax(share))
    if share[worst] <= probe.tolerances.missing:
        return None
    length = float(np.sqrt(left.shape[1]))
    return np.asarray(left[worst] * (length / float(size[worst])), float)


def far_origin(units: Candidates, lines: Lines) -> Array:
    """Return a point (d,) at which the levels of the first layer's known units are large."""
    point: Array = lines.samples(1)[0]
    layer = Dense(units.rows, units.offsets)
    free = FreeLayer.of(Prefix(len(point), [layer]), lines.domain, lines.samples(LAYERS.samples))
    if free is None:
        return np.asarray(point)
    logs = POSITIVE.sigma * lines.rng.standard_normal(len(layer))
    size = UNEXPLAINED.far * np.maximum(np.exp(logs - logs.max()), POSITIVE.least) * free.spread
    levels = size * lines.rng.choice([-1.0, 1.0], len(layer))
    return np.asarray(point + free.inverse @ (levels - layer.levels(point[None])[0]))
