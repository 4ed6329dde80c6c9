"""Where a channel shows entries that are not known yet: on its hyperplane, their features just on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.layers import Prefix, gradients_of
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.convolutional.window import Origin
from divulge.reconstruction.settings import CONV_AIMED, TINY


@dataclass(frozen=True)
class Aim:
    """A point (d,) at which a unit is 0, as far as it is known, and the way (d,) across.

    Attributes:
        point: where features of unknown entries are on.
        across: as long as the unknown entries may move the hyperplane.
    """

    point: Array
    across: Array


class Channel:
    """A channel of a layer that is looked for, some entries not known.

    Args:
        prefix: the layers before it, and it.
        depth: layers before it.
        row: what is known.
        number: of the channel in the layer.
    """

    def __init__(self, prefix: Prefix, depth: int, row: Row, number: int) -> None:
        self.prefix = prefix
        self.depth = depth
        self.layer = prefix.layers[depth].take(np.array([number]))
        unknown = ~row.known[:-1].reshape(self.layer.filters.shape[1:])
        self.unknown = torch.from_numpy(unknown)

    def starts(self, points: Array) -> Iterator[tuple[Array, Origin]]:
        """Points (d,) of points (n, d), and windows, near a hyperplane where unknown entries count."""
        with torch.no_grad():
            maps = self.prefix.features(self.prefix.images(points), self.depth)
            z = self.layer.before(maps)
            unknown = self.unknown[None].double()
            count = F.conv2d((maps != 0).double(), unknown, None, self.layer.stride, self.layer.padding)
            size = F.conv2d(maps**2, torch.ones_like(unknown), None, self.layer.stride, self.layer.padding)
            share = CONV_AIMED.share + count / unknown.sum()
            cost = (z.abs() / (size.sqrt() + 1.0) / share).flatten()
            best = torch.topk(cost, min(CONV_AIMED.tries, len(cost)), largest=False).indices
        for place in best:
            which, _, row, column = np.unravel_index(int(place), z.shape)
            steps, padding = self.layer.stride, self.layer.padding
            yield (
                points[which],
                Origin(int(row) * steps[0] - padding[0], int(column) * steps[1] - padding[1]),
            )

    def aim(self, point: Array, origin: Origin, level: float, most: int) -> Aim | None:
        """Go from a point (d,) to where a unit is 0 and unknown features are on, `most` of them, by `level`.

        Newton's steps of least norm: the unit is 0, and of each window that is pooled the largest unit is at
        `level`. The hyperplane is known there but for `level` times the unknown entries. Across it these
        features stay as they are.

        Returns:
            None where no such point is found, or none of the unknown features lies in the map.
        """
        wanted_features = self._nearest_on(point, origin, most)
        if not wanted_features.any():
            return None
        for _ in range(CONV_AIMED.newton):
            units, levels = self._levels(point, origin, wanted_features)
            rows = gradients_of(self.prefix, lambda x: self._all(x, origin), point, np.append(units, -1))
            wanted = np.append(np.full(len(units), level), 0.0)
            off = wanted - levels
            size = float(np.linalg.norm(rows[-1]))
            near = abs(off[-1]) <= CONV_AIMED.near * level * size
            if size and near and np.abs(off[:-1]).max() <= CONV_AIMED.slack * level:
                way = np.linalg.lstsq(rows, np.append(np.zeros(len(units)), 1.0), rcond=CONV_AIMED.rank)[0]
                return Aim(point, way * self._slack(point, origin))
            point = point + np.linalg.lstsq(rows, off, rcond=CONV_AIMED.rank)[0]
        return None

    def _windows(self, maps: Tensor, origin: Origin) -> Tensor:
        """The part (n, c, kh, kw) of maps (n, c, H, W) that a unit sees; 0 outside."""
        rows, columns = self.layer.kernel
        padded = F.pad(maps, (columns, columns, rows, rows))
        top, left = origin.row + rows, origin.column + columns
        return padded[:, :, top : top + rows, left : left + columns]

    def _all(self, x: Tensor, origin: Origin) -> Tensor:
        """Units of the layer before (turned), and the unit itself at the end: shape (n, units + 1)."""
        z, unit = self._both(x, origin)
        return torch.cat([z.flatten(1), unit], 1)

    def _both(self, x: Tensor, origin: Origin) -> tuple[Tensor, Tensor]:
        before = self.prefix.layers[self.depth - 1]
        z = before.turned(before.before(self.prefix.features(x, self.depth - 1)))
        maps = before.pooled(before.active(z))
        unit = (self._windows(maps, origin) * torch.from_numpy(self.layer.filters)).flatten(1).sum(1)
        return z, unit[:, None] + float(self.layer.offsets[0])

    def _nearest_on(self, point: Array, origin: Origin, most: int) -> Tensor:
        """So many of the unknown features (C, kh, kw) in the map, those that are least off."""
        with torch.no_grad():
            z, _ = self._both(self.prefix.images(point[None]), origin)
            pool = self.prefix.layers[self.depth - 1].pool
            best = z if pool is None else F.max_pool2d(z, pool.size, pool.stride)
            inside = self._windows(torch.ones_like(best), origin)[0] > 0
            level = self._windows(best, origin)[0].masked_fill(~(inside & self.unknown), -torch.inf)
            order = level.flatten().argsort(descending=True)[:most]
            chosen = torch.zeros(level.numel(), dtype=torch.bool)
            chosen[order] = True
        return chosen.view(level.shape) & inside & self.unknown

    def _levels(self, point: Array, origin: Origin, features: Tensor) -> tuple[Index, Array]:
        """The largest unit behind each of some features (C, kh, kw); levels of these, then of the unit."""
        with torch.no_grad():
            z, unit = self._both(self.prefix.images(point[None]), origin)
            numbers = torch.arange(z[0].numel()).reshape(z.shape).double()
            pool = self.prefix.layers[self.depth - 1].pool
            if pool is not None:
                _, place = F.max_pool2d(z, pool.size, pool.stride, return_indices=True)
                numbers = numbers.flatten(2).gather(2, place.flatten(2)).view(place.shape)
            units = np.unique(self._windows(numbers, origin)[0][features].long().numpy())
            return units, np.append(z.flatten().numpy()[units], float(unit))

    def _slack(self, point: Array, origin: Origin) -> float:
        """By how much unknown entries may move the unit."""
        with torch.no_grad():
            maps = self.prefix.features(self.prefix.images(point[None]), self.depth)
            total = float(self._windows(maps, origin)[0][self.unknown].abs().sum())
        return max(float(np.abs(self.layer.filters).max()) * total, TINY)
