"""Known layers of a convolutional network: filters, active sides, pooling; a dense one fills the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.settings import CONV_LAYERS


@dataclass(frozen=True)
class Pool:
    """Pooling behind a layer's activations; windows that do not fit are left out.

    Attributes:
        kind: "avg" or "max".
        size: side of a window.
        stride: distance of two windows.
    """

    kind: str
    size: int
    stride: int

    def __call__(self, maps: Tensor) -> Tensor:
        """Pool maps (n, c, H, W)."""
        if self.kind == "avg":
            return F.avg_pool2d(maps, self.size, self.stride)
        return F.max_pool2d(maps, self.size, self.stride)

    def out(self, length: int) -> int:
        """Return how many windows fit into so many places."""
        return max((length - self.size) // self.stride + 1, 0)

    def chosen(self, maps: Tensor) -> Tensor:
        """How many windows choose each unit of maps (n, c, H, W), if it is above 0, by its largest."""
        best, place = F.max_pool2d(maps, self.size, self.stride, return_indices=True)
        counts = torch.zeros(maps.flatten(2).shape, dtype=torch.int64)
        counts.scatter_add_(2, place.flatten(2), (best > 0).long().flatten(2))
        return counts.view(maps.shape)


@dataclass
class ConvLayer:
    """z = filters * h + offsets, then signs z through a (leaky) ReLU, then pooled.

    Attributes:
        filters: unit norm each, shape (c, C, kh, kw).
        offsets: shape (c,).
        stride, padding: of rows and columns.
        signs: 1.0 or -1.0 of each channel, shape (c,), or None while they are not known.
        slope: of the activation where it is not 1.
        pool: behind the activation, or None.
        ends: z at which each channel goes up no more, as ReLU6 does, shape (c,), or infinite; or None.
    """

    filters: Array
    offsets: Array
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    signs: Array | None = None
    slope: float = 0.0
    pool: Pool | None = None
    ends: Array | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of a filter."""
        return self.filters.shape[2], self.filters.shape[3]

    def covers(self, maps: tuple[int, int, int]) -> bool:
        """Whether a filter sees a map (C, H, W) all at once, nowhere else: the layer is a dense one."""
        return self.kernel == maps[1:] and self.padding == (0, 0)

    @property
    def ended(self) -> Mask:
        """Which channels are cut off above, shape (c,)."""
        return np.zeros(len(self), bool) if self.ends is None else np.isfinite(self.ends)

    def add(self, weights: Array, offset: float, end: float = np.inf) -> None:
        """Append a channel, weights (C, kh, kw), as the one of norm 1 whose largest entry is positive.

        Sides that were told without it are open again.

        Args:
            weights: of a filter.
            offset: its own.
            end: z at which it bends again, infinite where it does not.
        """
        factor = np.linalg.norm(weights) * np.sign(weights.flat[np.abs(weights).argmax()])
        self.filters = np.concatenate([self.filters, (weights / factor)[None]])
        self.offsets = np.append(self.offsets, offset / factor)
        self.signs, self.slope = None, 0.0
        if self.ends is not None or np.isfinite(end):
            before = np.full(len(self) - 1, np.inf) if self.ends is None else self.ends
            self.ends = np.append(before, np.inf)
            self.end_at(len(self) - 1, end / factor)

    def end_at(self, channel: int, level: float) -> None:
        """Take it that a channel bends at a level of z, too, and is on between that and 0 alone."""
        self.ends = np.full(len(self), np.inf) if self.ends is None else self.ends.copy()
        self.ends[channel] = abs(level)
        if np.isfinite(level) and level < 0:
            self.offsets = self.offsets.copy()
            self.offsets[channel] -= level

    def take(self, channels: Index) -> ConvLayer:
        """Return the layer with these channels alone."""
        signs = None if self.signs is None else self.signs[channels]
        ends = None if self.ends is None else self.ends[channels]
        filters, offsets = self.filters[channels], self.offsets[channels]
        return replace(self, filters=filters, offsets=offsets, signs=signs, ends=ends)

    def before(self, maps: Tensor) -> Tensor:
        """z, shape (n, c, H', W'), for maps (n, C, H, W)."""
        filters, offsets = torch.from_numpy(self.filters), torch.from_numpy(self.offsets)
        return F.conv2d(maps, filters, offsets, self.stride, self.padding)

    def turned(self, z: Tensor) -> Tensor:
        """Z with every channel's active side up; as it is while sides are not known."""
        if self.signs is None:
            return z
        return z * _each(self.signs) + _each(np.where(self.ended & (self.signs < 0), self.shifts, 0.0))

    @property
    def shifts(self) -> Array:
        """What -z lacks of z turned over: where it is cut off above, its end, shape (c,)."""
        return np.zeros(len(self)) if self.ends is None else np.where(self.ended, self.ends, 0.0)

    @property
    def nearer(self) -> Array:
        """Sides on which a channel that is cut off above is 0 at the end that is nearer to inputs of 0.

        Either way round it is the same but for constants, and few features are constant at usual inputs then.
        """
        return np.where(self.offsets <= self.shifts / 2, 1.0, -1.0)

    def active(self, turned: Tensor) -> Tensor:
        """The activation of z that was turned, shape (n, c, H, W)."""
        found = F.leaky_relu(turned, self.slope)
        return found if self.ends is None else torch.minimum(found, _each(self.ends))

    def rise(self, turned: Tensor) -> Tensor:
        """How steep the activation is at z that was turned, shape (n, c, H, W)."""
        steep = torch.where(turned > 0, 1.0, torch.tensor(self.slope, dtype=turned.dtype))
        return steep if self.ends is None else steep * (turned < _each(self.ends))

    def from_ends(self, z: Tensor) -> Tensor:
        """How far z (n, c, H, W) is from where it goes up no more, infinite where it always does."""
        return torch.full_like(z, torch.inf) if self.ends is None else (z - _each(self.ends)).abs()

    def after(self, z: Tensor) -> Tensor:
        """Features for z (n, c, H, W), the sides being known."""
        return self.pooled(self.active(self.turned(z)))

    def pooled(self, maps: Tensor) -> Tensor:
        """Pool maps (n, c, H, W), where there is pooling."""
        return maps if self.pool is None else self.pool(maps)

    def state(self, z: Tensor) -> Tensor:
        """Whole numbers (n, c, H, W) that change where a unit of z begins or ceases to count."""
        on = (z > 0).long()
        if self.ends is not None:
            on = on + (z > _each(self.ends))
        if self.pool is None or self.pool.kind == "avg":
            return on
        if self.signs is not None and not self.slope:
            turned = self.turned(z)
            return self.pool.chosen(self.active(turned)) * (self.rise(turned) > 0)
        shift = float(z.abs().max()) + 1.0 if self.slope else 0.0  # leaky units are chosen below 0 too
        up, down = self.pool.chosen(z + shift), self.pool.chosen(shift - z + _each(self.shifts))
        count = self.pool.size**2 + 1
        own = bool(self.slope) or self.ends is not None
        return on * own + 3 * (up + count * down)

    def rows(self, units: Index, maps: tuple[int, int, int]) -> Array:
        """Gradients (m, C H W) of units of z, numbered as they lie, in maps (C, H, W) that are given."""
        channel, row, column = np.unravel_index(units, (len(self), *self.out(*maps[1:])))
        (down, across), (kh, kw) = self.padding, self.kernel
        found = np.zeros((len(units), maps[0], maps[1] + 2 * down, maps[2] + 2 * across))
        unit, given = np.arange(len(units))[:, None, None, None], np.arange(maps[0])[:, None, None]
        rows = (row * self.stride[0])[:, None, None, None] + np.arange(kh)[:, None]
        columns = (column * self.stride[1])[:, None, None, None] + np.arange(kw)
        found[unit, given, rows, columns] = self.filters[channel]
        inside = found[:, :, down : down + maps[1], across : across + maps[2]]
        return np.ascontiguousarray(inside).reshape(len(units), -1)

    def out(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of z for maps of so many."""
        sizes = ((height, width), self.padding, self.kernel, self.stride)
        rows, columns = (max((h + 2 * p - k) // s + 1, 0) for h, p, k, s in zip(*sizes, strict=True))
        return rows, columns


@dataclass
class Prefix:
    """The layers known so far, from the input on.

    Attributes:
        shape: (C, H, W) of an input.
        layers: the sides of all but the last are known.
        slopes: of z of the first layer, and what of: see `linearised.first_slopes`.
    """

    shape: tuple[int, int, int]
    layers: list[ConvLayer] = field(default_factory=list)
    slopes: tuple[object, Tensor] | None = None

    @property
    def size(self) -> int:
        """D."""
        return int(np.prod(self.shape))

    def images(self, points: Array) -> Tensor:
        """Points (n, d) as maps (n, C, H, W)."""
        return torch.from_numpy(np.ascontiguousarray(points)).reshape(len(points), *self.shape)

    def before(self, maps: Tensor) -> list[Tensor]:
        """Z of every layer for inputs (n, C, H, W)."""
        found: list[Tensor] = []
        for layer in self.layers:
            found.append(layer.before(maps))
            if layer is not self.layers[-1]:
                maps = layer.after(found[-1])
        return found

    def features(self, maps: Tensor, depth: int) -> Tensor:
        """What the first `depth` layers, their sides known, make of inputs (n, C, H, W)."""
        for layer in self.layers[:depth]:
            maps = layer.after(layer.before(maps))
        return maps

    def states(self, points: Array) -> Index:
        """What counts of every unit at points (n, d), shape (n, units); see `ConvLayer.state`."""
        if not self.layers or not len(self.layers[0]):
            return np.zeros((len(points), 0), np.intp)
        with torch.no_grad():
            z = self.before(self.images(points))
        states = [layer.state(part).flatten(1) for layer, part in zip(self.layers, z, strict=True)]
        return np.asarray(torch.cat(states, 1).numpy(), np.intp)

    def gradients(self, point: Array, units: Index) -> Array:
        """Input gradients (m, d) of z of units, numbered as in `states`, at a point (d,)."""
        first = units < np.prod(self.unit_shape(0)) if self.layers else np.zeros(len(units), bool)
        found = np.empty((len(units), self.size))
        found[first] = self.layers[0].rows(units[first], self.shape) if first.any() else 0.0
        if not first.all():
            found[~first] = gradients_of(self, lambda x: flat(self.before(x)), point, units[~first])
        return found

    def sizes(self) -> list[int]:
        """Units of every layer."""
        return [int(np.prod(self.unit_shape(depth))) for depth in range(len(self.layers))]

    @property
    def ends_dense(self) -> bool:
        """Whether the last layer is a dense one behind others."""
        depth = len(self.layers) - 1
        return depth > 0 and self.layers[-1].covers(self.map_shape(depth))

    def map_shape(self, depth: int) -> tuple[int, int, int]:
        """(c, H, W) of the features that the first `depth` layers make."""
        maps = self.shape
        for layer in self.layers[:depth]:
            height, width = layer.out(maps[1], maps[2])
            if layer.pool is not None:
                height, width = layer.pool.out(height), layer.pool.out(width)
            maps = (len(layer), height, width)
        return maps

    def unit_shape(self, depth: int) -> tuple[int, int, int]:
        """(c, H, W) of z of the layer at a depth, 0 for the first."""
        _, height, width = self.map_shape(depth)
        return (len(self.layers[depth]), *self.layers[depth].out(height, width))


def gradients_of(prefix: Prefix, function: Callable[[Tensor], Tensor], point: Array, which: Index) -> Array:
    """Input gradients (m, d) at a point (d,) of the entries `which` (m,) of a function (n, ...) -> (n, q)."""
    found = np.zeros((len(which), prefix.size))
    for first in range(0, len(which), CONV_LAYERS.batch):
        part = torch.from_numpy(np.asarray(which[first : first + CONV_LAYERS.batch], np.int64))
        x = prefix.images(np.repeat(point[None], len(part), 0)).requires_grad_()
        with torch.enable_grad():
            entries = function(x)[torch.arange(len(part)), part]
            (gradient,) = torch.autograd.grad(entries.sum(), x)
        found[first : first + len(part)] = gradient.reshape(len(part), -1).numpy()
    return found


def _each(numbers: Array) -> Tensor:
    """A number of each channel, beside maps (n, c, H, W)."""
    return torch.from_numpy(numbers).view(1, -1, 1, 1)


def flat(parts: Sequence[Tensor]) -> Tensor:
    """Put maps (n, c, H, W) side by side: shape (n, units)."""
    return torch.cat([part.flatten(1) for part in parts], 1)
