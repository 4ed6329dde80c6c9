"""Whether a kink's jump is the same wherever its hyperplane is met: it is where there is one hidden layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.one_layer.decoding import jump_tolerance
from divulge.reconstruction.settings import DEEPER


def looks_deeper(transcript: Transcript, lines: Lines, edges: Edges) -> bool:
    """Return whether a jump met on a line is another one, or none, elsewhere on its hyperplane.

    Certifies the kinks of a few short edges and looks for them at random places, in all of R^d.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    blunt = transcript.tolerances.single
    points, jumps = certified_kinks(transcript, lines, edges, DEEPER.single_kinks if blunt else DEEPER.kinks)
    if not len(points):
        return False
    if not blunt:
        return differ_elsewhere(transcript, lines, points, jumps)
    places = lines.on_hyperplanes(points, jumps, DEEPER.places)
    found = jumps_near(transcript, places, jumps)
    return bool((found.any(axis=0)).mean() < DEEPER.shown)


def differ_elsewhere(transcript: Transcript, lines: Lines, points: Array, jumps: Array) -> bool:
    """Return whether a jump at points (n, d) is another at most places of its hyperplane.

    At one, where many units' hyperplanes are near, another's may be within the step; where it is so at some
    places alone more are asked about.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    for count in (DEEPER.places, DEEPER.more_places):
        places = lines.on_hyperplanes(points, jumps, count)
        differs = (jump_errors(transcript, places, jumps) > DEEPER.same).mean(axis=0)
        if differs.max() in (0.0, 1.0):
            break
    return bool(differs.max() >= DEEPER.differs)


def jump_errors(transcript: Transcript, places: Array, jumps: Array) -> Array:
    """Ask on both sides of hyperplanes at places (p, n, d) for how far the jumps (n, d) differ, relative."""
    size = np.linalg.norm(jumps, axis=1)
    away = DEEPER.step * (1 + np.linalg.norm(places, axis=2, keepdims=True)) * (jumps / size[:, None])
    rows = transcript.ask(np.concatenate([places + away, places - away]).reshape(-1, places.shape[2]))
    above, below = transcript.pieces[rows][:, :-1].reshape(2, *places.shape)
    return np.asarray(differences(above - below, jumps))


def jumps_near(transcript: Transcript, places: Array, jumps: Array) -> NDArray[np.bool_]:
    """Search across roughly known hyperplanes; return at which places the jumps show, shape (p, n)."""
    sizes = np.linalg.norm(jumps, axis=1, keepdims=True)
    reach = DEEPER.reach * (1 + np.linalg.norm(places, axis=2, keepdims=True) / np.sqrt(places.shape[2]))
    starts = (places - reach * jumps / sizes).reshape(-1, places.shape[2])
    across = (2 * reach * jumps / sizes).reshape(starts.shape)
    found = GradientProbe(transcript).kinks(starts, across, np.zeros(len(starts)), np.ones(len(starts)))
    same = differences(found.jumps, np.tile(jumps, (len(places), 1))[found.line]) <= DEEPER.single_same
    shown = np.zeros(len(starts), bool)
    shown[found.line[same]] = True
    return shown.reshape(places.shape[:2])


def differences(found: Array, jumps: Array) -> Array:
    """Return how far jumps are from others (..., d), either way round, relative."""
    sign = np.where(np.sum(found * jumps, axis=-1) < 0, -1.0, 1.0)[..., None]
    return np.asarray(np.linalg.norm(found - sign * jumps, axis=-1) / np.linalg.norm(jumps, axis=-1))


def certified_kinks(transcript: Transcript, lines: Lines, edges: Edges, count: int) -> tuple[Array, Array]:
    """Return some kinks of the narrowest edges over which the gradient jumps: points and jumps, (n, d)."""
    jump = np.linalg.norm((transcript.pieces[edges.right] - transcript.pieces[edges.left])[:, :-1], axis=1)
    least = max(jump_tolerance(transcript), DEEPER.weak * transcript.scale)
    open_edges = np.flatnonzero(jump[: edges.on_line] > least)
    if not len(open_edges):
        return np.empty((0, lines.input_size)), np.empty((0, lines.input_size))
    width = (edges.high - edges.low)[open_edges]
    chosen = open_edges[np.argsort(width, kind="stable")][: max(1, count // DEEPER.kinks)]
    line = edges.line[chosen]
    low, high = lines.to_t(edges.low[chosen]), lines.to_t(edges.high[chosen])
    origins, directions = lines.origins[line, :-1], lines.directions[line, :-1]
    kinks = GradientProbe(transcript).kinks(origins, directions, low, high)
    return kinks.points[:count], kinks.jumps[:count]
