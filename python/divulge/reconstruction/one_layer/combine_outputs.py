"""Rows that one output shows bluntly, and how another output sharpens them.

Noise of size e in a jump of length |D| turns the row that is read off it by e / |D|. A unit with a small
weight to one output and a large one to another is known badly from the first and well from the second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.settings import COMBINING, NOISE_FLOOR


def row_errors(transcript: Transcript, weights: Array) -> Array:
    """Angle by which noise turns rows whose jumps have these lengths, shape (h,)."""
    with np.errstate(divide="ignore"):
        return np.asarray(NOISE_FLOOR.guard * transcript.noise * transcript.scale / np.abs(weights))


def merged(layer: Layer, errors: Array, more: Layer, more_errors: Array) -> tuple[Layer, Array]:
    """Join the rows that only a new output shows; of a row that both know the sharper one is kept.

    Args:
        layer: what is known, h units.
        errors: angle by which its rows may be turned, shape (h,).
        more: the layer of one more output.
        more_errors: the same of its rows.

    Returns:
        The layer with one more output whose weights are still 0, and the errors of its rows.
    """
    rows, errors = layer.rows.copy(), errors.copy()
    new = []
    cosine = more.rows[:, :-1] @ rows[:, :-1].T
    turned = np.where(cosine < 0, -1.0, 1.0)
    sine = np.sqrt(np.maximum(2 - 2 * np.abs(cosine), 0.0))
    gap = np.abs(more.rows[:, -1:] - turned * rows[:, -1]) / np.sqrt(rows.shape[1])
    allowed = np.minimum(
        COMBINING.same_direction + COMBINING.sigmas * (more_errors[:, None] + errors), COMBINING.widest
    )
    distance = np.maximum(sine, gap) / allowed
    for number, row in enumerate(more.rows):
        known = int(np.argmin(distance[number])) if len(rows) else 0
        if not len(rows) or distance[number, known] > 1:
            new.append(number)
        elif more_errors[number] < errors[known]:
            rows[known], errors[known] = turned[number, known] * row, more_errors[number]
            distance[:, known] = np.inf  # taken
    weights = np.zeros((len(layer.weights) + 1, len(rows) + len(new)))
    weights[:-1, : len(rows)] = layer.weights
    base = np.concatenate([layer.base, np.zeros((1, rows.shape[1]))])
    grown = Layer(np.concatenate([rows, more.rows[new]]), weights, base)
    return grown, np.concatenate([errors, more_errors[new]])


def sharpened_rows(layer: Layer, errors: Array, transcripts: Sequence[Transcript], lines: Lines) -> Layer:
    """Ask about blunt rows on the outputs that show them best, two queries each, and replace them.

    The two points lie on both sides of the hyperplane as far as it is known; what other units do between
    them is taken off.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    by_output = np.stack([row_errors(t, w) for t, w in zip(transcripts, layer.weights, strict=True)])
    best = by_output.argmin(axis=0)
    rows = layer.rows.copy()
    for unit in np.flatnonzero(COMBINING.sharper * by_output.min(axis=0) < errors):
        transcript, weights = transcripts[best[unit]], layer.weights[best[unit]]
        place = np.append(lines.samples(1)[0], 1.0)
        normal = np.append(rows[unit, :-1], 0.0)
        place = place - (place @ rows[unit]) * normal
        step = COMBINING.away * errors[unit] * np.linalg.norm(place) / np.sqrt(lines.input_size) * normal
        above, below = transcript.ask(np.stack([place + step, place - step])[:, :-1])
        on = layer.on(transcript.points[[above, below]])
        others = (on[0] - on[1]) * weights
        others[unit] = 0.0
        jump = transcript.pieces[above] - transcript.pieces[below] - others @ layer.rows
        seen = jump / weights[unit]
        if np.linalg.norm(seen[:-1] - rows[unit, :-1]) < COMBINING.widest:
            rows[unit] = seen / np.linalg.norm(seen[:-1])
    return Layer(rows, layer.weights, layer.base)
