"""The other outputs of a network whose hidden units are known: a few queries each, no search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.refit import output_weights
from divulge.reconstruction.settings import OTHER_OUTPUTS


def solve_output(layer: Layer, transcript: Transcript, seen: Array, lines: Lines) -> tuple[Fit, Index]:
    """Ask about a known layer's weights to one output; return them and the rows of fresh answers.

    Args:
        layer: the hidden units.
        transcript: the record of that output.
        seen: points (m, d + 1) asked about any output.
        lines: see `probe_points`.
    """
    sharp = transcript.asked.tells_gradients

    def draw(count: int) -> Array:
        return lines.samples(count) if sharp else clearest(layer, lines, count)

    transcript.ask(probe_points(layer, lines, seen, draw))
    weights, base, decided = output_weights_and_base(layer, transcript)
    for _ in range(OTHER_OUTPUTS.more_points):
        if decided:
            break
        transcript.ask(draw(2))
        weights, base, decided = output_weights_and_base(layer, transcript)
    fit = Fit(Units(layer.rows * weights[:, None], np.sign(weights)), base, np.inf)
    return fit, transcript.ask(draw(1))


def clearest(layer: Layer, lines: Lines, count: int) -> Array:
    """Return of some random points (n, d) those farthest from hyperplanes: differences are sharp there."""
    points = lines.samples(OTHER_OUTPUTS.drawn * count)
    room = np.abs(homogeneous(points) @ layer.rows.T).min(axis=1, initial=np.inf)
    return points[np.argsort(-room, kind="stable")[:count]]


def probe_points(layer: Layer, lines: Lines, seen: Array, draw: Callable[[int], Array]) -> Array:
    """Return points (n, d) between which every unit switches, enough to solve for the output weights.

    Args:
        layer: the hidden units.
        lines: the ends of its first line, and its random points, are used.
        seen: points (m, d + 1) asked about other outputs; one is taken where a unit switches nowhere else.
        draw: returns so many random points, shape (n, d).
    """
    ends = lines.points(np.zeros(2, np.intp), np.array(lines.span()))
    points = np.concatenate([ends, draw(1 + len(layer) // lines.input_size)])
    on, on_seen = layer.on(homogeneous(points)), layer.on(seen)
    while len(seen):
        constant = on.all(axis=0) | ~on.any(axis=0)
        gain = (on_seen[:, constant] != on[0, constant]).sum(axis=1)
        if not gain.any():
            break
        best = int(np.argmax(gain))
        points, on = (
            np.concatenate([points, seen[best : best + 1, :-1]]),
            np.concatenate([on, on_seen[best : best + 1]]),
        )
    return np.concatenate([points, between_parallel_rows(layer, on, on_seen, seen)])


def between_parallel_rows(layer: Layer, on: Array, on_seen: Array, seen: Array) -> Array:
    """Return points, of those seen, that tell units with parallel rows apart where `on` does not."""
    cosine = np.abs(layer.rows[:, :-1] @ layer.rows[:, :-1].T)
    chosen = []
    for i, j in np.argwhere(np.triu(cosine > 1 - OTHER_OUTPUTS.parallel, 1)):
        relation, relation_seen = on[:, i] != on[:, j], on_seen[:, i] != on_seen[:, j]
        telling = np.flatnonzero(relation_seen != relation[0])
        if (relation == relation[0]).all() and len(telling):
            chosen.append(seen[telling[0], :-1])
    return np.array(chosen).reshape(-1, seen.shape[1] - 1)


def output_weights_and_base(layer: Layer, transcript: Transcript) -> tuple[Array, Array, bool]:
    """Solve for one output's weights (h,) and affine part (d + 1,), and say whether the answers decide them.

    With states S and rows R the gradient differences obey (S_i - S_0) diag(w) R = g_i - g_0: linear in w. The
    offset of the affine part comes from the answer nearest to the origin, where it is sharpest.
    """
    points, pieces = transcript.points, transcript.pieces
    on = layer.on(points)
    weights, decided = np.empty(0), True
    if len(layer):
        weights, decided = output_weights(
            on[1:] - on[0], layer.rows[:, :-1], (pieces[1:] - pieces[0])[:, :-1]
        )
    left = pieces - (on * weights) @ layer.rows
    nearest = np.argmin(np.linalg.norm(points, axis=1))
    return weights, np.append(left[:, :-1].mean(axis=0), left[nearest, -1]), decided
