"""Answers pulled back to the features of known layers: what is behind sees a dense network of these.

Within a piece the gradient is J' c with J the Jacobian of the features that are on, and c the slopes of what
is behind: where these gradients are independent, least squares tell c, and b = f - c . h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.convolutional.equations import least_squares
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.linearised import moving
from divulge.reconstruction.convolutional.walk import Answer
from divulge.reconstruction.settings import CONV_DENSE, TINY


@dataclass(frozen=True)
class Piece:
    """What is behind known layers, in the piece of a point: c . h + b.

    Attributes:
        point: shape (d,).
        features: h, shape (q,).
        slopes: c, shape (q,); 0 where a feature is off, and nothing is told.
        level: b.
    """

    point: Array
    features: Array
    slopes: Array
    level: float

    @property
    def on(self) -> Mask:
        """Which features are on, shape (q,)."""
        return np.asarray(self.features != 0)


class PulledBack:
    """What the layers behind known ones are at answers.

    Args:
        prefix: the known layers; it may grow afterwards.
        depth: how many of them count, all sides known.
        tolerance: of an answer, relative, up to which its gradient is one of features.
    """

    def __init__(self, prefix: Prefix, depth: int, tolerance: float) -> None:
        self.prefix = prefix
        self.depth = depth
        self.tolerance = tolerance
        self.order = np.random.default_rng(prefix.size).permutation(prefix.size)
        self.kept: dict[bytes, Piece | None] = {}
        self._wrong: set[bytes] = set()

    @property
    def count(self) -> int:
        """How many features there are."""
        return int(np.prod(self.prefix.map_shape(self.depth)))

    def features(self, points: Array) -> Array:
        """Features at points (n, d), shape (n, q)."""
        with torch.no_grad():
            maps = self.prefix.features(self.prefix.images(points), self.depth)
        return np.asarray(maps.flatten(1).numpy())

    def piece(self, answer: Answer) -> Piece | None:
        """Return what is behind at an answer; None where features do not explain it, or not in one way."""
        key = answer.point.tobytes()
        if key not in self.kept:
            self.kept[key] = self._solved(answer)
        return self.kept[key]

    def is_wrong(self, answer: Answer) -> bool:
        """Whether no slopes explain an answer; features of dependent gradients have many that do."""
        return self.piece(answer) is None and answer.point.tobytes() in self._wrong

    def _solved(self, answer: Answer) -> Piece | None:
        features = self.features(answer.point[None])[0]
        on = np.flatnonzero(features)
        slopes = np.zeros(len(features))
        for count in self._pixels(len(on)):
            found = self._slopes(answer, on, np.sort(self.order[:count]))
            if found is not None:
                slopes[on] = found
                return Piece(answer.point, features, slopes, answer.value - float(slopes @ features))
        return None

    def _pixels(self, unknowns: int) -> list[int]:
        """How many numbers of an input are looked at: somewhat more than unknowns, then all."""
        some = int(CONV_DENSE.equations * unknowns) + CONV_DENSE.margin
        size = self.prefix.size
        if unknowns + CONV_DENSE.least > size:
            return []
        return [some, size] if some < size else [size]

    def _slopes(self, answer: Answer, on: Index, pixels: Index) -> Array | None:
        gradient = answer.gradient[pixels]
        if not len(on):
            if np.abs(gradient).max():
                self._wrong.add(answer.point.tobytes())
                return None
            return np.empty(0)
        columns = moving(self.prefix, answer.point, self.depth, pixels).rows()[on].T
        sizes = np.linalg.norm(columns, axis=0)
        if not sizes.all():
            return None
        columns = columns / sizes
        found, needed = least_squares(columns, gradient[:, None])
        left = np.abs(columns @ found[:, 0] - gradient).max()
        if left > self.tolerance * max(float(np.abs(gradient).max()), TINY):
            self._wrong.add(answer.point.tobytes())
            return None
        if not needed.all():
            return None
        return np.asarray(found[:, 0] / sizes)
