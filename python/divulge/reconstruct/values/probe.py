"""Kinks and pieces from values alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.probe import Kinks, Probe
from divulge.reconstruct.values.splits import run_pieces, split_lines
from divulge.reconstruct.values.stencils import unit_directions
from divulge.reconstruct.values.transcript import ValueTranscript

Array = NDArray[np.float64]
Index = NDArray[np.intp]

CROOKED = 1e-3  # angle by which a kink's hyperplane may miss the predicted one


class ValueProbe(Probe):
    """Takes exact differences inside affine pieces, d + 1 values and a few to choose and check the step."""

    def __init__(self, transcript: ValueTranscript) -> None:
        self.transcript = transcript
        self.values = transcript.values_of
        self.input_size = transcript.oracle.input_size
        self.domain = transcript.oracle.domain
        self.noise = self.values.relative

    def pieces(self, points: Array, radius: Array | None = None) -> Array:
        """Take differences with steps as wide as the pieces allow."""
        rows = self.transcript.ask(points, radius)
        return self.transcript.pieces[rows]

    def answered(self) -> tuple[Array, Array]:
        """Return every piece of the transcript."""
        return self.transcript.points[:, :-1], self.transcript.pieces

    def kinks(self, origins: Array, directions: Array, low: Array, high: Array) -> Kinks:
        """Split the lines, then take the gradient in every run beside a kink."""
        split = split_lines(self.values, origins, directions, low, high)
        rows, place = np.unique(np.concatenate([split.left, split.left + 1]), return_inverse=True)
        points, pieces, _ = run_pieces(self.values, split, rows, self.transcript.rng)
        self.transcript.keep(points, pieces)
        before, after = pieces[place, :-1].reshape(2, len(split.left), self.input_size)
        return Kinks(split.line(), split.t, split.points(), after - before)

    def bends(self, points: Array, normals: Array, steps: Array) -> NDArray[np.bool_]:
        """Walk along each normal, at the point and beside it: eight values in place of two gradients."""
        if not len(points):
            return np.zeros(0, bool)
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        aside = unit_directions(points.shape, self.transcript.rng)
        aside -= np.einsum("nd,nd->n", aside, normals)[:, None] * normals
        feet = np.stack([points, points + steps[:, None] / 2 * aside])  # (2, n, d)
        shares = np.array([-1.0, -0.5, 0.5, 1.0])
        asked = feet[:, :, None] + (steps[:, None] * shares)[..., None] * normals[:, None]
        found = self.values.ask(asked.reshape(-1, self.input_size)).reshape(2, len(points), 4)
        before, after = (2 * (found[..., k + 1] - found[..., k]) for k in (0, 2))  # over a whole step
        noise = self.values.noise(np.linalg.norm(points, axis=1) + steps, found[0, :, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = (found[..., 2] - found[..., 1] - (before + after) / 2) / (after - before)
            allowed = CROOKED / np.sqrt(self.input_size) + 8 * noise / np.abs(after - before)
        return np.asarray(((np.abs(after - before) > 32 * noise) & (np.abs(crossing) <= allowed)).all(axis=0))
