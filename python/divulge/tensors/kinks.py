"""Kinks, values and gradients of dense ReLU networks on tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from divulge import _core
from divulge.reference import kink_enumeration as reference_search
from divulge.tensors.curvature import Curvature
from divulge.tensors.device import backend, on_device, place, same_place

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
    stacked, offsets = _stacked(weights, biases, origins, directions, low, high, output)
    if on_device(origins):
        return _on_device(stacked, offsets, origins, directions, low, high, output)
    return _on_processor(stacked, offsets, origins, directions, low, high, output)


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
    stacked, offsets = _stacked(weights, biases, origins, directions, low, high, 0)
    if on_device(origins):
        return _enumerate_on_device(stacked, offsets, origins, directions, low, high)
    w, b = ([t.detach().numpy() for t in part] for part in (stacked, offsets))
    u, v = origins.detach().numpy(), directions.detach().numpy()
    line, t, unit = reference_search.enumerate_kinks(w, b, u, v, low, high)
    return torch.from_numpy(line), torch.from_numpy(t), torch.from_numpy(unit)


def values_and_gradients(
    weights: Sequence[Tensor], biases: Sequence[Tensor], points: Tensor, output: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the values (n, K) of a dense ReLU network at points (n, d), and one output's gradients (n, d).

    Raises:
        ValueError: shapes that do not fit, or no such output.
        RuntimeError: the tensors are on a device, and divulge was built without CUDA.
    """
    same_place(points=points, **_named(weights, biases))
    if not on_device(points):
        network = _network([w.detach() for w in weights], [b.detach() for b in biases])
        array = points.detach().numpy()
        gradients = network.values_and_gradients(array, output)[1]
        return torch.from_numpy(network.values(array)), torch.from_numpy(gradients)
    activations = ["relu"] * (len(weights) - 1) + ["identity"]
    targets = points.new_zeros(len(points), len(weights[-1]), dtype=weights[0].dtype)
    chain = Curvature(weights, biases, activations, "squared", points.to(weights[0].dtype), targets)
    return chain.outputs(), chain.input_gradients(output)


def _named(weights: Sequence[Tensor], biases: Sequence[Tensor]) -> dict[str, Tensor]:
    return {
        f"{name} {i}": t for name, part in (("weight", weights), ("bias", biases)) for i, t in enumerate(part)
    }


def _stacked(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
    output: int,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return weights (V, out, in) and biases (V, out) of every layer, all arguments checked."""
    same_place(origins=origins, directions=directions, **_named(weights, biases))
    stacked = [w if w.ndim == 3 else w[None] for w in weights]
    offsets = [b if b.ndim == 2 else b[None] for b in biases]
    _check(stacked, offsets, origins, directions, low, high, output)
    return stacked, offsets


def _check(
    weights: list[Tensor],
    biases: list[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
    output: int,
) -> None:
    victims, d = len(weights[0]), weights[0].shape[2]
    width = d
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if w.shape[0] != victims or w.shape[2] != width or b.shape != w.shape[:2] or w.dtype != b.dtype:
            raise ValueError(
                f"layer {i}: expected a weight ({victims}, out, {width}) and a bias ({victims}, out), got "
                f"{tuple(w.shape)} and {tuple(b.shape)}"
            )
        width = w.shape[1]
    for name, lines in (("origins", origins), ("directions", directions)):
        if lines.shape != (len(origins), d) or lines.dtype != torch.float64:
            raise ValueError(
                f"expected {name} of shape ({len(origins)}, {d}) in float64, got {tuple(lines.shape)} "
                f"in {lines.dtype}"
            )
    if len(origins) % victims:
        raise ValueError(
            f"expected the same number of lines for {victims} networks, got {len(origins)} in all"
        )
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"expected finite low < high, got {low} and {high}")
    if not 0 <= output < width:
        raise ValueError(f"expected an output from 0 to {width - 1}, got {output}")


def _network(weights: list[Tensor], biases: list[Tensor]) -> Any:
    kind = _core.DenseNetwork32 if weights[0].dtype == torch.float32 else _core.DenseNetwork64
    return kind([w.numpy() for w in weights], [b.numpy() for b in biases])


def _on_processor(
    weights: list[Tensor],
    biases: list[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
    output: int,
) -> KinkSearch:
    each = len(origins) // len(weights[0])
    parts: list[tuple[Tensor, ...]] = []
    queries = 0
    for k in range(len(weights[0])):
        network = _network([w[k].detach() for w in weights], [b[k].detach() for b in biases])
        lines = slice(k * each, (k + 1) * each)
        u, v = origins[lines].detach().numpy(), directions[lines].detach().numpy()
        found = _core.kink_search(_core.NetworkOracle(network, output), u, v, low, high)
        arrays = (found.line + k * each, found.t, found.jumps, found.offsets)
        base = (found.base_values, found.base_gradients, found.complete_lines)
        parts.append(tuple(torch.from_numpy(np.array(a)) for a in (*arrays, *base)))
        queries += found.queries
    line, t, *rest = (torch.cat(part) for part in zip(*parts, strict=True))
    jumps, offsets, values, gradients, complete = rest
    return KinkSearch(line, t, jumps, offsets, values, gradients, complete, queries)


def _on_device(
    weights: list[Tensor],
    biases: list[Tensor],
    origins: Tensor,
    directions: Tensor,
    low: float,
    high: float,
    output: int,
) -> KinkSearch:
    cuda, dtype = backend(origins), weights[0].dtype
    weights, biases = ([t.detach().contiguous() for t in part] for part in (weights, biases))
    # Lines as the network sees them.
    u, v = (x.detach().to(dtype).double().contiguous() for x in (origins, directions))
    units = sum(w.shape[1] for w in weights[:-1])
    room = max(1, units) if len(weights) <= 2 else 2 * units
    search = _Launch(cuda, weights, biases, u, v, output)
    while True:
        out = search.run(low, high, room)
        if not out["overflow"].any():
            break
        room *= 2  # a deep network bends a line more often than it has units
    return search.collect(out, room)


def _enumerate_on_device(
    weights: list[Tensor], biases: list[Tensor], origins: Tensor, directions: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor, Tensor]:
    cuda, dtype = backend(origins), weights[0].dtype
    weights, biases = ([t.detach().contiguous() for t in part] for part in (weights, biases))
    u, v = (x.detach().to(dtype).double().contiguous() for x in (origins, directions))
    launch = _Launch(cuda, weights, biases, u, v, 0)
    room = max(1, sum(w.shape[1] for w in weights[:-1]))
    while True:
        t = u.new_empty(len(u), room)
        unit = torch.empty(len(u), room, dtype=torch.int32, device=u.device)
        count, overflow = (torch.zeros(len(u), dtype=torch.int32, device=u.device) for _ in range(2))
        launch.walk(low, high, room, [t, unit, count, overflow])
        if not overflow.any():
            break
        room *= 2
    found = torch.arange(room, device=u.device) < count[:, None]
    return found.nonzero()[:, 0], t[found], unit[found].long()


class _Launch:
    """The buffers and calls of a search on a device."""

    def __init__(
        self, cuda: Any, weights: list[Tensor], biases: list[Tensor], u: Tensor, v: Tensor, output: int
    ) -> None:
        self.cuda, self.weights, self.biases, self.u, self.v, self.output = (
            cuda,
            weights,
            biases,
            u,
            v,
            output,
        )
        self.bits = "32" if weights[0].dtype == torch.float32 else "64"
        self.each = max(1, len(u) // len(weights[0]))
        self.stream, self.device = place(u)
        scale = u.norm(dim=1) / v.norm(dim=1)
        self.scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        lines = (len(weights[0]), len(u) // len(weights[0]), u.shape[1])
        z_u, z_v = (x.to(weights[0].dtype).reshape(lines) @ weights[0].mT for x in (u, v))
        self.z = [z.flatten(0, 1).contiguous() for z in (z_u + biases[0][:, None], z_v)]

    def run(self, low: float, high: float, max_kinks: int) -> dict[str, Tensor]:
        """Search with room for so many kinks a line."""
        count = len(self.u)
        words, room = getattr(self.cuda, f"kink_room{self.bits}")(
            self.weights, self.biases, count, max_kinks, self.device
        )

        def empty(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=self.u.device)

        out = {
            "t": empty(count, max_kinks),
            "left": empty(count, max_kinks, words, dtype=torch.int32),
            "right": empty(count, max_kinks, words, dtype=torch.int32),
            "gaps": empty(count, max_kinks, 2),
            "base_values": empty(count),
            "base_patterns": empty(count, words, dtype=torch.int32),
            "kinks": empty(count, dtype=torch.int32),
            "gap_counts": empty(count, dtype=torch.int32),
            "overflow": empty(count, dtype=torch.int32),
            "queries": empty(count, dtype=torch.int64),
        }
        ranges = [torch.full_like(self.scale, low), torch.full_like(self.scale, high), self.scale]
        workspace = empty(room, dtype=torch.uint8)
        getattr(self.cuda, f"kink_search{self.bits}")(
            self.weights,
            self.biases,
            self.output,
            self.each,
            max_kinks,
            0.0,
            self.z,
            ranges,
            workspace,
            list(out.values()),
            self.stream,
            self.device,
        )
        return out

    def walk(self, low: float, high: float, max_kinks: int, out: list[Tensor]) -> None:
        """Enumerate with room for so many switches a line."""
        ranges = [torch.full_like(self.scale, low), torch.full_like(self.scale, high)]
        getattr(self.cuda, f"enumerate_kinks{self.bits}")(
            self.weights, self.biases, self.each, max_kinks, self.z, ranges, out, self.stream, self.device
        )

    def collect(self, out: dict[str, Tensor], max_kinks: int) -> KinkSearch:
        """Gather the kinks, and compute what the gradient jumps by."""
        places = torch.arange(max_kinks, device=self.u.device)
        found = places < out["kinks"][:, None]
        line, t = found.nonzero()[:, 0].contiguous(), out["t"][found]
        jumps, offsets = self.u.new_empty(len(t), self.u.shape[1]), torch.empty_like(t)
        self._jumps(line, out["left"][found], out["right"][found], t, jumps, offsets)
        base = torch.empty_like(self.u)
        lines = torch.arange(len(self.u), device=self.u.device)
        self._jumps(lines, None, out["base_patterns"], None, base, None)
        complete = out["gap_counts"] == 0
        queries = int(out["queries"].sum())
        return KinkSearch(line, t, jumps, offsets, out["base_values"], base, complete, queries)

    def _jumps(
        self,
        line: Tensor,
        left: Tensor | None,
        right: Tensor,
        t: Tensor | None,
        jumps: Tensor,
        offsets: Tensor | None,
    ) -> None:
        getattr(self.cuda, f"kink_jumps{self.bits}")(
            self.weights,
            self.biases,
            self.output,
            self.each,
            line,
            left,
            right,
            t,
            self.u,
            self.v,
            jumps,
            offsets,
            self.stream,
            self.device,
        )
