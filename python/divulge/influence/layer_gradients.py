"""Gradients of Linear and Conv2d layers anywhere in a module, in the factors that K-FAC is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from divulge.influence.operators import Array, Factors, LayerPlace

__all__ = ["LayerGradients"]

Batches = Iterable[tuple[Tensor, Tensor]]
Floats = list[NDArray[np.float64]]


class LayerGradients:
    """A layer's gradient for one sample is the sum over its T positions of delta_t (a_t, 1)'.

    Positions are those of an image that a convolution visits (a_t is the patch there), the inner axes of a
    Linear's input, and the times that a layer is called. The factors are those of K-FAC for convolutions
    (Grosse & Martens 2016): the mean over samples of sum_t (a_t, 1)(a_t, 1)', and of the mean over t of
    delta_t delta_t'.

    Args:
        module: in evaluation mode.
        names: of the parameters in question, in their order.
        tensors: their values.
        run: from inputs to outputs, at those values.

    Raises:
        ValueError: a parameter that belongs to no Linear or Conv2d, or to one of another kind than
            described.
    """

    def __init__(
        self,
        module: nn.Module,
        names: Sequence[str],
        tensors: Sequence[Tensor],
        run: Callable[[Tensor], Tensor],
    ) -> None:
        self._run = run
        offsets = dict(zip(names, accumulate([0] + [t.numel() for t in tensors]), strict=False))
        layers = dict(module.named_modules())
        self._layers: dict[str, nn.Linear | nn.Conv2d] = {}
        self.places: list[LayerPlace] = []
        for name, tensor in zip(names, tensors, strict=True):
            prefix, _, kind = name.rpartition(".")
            layer = layers[prefix]
            if not _covered(layer) or (kind == "bias" and prefix not in self._layers):
                raise ValueError(
                    "kfac and ekfac are for the weights of Linear and Conv2d layers (one group, padded with "
                    f"zeros), and their biases; {name!r} belongs to {type(layer).__name__}: name others in "
                    "parameters=, or use curvature='gauss_newton'"
                )
            if kind == "weight":
                self._layers[prefix] = layer
                h = len(tensor)
                bias = offsets.get(f"{prefix}.bias" if prefix else "bias")
                self.places.append(LayerPlace(h, tensor.numel() // h, offsets[name], bias))

    def factors(self, batches: Batches, rows: int) -> Factors:
        """Return K-FAC's factors of each layer.

        Args:
            batches: inputs (k, *shape) and cotangents (k, S K).
            rows: n, all samples.
        """
        inner = [np.zeros((d + (b is not None),) * 2) for _, d, _, b in self.places]
        outer = [np.zeros((h, h)) for h, *_ in self.places]
        for inputs, passes in self._passes(batches):
            for total, a in zip(inner, inputs, strict=True):
                total += _gram(a)
            for deltas in passes:
                for total, delta in zip(outer, deltas, strict=True):
                    total += _gram(delta) / delta.shape[1]
        n = max(rows, 1)
        return [(a / n, b / n) for a, b in zip(inner, outer, strict=True)]

    def eigenvalues(
        self, batches: Batches, rows: int, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Floats:
        """Return the mean over samples of the sum over labels of (U' G V)^2 of each layer."""
        totals = [np.zeros((len(u), len(v))) for u, v in zip(outer, inner, strict=True)]
        for squares in self._squares(batches, inner, outer):
            for total, square in zip(totals, squares, strict=True):
                total += square.sum(0).double().cpu().numpy()
        return [total / max(rows, 1) for total in totals]

    def quadratic(
        self, batches: Batches, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return (n,): the sum over layers of weights (U' G V)^2, G the gradients along the cotangents."""
        parts = [np.zeros(0)]
        for squares in self._squares(batches, inner, outer):
            total = torch.zeros(len(squares[0]), dtype=torch.float64)
            for square, weight in zip(squares, weights, strict=True):
                total += (square.double().cpu() * torch.from_numpy(np.asarray(weight))).sum((1, 2))
            parts.append(total.numpy())
        return np.concatenate(parts)

    def _squares(
        self, batches: Batches, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Iterator[list[Tensor]]:
        """Yield (U' G V)^2 (k, h, d + 1) of each layer, for each batch and label."""
        for inputs, passes in self._passes(batches):
            v, u = ([torch.as_tensor(b).to(inputs[0]) for b in bases] for bases in (inner, outer))
            turned = [a @ basis for a, basis in zip(inputs, v, strict=True)]
            for deltas in passes:
                parts = zip(deltas, u, turned, strict=True)
                yield [((delta @ basis).transpose(1, 2) @ a) ** 2 for delta, basis, a in parts]

    def _passes(self, batches: Batches) -> Iterator[tuple[list[Tensor], Iterator[list[Tensor]]]]:
        """Yield each batch's (a, 1) (k, T, d + 1) of each layer, and for each label delta (k, T, h)."""
        for inputs, cotangents in batches:
            with self._recorded() as calls:
                outputs = self._run(inputs)
            for name in self._layers:
                if name not in calls:
                    raise ValueError(
                        f"kfac and ekfac need {name!r} to be called as a layer, the module only reads its "
                        "weight; name others in parameters=, or use curvature='gauss_newton'"
                    )
            seen = [
                torch.cat([_positions(layer, a, p) for a, _ in calls[name]], dim=1)
                for (name, layer), p in zip(self._layers.items(), self.places, strict=True)
            ]
            yield seen, self._deltas(outputs, cotangents, calls)

    def _deltas(self, outputs: Tensor, cotangents: Tensor, calls: dict[str, Any]) -> Iterator[list[Tensor]]:
        tensors = [[z for _, z in calls[name]] for name in self._layers]
        flat = [z for group in tensors for z in group]
        for label in torch.split(cotangents, outputs.shape[1], dim=1):
            grads = iter(
                torch.autograd.grad(
                    outputs, flat, label, retain_graph=True, allow_unused=True, materialize_grads=True
                )
            )
            yield [torch.cat([_rows(layer, next(grads)) for _ in group], dim=1)
                   for layer, group in zip(self._layers.values(), tensors, strict=True)]  # fmt: skip

    @contextmanager
    def _recorded(self) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
        """Record inputs and outputs of each call of the layers."""
        calls: dict[str, list[tuple[Tensor, Tensor]]] = {}

        def note(name: str) -> Callable[..., None]:
            return lambda _, args, z: calls.setdefault(name, []).append((args[0].detach(), z))

        handles = [layer.register_forward_hook(note(name)) for name, layer in self._layers.items()]
        try:
            yield calls
        finally:
            for handle in handles:
                handle.remove()


def _covered(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)


def _positions(layer: nn.Module, a: Tensor, place: LayerPlace) -> Tensor:
    """Return (a, 1) (k, T, d + 1) of a layer's input, (k, T, d) without a bias."""
    if isinstance(layer, nn.Conv2d):
        patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
        a = patches.transpose(1, 2)
    else:
        a = a.reshape(len(a), -1, a.shape[-1])
    return a if place.bias is None else torch.cat([a, a.new_ones(*a.shape[:2], 1)], dim=2)


def _rows(layer: nn.Module, delta: Tensor) -> Tensor:
    """Return the gradient by a layer's output as (k, T, h)."""
    if isinstance(layer, nn.Conv2d):
        return delta.flatten(2).transpose(1, 2)
    return delta.reshape(len(delta), -1, delta.shape[-1])


def _gram(x: Tensor) -> NDArray[np.float64]:
    flat = x.reshape(-1, x.shape[-1])
    gram: NDArray[np.float64] = (flat.T @ flat).double().cpu().numpy()
    return gram
