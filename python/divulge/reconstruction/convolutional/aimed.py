"""Where a channel shows the entries that are not known yet: on its hyperplane, with their features on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from divulge.arrays import Array
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.rows import Row
from divulge.reconstruction.settings import CONV_AIMED


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
        unknown = ~row.known[:-1].reshape(self.layer.filters.shape)
        self.unknown = torch.from_numpy(unknown.astype(float))

    def counted(self, maps: Tensor) -> Tensor:
        """How many features of unknown entries are on, for features (n, c, H, W): shape (n, places)."""
        return self._over((maps != 0).double(), self.unknown)

    def _over(self, maps: Tensor, filters: Tensor) -> Tensor:
        layer = self.layer
        return F.conv2d(maps, filters, None, layer.stride, layer.padding).flatten(1)

    def nearest(self, points: Array) -> list[tuple[int, int]]:
        """Return rows of points (n, d) and places near the hyperplane where unknown entries count."""
        with torch.no_grad():
            maps = self.prefix.features(self.prefix.images(points), self.depth)
            count, z = self.counted(maps), self.layer.before(maps).flatten(1)
            size = self._over(maps**2, torch.ones_like(self.unknown)).sqrt() + 1.0
            most = self.unknown.sum()
            cost = (z.abs() / size).masked_fill(count == 0, torch.inf) / (count / most + CONV_AIMED.share)
            best = torch.topk(cost.flatten(), min(CONV_AIMED.tries, cost.numel()), largest=False)
        return [
            divmod(int(i), z.shape[1])
            for i, value in zip(best.indices, best.values, strict=True)
            if torch.isfinite(value)
        ]

    def aim(self, point: Array, place: int) -> Aim | None:
        """Go from a point (d,) to where a unit is 0; None where its unknown entries are off there."""
        start = point
        for _ in range(CONV_AIMED.newton):
            level, normal, slack = self._at(point, place)
            size = float(np.linalg.norm(normal))
            if not size or not slack:
                return None
            if abs(level) <= CONV_AIMED.near * slack:
                return Aim(point, normal * (slack / size**2))
            point = point - normal * (level / size**2)
            if np.linalg.norm(point - start) > CONV_AIMED.longest * np.linalg.norm(start):
                return None
        return None

    def _at(self, point: Array, place: int) -> tuple[float, Array, float]:
        """Level and gradient (d,) of a unit, and by how much unknown entries may move the level."""
        x = self.prefix.images(point[None]).requires_grad_()
        with torch.enable_grad():
            maps = self.prefix.features(x, self.depth)
            level = self.layer.before(maps).flatten(1)[0, place]
            (slope,) = torch.autograd.grad(level, x)
        with torch.no_grad():
            slack = self._over(maps.detach().abs(), self.unknown)[0, place]
        largest = float(np.abs(self.layer.filters).max())
        return float(level.detach()), slope.reshape(-1).numpy(), largest * float(slack)
