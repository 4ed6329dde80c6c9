"""A last least-squares fit over every recorded answer, once the orientation of the units is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.settings import POLISH, TINY


def polish(layer: Layer, transcripts: list[Transcript]) -> Layer:
    """Refit rows, output weights and biases to all answers, the affine part held at zero.

    With states S the gradients of the first output obey S J = G; those of the others, on the rows so found, S
    diag(w) R = G. Offsets stay: kinks show them more sharply than values do.
    """
    on, answers = clear_states(layer, transcripts[0])
    if not np.abs(layer.weights[0]).all() or np.linalg.matrix_rank(on) < len(layer):
        return layer
    jumps = np.linalg.lstsq(on, transcripts[0].pieces[answers, :-1], rcond=None)[0]
    weights, base = layer.weights.copy(), layer.base.copy()
    weights[0] = np.sign(weights[0]) * np.linalg.norm(jumps, axis=1)
    rows = np.column_stack([jumps / weights[0][:, None], layer.rows[:, -1]])
    for output, transcript in enumerate(transcripts):
        on, answers = clear_states(layer, transcript)
        if output and on.any(axis=0).all():
            weights[output], _ = output_weights(on, rows[:, :-1], transcript.pieces[answers, :-1])
        base[output, -1] = bias(Layer(rows, weights, base), transcript, output)
    polished = Layer(rows, weights, base)
    return min((layer, polished), key=lambda candidate: worst_error(candidate, transcripts))


def worst_error(layer: Layer, transcripts: list[Transcript]) -> float:
    """Largest error of a value over all answers, relative to the length of the input."""
    worst = 0.0
    for output, transcript in enumerate(transcripts):
        error = np.abs(layer.values(transcript.points, output) - transcript.values())
        worst = max(worst, float((error / np.linalg.norm(transcript.points, axis=1)).max(initial=0.0)))
    return worst


def slope_error(layer: Layer, transcripts: list[Transcript]) -> float:
    """Largest error of a gradient at the answers that lie clear of every kink, relative to the largest."""
    worst = 0.0
    for output, transcript in enumerate(transcripts):
        _, answers = clear_states(layer, transcript)
        found = layer.pieces(transcript.points[answers], output)
        error = np.linalg.norm((found - transcript.pieces[answers])[:, :-1], axis=1).max(initial=0.0)
        worst = max(worst, float(error) / max(transcript.scale, TINY))
    return worst


def clear_states(layer: Layer, transcript: Transcript) -> tuple[Array, NDArray[np.intp]]:
    """States at the answers that lie clear of every kink, and which answers these are."""
    levels = transcript.points @ layer.rows.T
    margin = POLISH.clear * transcript.noise * np.linalg.norm(transcript.points, axis=1)
    answers = np.flatnonzero(np.abs(levels).min(axis=1) > margin)
    return (levels[answers] > 0).astype(float), answers


def output_weights(on: Array, rows: Array, gradients: Array) -> tuple[Array, bool]:
    """Least squares for w in on diag(w) rows = gradients, and whether that decides every weight."""
    axes, coordinates = np.linalg.qr(rows.T)  # only the part of a gradient in the rows' span counts
    system = (on[:, None, :] * coordinates[None]).reshape(-1, len(rows))
    weights, _, rank, _ = np.linalg.lstsq(system, (gradients @ axes).reshape(-1), rcond=None)
    return np.asarray(weights), bool(rank == len(rows))


def bias(layer: Layer, transcript: Transcript, output: int) -> float:
    """Return the output bias: the mean of what values leave, each weighted by its rounding error."""
    left = transcript.values() - layer.values(transcript.points, output) + layer.base[output, -1]
    sharp = 1 / np.linalg.norm(transcript.points, axis=1)
    return float(np.average(left, weights=sharp**2))
