"""Any torch module, by double backward passes over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.layer_gradients import Batches, LayerGradients
from divulge.influence.losses import Loss, LossFunction
from divulge.influence.operators import (
    Array,
    CurvatureName,
    Factors,
    Labels,
    LayerPlace,
    blocks,
    output_gradients,
)
from divulge.influence.parts import is_plain, mapped
from divulge.influence.per_sample import applied, check_values
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot
from divulge.influence.solvers import placed

__all__ = ["AutogradOperator"]

# Samples on which layers' gradients are checked; few tensors have an axis of a multiple of it.
_PROBES = 5
# Samples whose gradients are formed one by one from one graph: each goes back through all of it.
_TOGETHER = 8

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _in_snapshot(
    method: Callable[Concatenate[AutogradOperator, Given], Result],
) -> Callable[Concatenate[AutogradOperator, Given], Result]:
    """Let a method compute on the snapshot, backward passes included."""

    @wraps(method)
    def run(self: AutogradOperator, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        return self.snapshot.run(partial(method, self, *args, **kwargs))

    return run


class AutogradOperator:
    """The operator of any module; see `Operator`.

    Each batch builds its graph once for all vectors. J v is the derivative of J' u by u applied to v, so that
    nothing but double backward is asked of the module's operations.

    Args:
        snapshot: the module and its parameters in question.
        loss: of the samples.
        samples: the training data.
        batch_size: samples in memory at a time.
    """

    path = "torch"

    def __init__(
        self,
        snapshot: Snapshot,
        loss: Loss,
        samples: Samples,
        batch_size: int = 256,
    ) -> None:
        self.snapshot, self.loss, self.samples, self.batch_size = snapshot, loss, samples, batch_size
        self.tensors = snapshot.tensors
        self.torch_dtype, self.device = self.tensors[0].dtype, self.tensors[0].device
        self.dtype = np.dtype(np.float32 if self.torch_dtype == torch.float32 else np.float64)
        self.parameters, self.rows = sum(t.numel() for t in self.tensors), len(samples)
        self.first = 0  # the number of the first sample, where they are a part of the training data

    @_in_snapshot
    def outputs(self, samples: Samples) -> Tensor:
        """Return the module's outputs (k, K) for k samples, without a graph."""
        with torch.no_grad():
            parts = [self._outputs(inputs).clone() for inputs, _ in self._batches(samples)]
        return torch.cat(parts)

    @_in_snapshot
    def losses(self, samples: Samples) -> Array:
        """Return the losses (k,) of k samples."""
        parts = [np.zeros(0, self.dtype)]
        for inputs, targets in self._batches(samples):
            with torch.no_grad():
                parts.append(_host(self.loss.function(self._outputs(inputs), targets)).astype(self.dtype))
        return np.concatenate(parts)

    @_in_snapshot
    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P)."""
        add = self._hessian_products if kind == "hessian" else self._gauss_newton_products
        total = torch.zeros(vectors.shape, dtype=torch.float64, device=self.device)
        directions = self._directions(vectors)
        for inputs, targets in self._batches(self.samples):
            total += add(inputs, targets, directions)
        return (total / max(self.rows, 1)).to(self.torch_dtype).double()

    @_in_snapshot
    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P): the derivative of L along v."""
        parts = [np.zeros((len(vectors), 0), self.dtype)]
        if "_layer_gradients" in self.__dict__:  # they were found to be sums, for K-FAC
            batches = self._with_cotangents(_slopes(self.loss.function))
            found = self._layer_gradients.products(batches, placed(vectors, self.device, self.dtype))
            return np.concatenate([*parts, *map(_host, found)], axis=1)
        directions = self._directions(vectors)
        for inputs, targets in self._batches(self.samples):
            losses = self.loss.function(self._outputs(inputs), targets)
            parts.append(_host(_jacobian_products(losses, self.tensors, directions)).astype(self.dtype))
        return np.concatenate(parts, axis=1)

    @_in_snapshot
    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""
        rows = [np.zeros((0, self.parameters), self.dtype)]
        if "_layer_gradients" in self.__dict__:  # they were found to be sums, for K-FAC
            out = np.empty((len(samples), self.parameters), self.dtype)
            self._layer_gradients.write(
                self._with_cotangents(_slopes(function), samples), torch.from_numpy(out)
            )
            return out
        for inputs, targets in self._batches(samples, _TOGETHER):
            outputs = self._outputs(inputs)
            values = applied(function, outputs, targets)
            check_values(function, outputs, targets, values)
            rows += [_host(_flat(_grad(value, self.tensors)))[None].astype(self.dtype) for value in values]
        return np.concatenate(rows)

    def loss_gradients(self, rows: NDArray[np.int64]) -> Array:
        """Return the gradients (k, P) of the losses of some of the samples."""
        return self.gradients(self.samples.take(rows), self.loss.function)

    @_in_snapshot
    def input_gradients(self, rows: NDArray[np.int64], vectors: Array) -> Array:
        """Return d/dx (v_j . grad_theta L(x_i)) (m, k, *shape) at k samples, for vectors (m, P)."""
        if self.samples.integers or not is_plain(self.samples.inputs):
            raise ValueError(
                "expected inputs of one array of real numbers; several, and whole numbers, have no gradient"
            )
        directions = self._directions(vectors)
        parts = [np.zeros((len(vectors), 0, *self.samples.shape), self.dtype)]
        for inputs, targets in self._batches(self.samples.take(rows)):
            x = inputs.requires_grad_()
            total = self.loss.function(self._outputs(x), targets).sum()
            gradient = _grad(total, self.tensors, create_graph=True)
            products = [_grad(_inner(gradient, v), [x])[0] for v in directions]
            if products:
                parts.append(_host(torch.stack(products)).astype(self.dtype))
        return np.concatenate(parts, axis=1)

    @_in_snapshot
    def position_scores(self, rows: NDArray[np.int64], vectors: Array) -> Array:
        """Return grad L_t(z_i) . v_j (m, k, *positions) at k samples, L_t what a position adds to L."""
        directions = self._directions(vectors)
        _, none = self.samples.batch(slice(0, 0), self.torch_dtype)
        parts = [np.zeros((len(vectors), *self.loss.weights(none).shape), self.dtype)]
        for inputs, targets in self._batches(self.samples.take(rows)):
            values = self.loss.at_positions(self._outputs(inputs), targets)
            parts.append(_host(_jacobian_products(values, self.tensors, directions)).astype(self.dtype))
        return np.concatenate(parts, axis=1)

    def subset(self, rows: NDArray[np.int64]) -> AutogradOperator:
        """Return the operator of some of the samples."""
        part: AutogradOperator = object.__new__(AutogradOperator)
        part.__dict__.update(self.__dict__)
        part.samples, part.rows = self.samples.take(rows), len(rows)
        return part

    @property
    def layers(self) -> list[LayerPlace]:
        """The layers that K-FAC factors."""
        return self._layer_gradients.places

    @_in_snapshot
    def kronecker_factors(self, labels: Labels) -> Factors:
        """Return K-FAC's factors of each layer."""
        together = min(self.batch_size, self._layer_gradients.together_in_sums)
        return self._layer_gradients.factors(self._labelled(labels, together), self.rows)

    @_in_snapshot
    def kronecker_eigenvalues(
        self, labels: Labels, inner: Sequence[Array], outer: Sequence[Array]
    ) -> list[NDArray[np.float64]]:
        """Return the mean squares (h, d + 1) of each layer's gradients in a basis."""
        return self._layer_gradients.eigenvalues(self._labelled(labels), self.rows, inner, outer)

    @_in_snapshot
    def kronecker_quadratic(
        self, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return the weighted squares (n,) of the losses' gradients in a basis."""
        batches = self._with_cotangents(_slopes(self.loss.function))
        return self._layer_gradients.quadratic(batches, inner, outer, weights)

    def kronecker_projections(
        self, samples: Samples, function: LossFunction, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Iterator[Array]:
        """Yield U' G V (k, ...) of all layers in a row, for each batch, G a function's gradients."""
        for rows in blocks(len(samples), self._together):
            yield self._projected(samples.take(np.arange(rows.start, rows.stop)), function, inner, outer)

    @_in_snapshot
    def _projected(
        self, samples: Samples, function: LossFunction, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Array:
        batches = self._with_cotangents(_slopes(function), samples)
        (parts,) = self._layer_gradients.turned(batches, inner, outer)
        return _host(torch.cat([part.flatten(1) for part in parts], dim=1)).astype(self.dtype)

    @cached_property
    def _layer_gradients(self) -> LayerGradients:
        spread = np.linspace(0, max(self.rows - 1, 0), min(_PROBES, self.rows))
        part = self.samples.take(np.unique(spread.astype(np.int64)))
        probe = next(self._batches(part))[0]
        return self.snapshot.run(lambda: LayerGradients(self.snapshot, self._outputs, probe))

    @property
    def _together(self) -> int:
        """Samples in a batch whose layers' gradients are formed."""
        return min(self.batch_size, self._layer_gradients.together)

    def _labelled(self, labels: Labels, together: int | None = None) -> Batches:
        """Yield inputs (k, *shape) of each batch and what makes its labels' cotangents of the outputs."""

        def drawn(outputs: Tensor, targets: Tensor, first: int) -> Tensor:
            cotangents = torch.from_numpy(labels(_host(outputs), first)).to(self.device)
            if outputs.ndim == 2:
                return cotangents
            sizes = self.loss.weights(targets).to(cotangents).sqrt()[:, None, ..., None]
            return (cotangents.reshape(len(outputs), -1, *outputs.shape[1:]) * sizes).flatten(1)

        return self._with_cotangents(drawn, together=together)

    def _with_cotangents(
        self, make: Callable[..., Tensor], samples: Samples | None = None, together: int | None = None
    ) -> Batches:
        at, most = self.first, self._together if together is None else together
        for inputs, targets in self._batches(self.samples if samples is None else samples, most):
            yield inputs, partial(make, targets=targets, first=at)
            at += len(targets)

    def _hessian_products(self, inputs: Any, targets: Tensor, directions: list[list[Tensor]]) -> Tensor:
        """The sum over a batch of H v, as double backward of one graph."""
        total = self.loss.function(self._outputs(inputs), targets).sum()
        gradient = _grad(total, self.tensors, create_graph=True)
        rows = [_flat(_grad(_inner(gradient, v), self.tensors)) for v in directions]
        return self._stack(rows)

    def _gauss_newton_products(self, inputs: Any, targets: Tensor, directions: list[list[Tensor]]) -> Tensor:
        """The sum over a batch of J' H_loss J v."""
        outputs = self._outputs(inputs)
        tangents = _jacobian_products(outputs, self.tensors, directions)
        z = outputs.detach().requires_grad_()
        slope = _grad(self.loss.function(z, targets).sum(), [z], create_graph=True)[0]
        rows = []
        for tangent in tangents:
            cotangent = _grad((slope * tangent).sum(), [z])[0]
            rows.append(_flat(_grad(outputs, self.tensors, cotangent)))
        return self._stack(rows)

    def _stack(self, rows: list[Tensor]) -> Tensor:
        return torch.stack(rows) if rows else self.tensors[0].new_zeros(0, self.parameters)

    def _outputs(self, inputs: Any) -> Tensor:
        outputs: Tensor = self.snapshot.outputs(inputs)
        return outputs

    def _batches(self, samples: Samples, most: int | None = None) -> Iterator[tuple[Any, Tensor]]:
        for rows in blocks(len(samples), min(self.batch_size, most or self.batch_size)):
            inputs, targets = samples.batch(rows, self.torch_dtype)
            yield mapped(lambda part: part.to(self.device), inputs), targets.to(self.device)

    def _directions(self, vectors: Array | Tensor) -> list[list[Tensor]]:
        """Split vectors (m, P) into tensors of the parameters' shapes."""
        sizes = [t.numel() for t in self.tensors]
        given = vectors if isinstance(vectors, Tensor) else torch.from_numpy(np.array(vectors))
        rows = given.to(self.device, self.torch_dtype)
        return [
            [part.reshape(t.shape) for part, t in zip(torch.split(row, sizes), self.tensors, strict=True)]
            for row in rows
        ]


def _slopes(function: LossFunction) -> Callable[..., Tensor]:
    """Return what makes a function's gradients by the outputs (k, ...) of a batch."""

    def slope(outputs: Tensor, targets: Tensor, first: int) -> Tensor:
        return output_gradients(function, outputs, targets).flatten(1)

    return slope


def _grad(
    of: Tensor, by: Sequence[Tensor], along: Tensor | None = None, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """The gradient, zero where `of` does not depend on a tensor; the graph stays for the next vector."""
    if not of.requires_grad:
        return tuple(torch.zeros_like(t) for t in by)
    return torch.autograd.grad(
        of, by, along, retain_graph=True, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )


def _jacobian_products(of: Tensor, by: Sequence[Tensor], directions: list[list[Tensor]]) -> Tensor:
    """Return J v (m, *of.shape) for each direction: the derivative by u of (J' u) . v."""
    u = torch.zeros_like(of, requires_grad=True)
    pulled = _grad(of, by, u, create_graph=True)
    rows = [_grad(_inner(pulled, v), [u])[0] for v in directions]
    return torch.stack(rows) if rows else of.new_zeros((0, *of.shape))


def _inner(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


def _host(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
