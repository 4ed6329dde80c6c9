"""Units of the first layer that no line has shown, looked for along the gradients that betray them.

Every gradient is a sum of rows of the first layer. What the rows known so far leave of one is orthogonal to
them: along it none of their units switches, but those that are missing do.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.settings import UNEXPLAINED


def unexplained(probe: Probe, rows: Array) -> tuple[Array, Array]:
    """Return answered points and directions (n, d) in which units must switch whose rows (h, d) do not span.

    None where all gradients are spanned.
    """
    points, pieces = probe.answered()
    gradients = pieces[:, :-1]
    basis = np.linalg.svd(rows, full_matrices=False)[2][: np.linalg.matrix_rank(rows)] if len(rows) else rows
    left = gradients - (gradients @ basis.T) @ basis
    size, whole = np.linalg.norm(left, axis=1), np.linalg.norm(gradients, axis=1)
    share = np.divide(size, whole, out=np.zeros_like(size), where=whole > 0)
    worst = np.argsort(-share, kind="stable")[: UNEXPLAINED.lines]
    worst = worst[share[worst] > probe.tolerances.alike]
    length = np.sqrt(points.shape[1])
    return points[worst], left[worst] * (length / size[worst])[:, None]
