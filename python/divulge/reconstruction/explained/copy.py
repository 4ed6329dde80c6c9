"""A copy of one hidden layer behind mean gradients: its other outputs, and what it predicts."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.explained.way import Way
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import MEAN_GRADIENTS


def other_output(layer: Layer, transcript: Transcript) -> Layer:
    """Return the layer with one more output, from two answers far out and one at the baseline.

    The two lie on opposite sides of all units. Their difference is a sum of all rows, each with its weight:
    the rows being independent, it tells the weights.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    rows = layer.rows[:, :-1]
    inverse = np.linalg.pinv(rows)
    ahead = inverse @ np.ones(len(rows))
    asked = np.array([MEAN_GRADIENTS.far, -MEAN_GRADIENTS.far, MEAN_GRADIENTS.near])[:, None] * ahead
    answered = transcript.ask(asked)  # the last for the constant
    on, off = transcript.pieces[answered[:2], :-1]
    weights = (on - off) @ inverse
    units = Units(layer.rows * weights[:, None], np.sign(weights))
    return layer.with_output(Fit(units, np.append(off, 0.0), 0.0))


def with_constants(layer: Layer, transcripts: list[Transcript]) -> Layer:
    """Return the layer with the constants that values near the baseline tell; 0 where none are told."""
    base = layer.base.copy()
    for place, transcript in enumerate(transcripts):
        if transcript.tells_values:
            rows = np.argsort(np.linalg.norm(transcript.points[:, :-1], axis=1), kind="stable")[:1]
            told = transcript.told(rows)
            base[place, -1] += (told - layer.values(transcript.points[rows], place))[0]
    return Layer(layer.rows, layer.weights, base)


def predicted(layer: Layer, way: Way | None, points: Array, output: int) -> Array:
    """Return mean gradients and values of the copy at u (n, d), as pieces (n, d + 1); values of no way."""
    mean = np.zeros(points.shape)
    if way is not None:
        offsets = layer.rows[:, -1]
        shares = way.shares(offsets, points @ layer.rows[:, :-1].T + offsets)
        mean = layer.base[output, :-1] + (shares * layer.weights[output]) @ layer.rows[:, :-1]
    values = layer.values(homogeneous(points), output)
    return np.column_stack([mean, values - np.einsum("nd,nd->n", mean, points)])
