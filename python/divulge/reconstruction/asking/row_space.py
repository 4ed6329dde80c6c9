"""The victim as a function of few combinations of its inputs, where its gradients span no more.

Where the gradients at many points lie in the span of r orthonormal rows B, r below d, f(x) = g(B x): a
network whose first layer has r units is one of r inputs. What is asked about u = B x is asked at x = B^T u,
and the gradient of g is B times that of f. Every further gradient shows whether the span still holds it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import TINY


class OutsideRowSpace(Exception):
    """A gradient was met that the rows do not span.

    Attributes:
        gradients: such gradients, shape (n, d).
    """

    def __init__(self, gradients: Array) -> None:
        super().__init__("a gradient lies outside the span of the earlier ones")
        self.gradients = gradients


@dataclass(frozen=True)
class RowSpace:
    """Rows that span the gradients.

    Attributes:
        basis: B, orthonormal rows, shape (r, d).
        tolerance: part of a gradient outside that counts as rounding, relative to the largest gradient.
    """

    basis: Array
    tolerance: float

    @classmethod
    def of(cls, gradients: Array, tolerance: float) -> RowSpace:
        """Return the span of gradients (n, d)."""
        _, sizes, rows = np.linalg.svd(gradients, full_matrices=False)
        rank = int((sizes > tolerance * max(sizes.max(initial=0.0), TINY)).sum())
        return cls(rows[:rank], tolerance)

    def grown(self, gradients: Array) -> RowSpace:
        """Return the span with that of more gradients (n, d)."""
        outside = gradients - self.inside(gradients) @ self.basis
        outside /= np.maximum(np.linalg.norm(outside, axis=1, keepdims=True), TINY)
        new = RowSpace.of(outside, self.tolerance).basis
        basis = np.linalg.qr(np.concatenate([self.basis, new]).T)[0].T
        return RowSpace(np.ascontiguousarray(basis), self.tolerance)

    def __len__(self) -> int:
        return len(self.basis)

    def inside(self, rows: Array) -> Array:
        """Return B rows: points or gradients (n, d) as those of r inputs, shape (n, r)."""
        return np.asarray(rows @ self.basis.T)

    def points(self, inside: Array) -> Array:
        """Return the inputs (n, d) of points (n, r)."""
        return np.asarray(inside @ self.basis)

    def check(self, gradients: Array, largest: float) -> None:
        """Raise OutsideRowSpace where gradients (n, d) are not spanned."""
        outside = np.linalg.norm(gradients - self.points(self.inside(gradients)), axis=1)
        wrong = outside > self.tolerance * max(largest, TINY)
        if wrong.any():
            raise OutsideRowSpace(gradients[wrong])

    def outwards(self, model: DeepModel) -> DeepModel:
        """Return a network over r inputs as one over d."""
        layers, layer = model.prefix.layers, model.layer
        if layers:
            layers = [replace(layers[0], rows=self.points(layers[0].rows)), *layers[1:]]
        else:
            layer = Layer(self.over_inputs(layer.rows), layer.weights, self.over_inputs(layer.base))
        return DeepModel(Prefix(self.basis.shape[1], layers), layer)

    def over_inputs(self, rows: Array) -> Array:
        """Return rows (n, r + 1), the offset last, over d inputs."""
        return np.column_stack([self.points(rows[:, :-1]), rows[:, -1]])


class RowSpaceOutput(AskedOutput):
    """One output as a function of the row space's coordinates.

    Args:
        asked: the output, as a function of the inputs.
        space: the rows.
        largest: length of the largest gradient known before.

    Attributes:
        unread: answers some of which the rows do not span: inputs, values, gradients; None where all do.
    """

    def __init__(self, asked: AskedOutput, space: RowSpace, largest: float) -> None:
        super().__init__(asked._oracle, asked._output)
        self.input_size = len(space)
        self.space, self.largest = space, largest
        self.unread: tuple[Array, Array | None, Array] | None = None

    def representable(self, points: Array) -> Array:
        """Return the points as they are: they are combinations in double precision."""
        return points

    def native(self) -> None:
        """Return None: the compiled core asks about inputs."""

    def query(self, points: Array) -> tuple[Array | None, Array | None]:
        """Return values (n,) and gradients (n, r) at points (n, r); None where they are not told.

        Raises:
            OutsideRowSpace: a gradient is not spanned by the rows.
            Stopped: the oracle can be asked no further.
        """
        values, gradients = super().query(self.space.points(points))
        if gradients is None:
            return values, None
        self.largest = max(self.largest, float(np.linalg.norm(gradients, axis=1).max(initial=0.0)))
        self.unread = self.space.points(points), values, gradients
        self.space.check(gradients, self.largest)
        self.unread = None
        return values, self.space.inside(gradients)
