"""Kronecker-factored curvature from gradients that are formed, twin of the core's `kronecker_*`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from divulge.reference.curvature import ACTIVATIONS, Curvature

__all__ = ["kronecker_eigenvalues", "kronecker_factors", "kronecker_quadratic"]


def _layer_gradients(curvature: Curvature, cotangents: Tensor) -> Iterator[list[Tensor]]:
    """For each label s, yield one tensor (n, h, d + 1) a layer: the samples' gradients by (W, b)."""
    outputs = curvature.shapes[-1][0][0]
    for label in torch.split(cotangents, outputs, dim=1):
        gradients, offset, layers = curvature.sample_gradients(label), 0, []
        for shape, has_bias in curvature.shapes:
            part = gradients[:, offset : offset + shape.numel()].reshape(-1, *shape)
            offset += shape.numel()
            if has_bias:
                part = torch.cat([part, gradients[:, offset : offset + shape[0], None]], dim=2)
                offset += shape[0]
            layers.append(part)
        yield layers


def kronecker_factors(curvature: Curvature, cotangents: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return (mean of (a, 1)(a, 1)', mean of the sum over labels of delta delta') of each layer.

    Args:
        curvature: whose layers' inputs a and gradients delta by z are meant.
        cotangents: (n, S K), the outputs' gradients for S labels of each sample.
    """
    inputs = _layer_inputs(curvature)
    n, outputs = max(len(cotangents), 1), curvature.shapes[-1][0][0]
    labels = torch.split(cotangents, outputs, dim=1)
    factors = []
    for index, a in enumerate(inputs):
        deltas = torch.cat([_delta(curvature, label, index) for label in labels])
        factors.append((a.T @ a / n, deltas.T @ deltas / n))
    return factors


def _layers(curvature: Curvature) -> Iterator[tuple[Tensor, Tensor | None, str]]:
    """Yield weight, bias or None, and activation of each layer."""
    offset = 0
    for (shape, has_bias), activation in zip(curvature.shapes, curvature.activations, strict=True):
        weight = curvature.theta[offset : offset + shape.numel()].reshape(shape)
        offset += shape.numel()
        bias = curvature.theta[offset : offset + shape[0]] if has_bias else None
        offset += shape[0] if has_bias else 0
        yield weight, bias, activation


def _layer_inputs(curvature: Curvature) -> list[Tensor]:
    """Return (a, 1) (n, d + 1) of each layer, a (n, d) where it has no bias."""
    x, inputs = curvature.inputs, []
    for weight, bias, activation in _layers(curvature):
        inputs.append(x if bias is None else torch.cat([x, x.new_ones(len(x), 1)], dim=1))
        x = ACTIVATIONS[activation](torch.nn.functional.linear(x, weight, bias))
    return inputs


def _delta(curvature: Curvature, label: Tensor, index: int) -> Tensor:
    """Return the gradients (n, h) of label . outputs by the sums z of one layer, by shifting z."""
    x, shift = curvature.inputs, torch.empty(0)
    for i, (weight, bias, activation) in enumerate(_layers(curvature)):
        z = torch.nn.functional.linear(x, weight, bias)
        if i == index:
            shift = torch.zeros_like(z, requires_grad=True)
            z = z + shift
        x = ACTIVATIONS[activation](z)
    return torch.autograd.grad((x * label).sum(), shift)[0]


def kronecker_eigenvalues(
    curvature: Curvature, cotangents: Tensor, inner: Sequence[Tensor], outer: Sequence[Tensor]
) -> list[Tensor]:
    """Return the mean over samples of the sum over labels of (U' G V)^2, G (h, d + 1) each layer's gradient.

    Args:
        curvature: of n samples.
        cotangents: (n, S K).
        inner: V (d + 1, d + 1) of each layer.
        outer: U (h, h) of each layer.
    """
    sums: list[Tensor] = [torch.zeros(len(u), len(v)) for u, v in zip(outer, inner, strict=True)]
    for layers in _layer_gradients(curvature, cotangents):
        for i, gradient in enumerate(layers):
            sums[i] = sums[i] + ((outer[i].T @ gradient @ inner[i]) ** 2).sum(0)
    return [s / max(len(cotangents), 1) for s in sums]


def kronecker_quadratic(
    curvature: Curvature,
    cotangents: Tensor,
    inner: Sequence[Tensor],
    outer: Sequence[Tensor],
    weights: Sequence[Tensor],
) -> Tensor:
    """Return (n,): the sum over labels, layers and entries of weights (U' G V)^2, G each layer's gradient.

    Args:
        curvature: of n samples.
        cotangents: (n, S K).
        inner: V (d + 1, d + 1) of each layer.
        outer: U (h, h) of each layer.
        weights: (h, d + 1) of each layer.
    """
    total = torch.zeros(len(cotangents), dtype=torch.float64)
    for layers in _layer_gradients(curvature, cotangents):
        for gradient, u, v, weight in zip(layers, outer, inner, weights, strict=True):
            total += ((u.T @ gradient @ v) ** 2 * weight).sum((1, 2)).double()
    return total
