"""Whether a kink's jump is the same wherever its hyperplane is met: it is where there is one hidden layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.lines import Edges, Lines
from divulge.reconstruct.probe import GradientProbe
from divulge.reconstruct.transcript import Transcript

Array = NDArray[np.float64]

KINKS, PLACES = 2, 2  # how many kinks are looked for elsewhere, and where
STEP = 1e-5  # distance of the questions from a hyperplane; longer where rounding blurs the hyperplane
BLUR = 1e4  # in roundings
SAME = 1e-3  # relative difference of jumps that may be rounding


def looks_deeper(transcript: Transcript, lines: Lines, edges: Edges) -> bool:
    """Return whether a jump met on a line is another one, or none, elsewhere on its hyperplane.

    Certifies the kinks of one short edge and asks on both sides of their hyperplanes at random places, in all
    of R^d.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    points, jumps = certified_kinks(transcript, lines, edges)
    if not len(points):
        return False
    places = lines.samples(PLACES * len(points)).reshape(PLACES, *points.shape)
    levels = np.einsum("pnd,nd->pn", places - points, jumps)
    square = np.einsum("nd,nd->n", jumps, jumps)
    places = places - (levels / square)[:, :, None] * jumps
    step = max(STEP, BLUR * transcript.noise)
    away = step * (1 + np.linalg.norm(points, axis=1, keepdims=True)) * jumps / np.sqrt(square)[:, None]
    rows = transcript.ask(np.concatenate([places + away, places - away]).reshape(-1, lines.input_size))
    above, below = transcript.pieces[rows][:, :-1].reshape(2, *places.shape)
    found = above - below
    sign = np.where(np.einsum("pnd,nd->pn", found, jumps) < 0, -1.0, 1.0)[:, :, None]
    off = np.linalg.norm(found - sign * jumps, axis=2)
    return bool((off > SAME * np.sqrt(square)).mean() > (0.0 if step == STEP else 0.5))


def certified_kinks(transcript: Transcript, lines: Lines, edges: Edges) -> tuple[Array, Array]:
    """Return a few kinks of the narrowest edge over which the gradient jumps: points and jumps, (n, d)."""
    jump = np.linalg.norm((transcript.pieces[edges.right] - transcript.pieces[edges.left])[:, :-1], axis=1)
    open_edges = np.flatnonzero(jump[: edges.on_line] > 1e-9 * transcript.scale)
    if not len(open_edges):
        return np.empty((0, lines.input_size)), np.empty((0, lines.input_size))
    edge = open_edges[np.argmin((edges.high - edges.low)[open_edges])]
    line = edges.line[edge]
    low, high = lines.to_t(np.array([edges.low[edge], edges.high[edge]]))
    origin, direction = lines.origins[line, :-1][None], lines.directions[line, :-1][None]
    kinks = GradientProbe(transcript).kinks(origin, direction, np.array([low]), np.array([high]))
    return kinks.points[:KINKS], kinks.jumps[:KINKS]
