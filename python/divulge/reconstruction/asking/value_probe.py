"""Kinks and pieces from values alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.finite_differences import unit_directions
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.probe import Explained, Kinks, Probe
from divulge.reconstruction.asking.split_lines import Split, run_pieces, split_lines
from divulge.reconstruction.settings import VALUE_PROBE, Tolerances


class ValueProbe(Probe):
    """Takes exact differences inside affine pieces, d + 1 values and a few to choose and check the step."""

    bends_are_cheap = True

    def __init__(self, transcript: ValueTranscript) -> None:
        self.transcript = transcript
        self.values = transcript.values_of
        self.values.keep_from_now_on()
        self.input_size = transcript.input_size
        self.domain = transcript.domain
        self.tolerances = Tolerances.of(self.values.relative, lost=VALUE_PROBE.lost)
        self.noise = self.tolerances.noise

    def pieces(self, points: Array, radius: Array | None = None) -> Array:
        """Take differences with steps as wide as the pieces allow."""
        rows = self.transcript.ask(points, radius)
        return self.transcript.pieces[rows]

    def slopes(self, points: Array, directions: Array, radius: Array) -> Array:
        """Ask one value more than there are directions."""
        moves = radius[:, None, None] * directions
        asked = np.concatenate([points[:, None], points[:, None] + moves], axis=1)
        found = self.values.ask(asked.reshape(-1, self.input_size)).reshape(asked.shape[:2])
        return np.asarray((found[:, 1:] - found[:, :1]) / radius[:, None])

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask one value a point."""
        return self.values.misses(points, predicted)

    def answered(self) -> tuple[Array, Array]:
        """Return every piece of the transcript."""
        return self.transcript.points[:, :-1], self.transcript.pieces

    def kinks(
        self, origins: Array, directions: Array, low: Array, high: Array, explained: Explained | None = None
    ) -> Kinks:
        """Split the lines, then take the gradient in every run beside a kink that is not explained."""
        split = split_lines(self.values, origins, directions, low, high)
        points = split.points()
        wanted = np.arange(len(points)) if explained is None else np.flatnonzero(~explained(points))
        jumps = np.zeros(points.shape)
        jumps[wanted] = self.jumps(split, split.left[wanted])
        return Kinks(split.line(), split.t, points, jumps)

    def jumps(self, split: Split, left: Index) -> Array:
        """Return the jumps after these runs, 0 where they are blurred."""
        rows, place = np.unique(np.concatenate([left, left + 1]), return_inverse=True)
        points, pieces, errors = run_pieces(self.values, split, rows, self.transcript.rng)
        self.transcript.keep(points[errors < np.inf], pieces[errors < np.inf])
        before, after = pieces[place, :-1].reshape(2, len(left), self.input_size)
        blur = errors[place].reshape(2, len(left)).sum(axis=0) * np.sqrt(self.input_size)
        sharp = blur <= VALUE_PROBE.blurred * self.noise * np.linalg.norm(after - before, axis=1)
        return np.where(sharp[:, None], after - before, 0.0)

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
            allowed = VALUE_PROBE.near + VALUE_PROBE.off * noise / np.abs(after - before)
        return np.asarray(
            ((np.abs(after - before) > VALUE_PROBE.bend * noise) & (np.abs(crossing) <= allowed)).all(axis=0)
        )
