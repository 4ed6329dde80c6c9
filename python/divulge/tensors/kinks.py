"""Kinks, values and gradients of dense ReLU networks on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from divulge import _core
from divulge.tensors import kink_enumeration
from divulge.tensors.curvature import Curvature
from divulge.tensors.device import on_device, same_place
from divulge.tensors.launch import Launch
from divulge.tensors.network_lines import NetworkLines, named

__all__ = ["KinkSearch", "enumerate_kinks", "kink_search", "values_and_gradients"]


@dataclass(frozen=True)
class KinkSearch:
    """Kinks sorted by line and then by t, m of them; see `_core.KinkSearchResult`.

    Attributes:
        line: shape (m,).
        t: shape (m,).
        jumps: gradient to the right of the kink minus gradient to the left, shape (m, d).
        offsets: jump.x + offset = 0 on the kink's hyperplane, shape (m,).
        base_values: shape (L,), at `low`.
        base_gradients: shape (L, d).
        complete_lines: whether all kinks of the line are there, shape (L,).
        queries: values and slopes that the search took.
    """

    line: Tensor
    t: Tensor
    jumps: Tensor
    offsets: Tensor
    base_values: Tensor
    base_gradients: Tensor
    complete_lines: Tensor
    queries: int


def kink_search(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
    output: int = 0,
) -> KinkSearch:
    """Find all kinks of dense ReLU networks on the lines u + t v, low <= t <= high.

    Args:
        weights: one (out, in) a layer, or (V, out, in) for V networks of one shape, in float32 or float64.
        biases: one (out,) or (V, out) a layer.
        origins: u of shape (L, d), in float64; of V networks each has L / V lines, one after the other.
        directions: v of shape (L, d), in float64.
        low: where the lines begin.
        high: where they end.
        output: whose kinks.

    Raises:
        ValueError: shapes that do not fit, or no such output.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    lines = NetworkLines.of(weights, biases, origins, directions, low, high, output)
    found = Launch(lines).search() if on_device(origins) else _on_processor(lines)
    return KinkSearch(*found)


def enumerate_kinks(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Walk through all linear pieces of networks at hand on the lines u + t v, low < t <= high.

    Unlike `kink_search` it reads the weights, and names every hidden unit that switches, also where no output
    notices. On the processor plain NumPy does it.

    Args:
        weights: as for `kink_search`.
        biases: as for `kink_search`.
        origins: u of shape (L, d), in float64; of V networks each has L / V lines, one after the other.
        directions: v of shape (L, d), in float64.
        low: where the lines begin.
        high: where they end.

    Returns:
        Of m switches, sorted by line and then by t: the line (m,), t (m,), and the unit (m,), counted through
        the layers.

    Raises:
        ValueError: shapes that do not fit.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    lines = NetworkLines.of(weights, biases, origins, directions, low, high)
    if on_device(origins):
        return Launch(lines).enumerate()
    w, b = ([t.detach().numpy() for t in part] for part in (lines.weights, lines.biases))
    u, v = origins.detach().numpy(), directions.detach().numpy()
    line, t, unit = kink_enumeration.enumerate_kinks(w, b, u, v, low, high)
    return torch.from_numpy(line), torch.from_numpy(t), torch.from_numpy(unit)


def values_and_gradients(
    weights: Sequence[Tensor], biases: Sequence[Tensor], points: Tensor, output: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the values (n, K) of a dense ReLU network at points (n, d), and one output's gradients (n, d).

    Raises:
        ValueError: shapes that do not fit, or no such output.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    same_place(points=points, **named(weights, biases))
    if not on_device(points):
        network = _network([w.detach() for w in weights], [b.detach() for b in biases])
        array = points.detach().numpy()
        gradients = network.values_and_gradients(array, output)[1]
        return torch.from_numpy(network.values(array)), torch.from_numpy(gradients)
    activations = ["relu"] * (len(weights) - 1) + ["identity"]
    targets = points.new_zeros(len(points), len(weights[-1]), dtype=weights[0].dtype)
    chain = Curvature(weights, biases, activations, "squared", points.to(weights[0].dtype), targets)
    return chain.outputs(), chain.input_gradients(output)


def _network(weights: list[Tensor], biases: list[Tensor]) -> Any:
    kind = _core.DenseNetwork32 if weights[0].dtype == torch.float32 else _core.DenseNetwork64
    return kind([w.numpy() for w in weights], [b.numpy() for b in biases])


def _on_processor(lines: NetworkLines) -> tuple[Any, ...]:
    """Return the fields of a `KinkSearch`, the networks searched one after the other."""
    each = lines.each
    parts: list[tuple[Tensor, ...]] = []
    queries = 0
    for k in range(lines.victims):
        network = _network([w[k].detach() for w in lines.weights], [b[k].detach() for b in lines.biases])
        own = slice(k * each, (k + 1) * each)
        u, v = lines.origins[own].detach().numpy(), lines.directions[own].detach().numpy()
        found = _core.kink_search(_core.NetworkOracle(network, lines.output), u, v, lines.low, lines.high)
        arrays = (found.line + k * each, found.t, found.jumps, found.offsets)
        base = (found.base_values, found.base_gradients, found.complete_lines)
        parts.append(tuple(torch.from_numpy(np.array(a)) for a in (*arrays, *base)))
        queries += found.queries
    return (*(torch.cat(part) for part in zip(*parts, strict=True)), queries)
