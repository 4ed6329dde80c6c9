"""The kernels that walk along lines, launched on a device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from divulge.tensors.device import backend, place
from divulge.tensors.network_lines import NetworkLines

__all__ = ["Launch"]


class Launch:
    """The buffers and calls of a search along lines whose tensors are on a device.

    Args:
        lines: what is searched.

    Raises:
        RuntimeError: divulge was built without CUDA.
    """

    def __init__(self, lines: NetworkLines) -> None:
        self.lines, self.cuda = lines, backend(lines.origins)
        self.weights, self.biases = (
            [t.detach().contiguous() for t in part] for part in (lines.weights, lines.biases)
        )
        dtype = self.weights[0].dtype
        self.bits = "32" if dtype == torch.float32 else "64"
        # Lines as the network sees them.
        self.u, self.v = (
            x.detach().to(dtype).double().contiguous() for x in (lines.origins, lines.directions)
        )
        self.each = max(1, lines.each)
        self.stream, self.device = place(self.u)
        self.units = sum(w.shape[1] for w in self.weights[:-1])
        by_network = (lines.victims, lines.each, self.u.shape[1])
        z_u, z_v = (x.to(dtype).reshape(by_network) @ self.weights[0].mT for x in (self.u, self.v))
        self.z = [z.flatten(0, 1).contiguous() for z in (z_u + self.biases[0][:, None], z_v)]

    def search(self) -> tuple[Any, ...]:
        """Return the fields of a `KinkSearch`."""
        room = max(1, self.units) if len(self.weights) <= 2 else 2 * self.units
        while True:
            out = self._search(room)
            if not out["overflow"].any():
                break
            room *= 2  # a deep network bends a line more often than it has units
        return self._collect(out, room)

    def enumerate(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return line, t and unit of every switch."""
        room = max(1, self.units)
        while True:
            t, unit = self._empty(len(self.u), room), self._empty(len(self.u), room, dtype=torch.int32)
            count, overflow = (self._empty(len(self.u), dtype=torch.int32).zero_() for _ in range(2))
            self._call("enumerate_kinks", self.each, room, self.z, self._ranges(), [t, unit, count, overflow])
            if not overflow.any():
                break
            room *= 2
        found = torch.arange(room, device=self.u.device) < count[:, None]
        return found.nonzero()[:, 0], t[found], unit[found].long()

    def _search(self, max_kinks: int) -> dict[str, Tensor]:
        """Search with room for so many kinks a line."""
        count = len(self.u)
        words, room = getattr(self.cuda, f"kink_room{self.bits}")(
            self.weights, self.biases, count, max_kinks, self.device
        )
        out = {
            "t": self._empty(count, max_kinks),
            "left": self._empty(count, max_kinks, words, dtype=torch.int32),
            "right": self._empty(count, max_kinks, words, dtype=torch.int32),
            "gaps": self._empty(count, max_kinks, 2),
            "base_values": self._empty(count),
            "base_patterns": self._empty(count, words, dtype=torch.int32),
            "kinks": self._empty(count, dtype=torch.int32),
            "gap_counts": self._empty(count, dtype=torch.int32),
            "overflow": self._empty(count, dtype=torch.int32),
            "queries": self._empty(count, dtype=torch.int64),
        }
        scale = self.u.norm(dim=1) / self.v.norm(dim=1)
        ranges = [*self._ranges(), torch.where(scale > 0, scale, torch.ones_like(scale))]
        workspace = self._empty(room, dtype=torch.uint8)
        rest = (self.z, ranges, workspace, list(out.values()))
        self._call("kink_search", self.lines.output, self.each, max_kinks, 0.0, *rest)
        return out

    def _collect(self, out: dict[str, Tensor], max_kinks: int) -> tuple[Any, ...]:
        """Gather the kinks, and compute what the gradient jumps by."""
        places = torch.arange(max_kinks, device=self.u.device)
        found = places < out["kinks"][:, None]
        line, t = found.nonzero()[:, 0].contiguous(), out["t"][found]
        jumps, offsets = self._empty(len(t), self.u.shape[1]), torch.empty_like(t)
        self._jumps(line, out["left"][found], out["right"][found], t, jumps, offsets)
        base = torch.empty_like(self.u)
        every = torch.arange(len(self.u), device=self.u.device)
        self._jumps(every, None, out["base_patterns"], None, base, None)
        complete = out["gap_counts"] == 0
        return line, t, jumps, offsets, out["base_values"], base, complete, int(out["queries"].sum())

    def _jumps(
        self,
        line: Tensor,
        left: Tensor | None,
        right: Tensor,
        t: Tensor | None,
        jumps: Tensor,
        offsets: Tensor | None,
    ) -> None:
        points = (left, right, t, self.u, self.v, jumps, offsets)
        self._call("kink_jumps", self.lines.output, self.each, line, *points)

    def _ranges(self) -> list[Tensor]:
        return [self.u.new_full((len(self.u),), end) for end in (self.lines.low, self.lines.high)]

    def _empty(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.u.device)

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a launcher of the networks' precision on the current stream."""
        launcher = getattr(self.cuda, f"{name}{self.bits}")
        launcher(self.weights, self.biases, *arguments, self.stream, self.device)
