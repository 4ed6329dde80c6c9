"""The outputs: answers chosen at which every unit of the last hidden layer is on, and their weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.convolutional.equations import Equations, Solution, answered
from divulge.reconstruction.convolutional.last_sides import spread
from divulge.reconstruction.convolutional.layers import gradients_of
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_LAST


class LastLayer:
    """The outputs as functions of the last layer's units, whose sides are known.

    Attributes:
        points: the answers that decide it.
        never: units that no point found turns on.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.prefix = walk.known
        self.never = 0
        self.points = np.empty((0, self.prefix.size))

    def cover(self) -> Equations:
        """Choose answers, and ask for more, until every unit is on at one and the weights are unique.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        depth = len(self.prefix.layers)
        equations = Equations(self.prefix, lambda point: moving(self.prefix, point, depth))
        known = self.walk.transcript.points[:, :-1]
        on = self._on(known)
        chosen, missing = self._greedy(on)
        self.points = known[chosen]
        for _ in range(CONV_LAST.most):
            if not missing.any():
                break
            point = self._where_on(missing)
            if point is None:
                break
            self.points = np.concatenate([self.points, point[None]])
            missing &= ~self._on(point[None])[0]
        self.never = int(missing.sum())
        return equations

    def _greedy(self, on: NDArray[np.bool_]) -> tuple[list[int], NDArray[np.bool_]]:
        """Choose rows of states (n, q) until each unit is on that is on in any; return rows, other units."""
        missing = np.ones(on.shape[1], bool)
        chosen: list[int] = []
        enough = int(np.ceil(CONV_LAST.equations * on.shape[1] / (self.prefix.size + 1)))
        while len(chosen) < min(enough, len(on)) or (on & missing).any():
            gain = (on & missing).sum(axis=1) + on.mean(axis=1)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            missing &= ~on[best]
        return chosen, missing

    def _on(self, points: Array) -> NDArray[np.bool_]:
        """Which features are on at points (n, d), shape (n, q)."""
        with torch.no_grad():
            maps = self.prefix.features(self.prefix.images(points), len(self.prefix.layers))
        return np.asarray((maps != 0).flatten(1).numpy())

    def _where_on(self, missing: NDArray[np.bool_]) -> Array | None:
        """Return a point where some of the missing features are on, None where none is found."""
        points = spread(self.walk, CONV_LAST.candidates)
        gain = self._on(points)[:, missing].sum(axis=1)
        if gain.max() > 0:
            return np.asarray(points[gain.argmax()])
        for unit in np.flatnonzero(missing)[: CONV_LAST.tries]:
            point = self._climb(int(unit), points[0])
            if point is not None:
                return point
        return None

    def _climb(self, unit: int, point: Array) -> Array | None:
        """Walk uphill from a point until a unit of z is on; None where it stays off."""
        layer = self.prefix.layers[-1]
        depth = len(self.prefix.layers)

        def level(x: Tensor) -> Tensor:
            before = self.prefix.features(x, depth - 1)
            return layer.pooled(layer.turned(layer.before(before))).flatten(1)

        length = float(np.linalg.norm(point))
        for _ in range(CONV_LAST.climb):
            with torch.no_grad():
                value = float(level(self.prefix.images(point[None]))[0, unit])
            if value > 0:
                return point
            slope = gradients_of(self.prefix, level, point, np.array([unit]))[0]
            size = float(slope @ slope)
            if not size:
                return None
            step = min(2 * (length * size**0.5 * CONV_LAST.beyond - value) / size, length / size**0.5)
            point = point + step * slope
            if self.walk.lines.domain is not None:
                point = np.clip(point, *self.walk.lines.domain)
        return None

    def weights(self, transcripts: list[Transcript], equations: Equations) -> Solution:
        """Ask every output at the points chosen and solve for all; more points where that is not unique.

        Raises:
            Stopped: an oracle can be asked no further.
        """
        while True:
            gradients, values = [], []
            for transcript in transcripts:
                rows = answered(transcript, self.points)
                gradients.append(transcript.pieces[rows, :-1])
                values.append(transcript.told(rows))
            found = equations.solve(self.points, np.stack(gradients, 2), np.stack(values, 1))
            if found.unique or len(self.points) > CONV_LAST.most:
                return found
            self.points = np.concatenate([self.points, spread(self.walk, CONV_LAST.more)])
