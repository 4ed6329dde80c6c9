"""Networks of affine maps and ReLUs, held as explicit matrices in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from divulge.arrays import Array

# A diagonal of more numbers is not written out as a matrix: 2^14 of them take 2 GiB.
_WIDEST = 2**14


class NotAffine(Exception):
    """An operation leaves the world of affine maps and ReLUs."""


@dataclass(frozen=True)
class AffineForm:
    """One intermediate result, y = bias + sum_s M_s s.

    Attributes:
        shape: what y looks like for one input; y itself is held flat, of m = prod(shape) numbers.
        terms: M_s by source s: 0 is the network's input, i >= 1 the i-th ReLU's output. An array of
            shape (m,) stands for a diagonal matrix, one of shape (m, size of s) for itself.
        bias: shape (m,).
    """

    shape: tuple[int, ...]
    terms: dict[int, Array]
    bias: Array

    @classmethod
    def of_source(cls, source: int, shape: tuple[int, ...]) -> AffineForm:
        """The form y = s."""
        return cls(shape, {source: np.ones(prod(shape))}, np.zeros(prod(shape)))

    def linear(self, weight: Array, bias: Array | None) -> AffineForm:
        """W y + b, with W of shape (out, in), along the last axis; all other axes must have length 1."""
        out, width = weight.shape
        if not self.shape or self.shape[-1] != width or prod(self.shape) != width:
            raise NotAffine(f"a linear map of {width} inputs on shape {self.shape}")
        terms = {s: weight * m if m.ndim == 1 else weight @ m for s, m in self.terms.items()}
        shifted = weight @ self.bias
        return AffineForm((*self.shape[:-1], out), terms, shifted if bias is None else shifted + bias)

    def scale(self, factor: Array) -> AffineForm:
        """Multiply by a constant that broadcasts against (1, *shape)."""
        flat = self._broadcast(factor)
        terms = {s: flat * m if m.ndim == 1 else flat[:, None] * m for s, m in self.terms.items()}
        return AffineForm(self.shape, terms, flat * self.bias)

    def shift(self, constant: Array) -> AffineForm:
        """Add a constant that broadcasts against (1, *shape)."""
        return AffineForm(self.shape, self.terms, self.bias + self._broadcast(constant))

    def add(self, other: AffineForm) -> AffineForm:
        """Add another result of the same shape."""
        if self.shape != other.shape:
            raise NotAffine(f"a sum of shapes {self.shape} and {other.shape}")
        terms = dict(self.terms)
        for s, m in other.terms.items():
            terms[s] = _add_matrices(terms[s], m) if s in terms else m
        return AffineForm(self.shape, terms, self.bias + other.bias)

    @classmethod
    def side_by_side(cls, parts: Sequence[AffineForm], width: Callable[[int], int]) -> AffineForm:
        """Lay vectors one behind the other; `width` says how many numbers a source has."""
        sources = {source for part in parts for source in part.terms}
        terms = {s: np.concatenate([part.matrix(s, width(s)) for part in parts]) for s in sorted(sources)}
        bias = np.concatenate([part.bias for part in parts])
        return cls((len(bias),), terms, bias)

    def reshape(self, shape: tuple[int, ...]) -> AffineForm:
        """The same numbers in another shape; one entry may be -1."""
        try:
            new = np.empty(self.shape, dtype=np.int8).reshape(shape).shape
        except ValueError:
            raise NotAffine(f"a reshape from {self.shape} to {shape}") from None
        return AffineForm(new, self.terms, self.bias)

    def permute(self, order: tuple[int, ...]) -> AffineForm:
        """Reorder the axes of one input's result, as numpy.transpose does."""
        places = np.arange(self.bias.size).reshape(self.shape).transpose(order)
        index = places.reshape(-1)
        terms = {s: _full(m)[index] for s, m in self.terms.items()}
        return AffineForm(places.shape, terms, self.bias[index])

    def matrix(self, source: int, width: int) -> Array:
        """M_s as a full matrix of shape (m, width), zeros where the form does not depend on s."""
        found = self.terms.get(source)
        if found is None:
            return np.zeros((self.bias.size, width))
        return _full(found)

    def _broadcast(self, constant: Array) -> Array:
        """Return a constant as a flat array of shape (m,)."""
        try:
            return np.broadcast_to(constant, (1, *self.shape)).reshape(-1)
        except ValueError:
            raise NotAffine(f"a constant of shape {constant.shape} on shape {self.shape}") from None


def _add_matrices(a: Array, b: Array) -> Array:
    """Sum of two matrices, either of which may be held as its diagonal."""
    if a.ndim == b.ndim:
        return a + b
    return _full(a) + _full(b)


def _full(matrix: Array) -> Array:
    """Return a matrix that may be held as its diagonal."""
    if matrix.ndim != 1:
        return matrix
    if matrix.size > _WIDEST:
        raise NotAffine(f"a diagonal of {matrix.size} numbers")
    return np.diag(matrix)


@dataclass
class ReluNetwork:
    """A network of affine maps and ReLUs, in the order in which it computes.

    Attributes:
        input_size: d.
        relus: what each ReLU is applied to.
        output: the form of the network's output.
    """

    input_size: int
    relus: list[AffineForm] = field(default_factory=list)
    output: AffineForm | None = None

    def relu(self, form: AffineForm) -> AffineForm:
        """max(y, 0) as a new source; a ReLU of a ReLU is that ReLU."""
        if self._is_relu_output(form):
            return form
        self.relus.append(form)
        return AffineForm.of_source(len(self.relus), form.shape)

    def width(self, source: int) -> int:
        """How many numbers a source has."""
        return self.input_size if source == 0 else self.relus[source - 1].bias.size

    def chain(self) -> tuple[list[Array], list[Array]] | None:
        """Weights (out, in) and biases (out,) if each layer feeds on the one before alone, else None."""
        forms = [*self.relus, self._output()]
        if any(set(form.terms) - {source} for source, form in enumerate(forms)):
            return None
        weights = [form.matrix(source, self.width(source)) for source, form in enumerate(forms)]
        return weights, [form.bias for form in forms]

    def one_hidden_layer(self) -> OneHiddenLayer | None:
        """This network as one hidden layer and an affine skip term, or None where it is deeper."""
        if any(set(form.terms) - {0} for form in self.relus):
            return None
        d, output = self.input_size, self._output()
        rows = [form.matrix(0, d) for form in self.relus]
        weights = [output.matrix(i + 1, self.width(i + 1)) for i in range(len(rows))]
        return OneHiddenLayer(
            rows=np.concatenate([np.zeros((0, d)), *rows]),
            offsets=np.concatenate([np.zeros(0), *(form.bias for form in self.relus)]),
            outputs=np.concatenate([np.zeros((output.bias.size, 0)), *weights], axis=1),
            affine=output.matrix(0, d),
            bias=output.bias,
        )

    def hidden_layers(self) -> HiddenLayers | None:
        """This network as hidden layers in a row, or None where a layer feeds on others than the one before.

        The output may also hold an affine part of what the last hidden layer is given.
        """
        net = self.one_hidden_layer()
        if net is not None:
            return HiddenLayers([], net)
        depth, output = len(self.relus), self._output()
        chained = all(set(form.terms) <= {source} for source, form in enumerate(self.relus))
        if not chained or not set(output.terms) <= {depth - 1, depth}:
            return None
        layers = [
            (form.matrix(source, self.width(source)), form.bias) for source, form in enumerate(self.relus)
        ]
        outputs, affine = (output.matrix(source, self.width(source)) for source in (depth, depth - 1))
        return HiddenLayers(layers[:-1], OneHiddenLayer(*layers[-1], outputs, affine, output.bias))

    def _output(self) -> AffineForm:
        if self.output is None:
            raise NotAffine("a network without output")
        return self.output

    def _is_relu_output(self, form: AffineForm) -> bool:
        """Whether the form is a ReLU's output just as it is."""
        if len(form.terms) != 1 or form.bias.any():
            return False
        ((source, matrix),) = form.terms.items()
        return source > 0 and matrix.ndim == 1 and bool((matrix == 1).all())


@dataclass(frozen=True)
class OneHiddenLayer:
    """f(x) = bias + affine x + outputs max(rows x + offsets, 0).

    Attributes:
        rows: a_i, shape (h, d).
        offsets: b_i, shape (h,).
        outputs: w_i as columns, shape (K, h).
        affine: the skip term, shape (K, d), zeros where there is none.
        bias: shape (K,).
    """

    rows: Array
    offsets: Array
    outputs: Array
    affine: Array
    bias: Array


@dataclass(frozen=True)
class HiddenLayers:
    """A network of hidden layers in a row: p -> max(rows p + offsets, 0) by turns.

    Attributes:
        inner: rows, shape (h, size of the layer before), and offsets, shape (h,), of all hidden layers but
            the last; none where there is one.
        last: the last hidden layer and the outputs, over what the layer before the last hands on.
    """

    inner: list[tuple[Array, Array]]
    last: OneHiddenLayer

    @property
    def input_size(self) -> int:
        """Return d."""
        return int((self.inner[0][0] if self.inner else self.last.rows).shape[1])

    @property
    def first(self) -> tuple[Array, Array]:
        """Rows of the first hidden layer, shape (h, d), and what reads its units as columns, shape (q, h)."""
        if not self.inner:
            return self.last.rows, self.last.outputs
        return self.inner[0][0], self.inner[1][0] if len(self.inner) > 1 else self.last.rows

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of every hidden layer; none where the network is affine."""
        sizes = (*(len(offsets) for _, offsets in self.inner), len(self.last.offsets))
        return tuple(size for size in sizes if size)
