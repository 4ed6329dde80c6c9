"""Under noise: rows, weights and biases of all outputs fitted to all answers at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.one_layer.combine_outputs import row_errors
from divulge.reconstruction.one_layer.refit import output_weights
from divulge.reconstruction.settings import AVERAGING


def averaged(layer: Layer, transcripts: Sequence[Transcript]) -> Layer:
    """Refit a layer without affine part to the answers about all its outputs.

    With states S_k at the answers about output k the gradients are S_k diag(w_k) R: linear in the rows R for
    given weights and in the weights for given rows, solved in turns. The offsets c of the pieces are linear
    in the units' offsets and the output biases. Every answer counts as much as any other, so a row is as
    sharp as the output that shows it best makes it.
    """
    gradients = [transcript.pieces[:, :-1] for transcript in transcripts]
    rows = layer.rows[:, :-1]
    for _ in range(AVERAGING.rounds):
        states = [read_states(layer, place, transcript) for place, transcript in enumerate(transcripts)]
        weights = solve_weights(rows, states, gradients)
        system = np.concatenate([on * of_output for on, of_output in zip(states, weights, strict=True)])
        solution, _, rank, _ = np.linalg.lstsq(system, np.concatenate(gradients), rcond=None)
        if rank < len(layer):
            return layer
        rows = np.asarray(solution / np.linalg.norm(solution, axis=1, keepdims=True))
        layer = with_offsets(rows, solve_weights(rows, states, gradients), states, transcripts)
    return layer


def solve_weights(rows: Array, states: list[Array], gradients: list[Array]) -> Array:
    """Least squares for the weights of every output, shape (K, h), rows and states given."""
    return np.stack([output_weights(on, rows, g)[0] for on, g in zip(states, gradients, strict=True)])


def read_states(layer: Layer, output: int, transcript: Transcript) -> Array:
    """States at the answers about one output, read from the answer where it shows them, else predicted."""
    weights = layer.weights[output]
    shown = row_errors(transcript, weights) < AVERAGING.legible
    on = layer.on(transcript.points)
    left = transcript.pieces[:, :-1] - (layer.base[output] + (on * ~shown * weights) @ layer.rows)[:, :-1]
    visible = weights[shown, None] * layer.rows[shown, :-1]
    on[:, shown] = left @ np.linalg.pinv(visible) > 0.5
    return on


def reread(layer: Layer, output: int, transcript: Transcript) -> tuple[Array, Array]:
    """Solve for one output's weights (h,) and affine part (d + 1,), its states read from the answers."""
    on = read_states(layer, output, transcript)
    gradients = transcript.pieces[:, :-1]
    weights, _ = output_weights(on - on.mean(axis=0), layer.rows[:, :-1], gradients - gradients.mean(axis=0))
    left = transcript.pieces - (on * weights) @ layer.rows
    sharp = 1 / np.linalg.norm(transcript.points, axis=1) ** 2
    return weights, np.append(left[:, :-1].mean(axis=0), np.average(left[:, -1], weights=sharp))


def with_offsets(
    rows: Array, weights: Array, states: list[Array], transcripts: Sequence[Transcript]
) -> Layer:
    """Solve for the offsets of units and outputs, each answer weighted by 1 / |(x, 1)|."""
    outputs = len(weights)
    system, right = [], []
    for place, (on, transcript) in enumerate(zip(states, transcripts, strict=True)):
        sharp = 1 / np.linalg.norm(transcript.points, axis=1)
        biases = np.tile(np.eye(outputs)[place], (len(on), 1))
        system.append(np.column_stack([on * weights[place], biases]) * sharp[:, None])
        right.append(transcript.pieces[:, -1] * sharp)
    solution = np.linalg.lstsq(np.concatenate(system), np.concatenate(right), rcond=None)[0]
    base = np.column_stack([np.zeros((outputs, rows.shape[1])), solution[len(rows) :]])
    return Layer(np.column_stack([rows, solution[: len(rows)]]), weights, base)
