"""The known layers as they act on small changes of an input: exact within its affine piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix


@dataclass(frozen=True)
class Moving:
    """Maps, and how they change with every number of the input.

    Attributes:
        maps: shape (c, H, W).
        slopes: shape (d, c, H, W).
    """

    maps: Tensor
    slopes: Tensor

    def rows(self) -> Array:
        """Input gradients of every entry, shape (c H W, d)."""
        return np.ascontiguousarray(self.slopes.flatten(1).numpy().T)

    def values(self) -> Array:
        """The entries, shape (c H W,)."""
        return np.asarray(self.maps.flatten().numpy())


def moving(prefix: Prefix, point: Array, depth: int, pixels: Index | None = None) -> Moving:
    """What the first `depth` layers, their sides known, make of an input (d,), as some pixels change."""
    which = np.arange(prefix.size) if pixels is None else pixels
    with torch.no_grad():
        maps = prefix.images(point[None])[0]
        if not depth:
            unit = torch.zeros(len(which), prefix.size, dtype=torch.float64)
            unit[torch.arange(len(which)), torch.from_numpy(which)] = 1.0
            return Moving(maps, unit.reshape(-1, *prefix.shape))
        first = prefix.layers[0]
        slopes = first_slopes(prefix) if pixels is None else first_slopes(prefix)[torch.from_numpy(which)]
        now = activated(first, Moving(first.before(maps[None])[0], slopes))
        for layer in prefix.layers[1:depth]:
            now = activated(layer, convolved(layer, now))
    return now


def first_slopes(prefix: Prefix) -> Tensor:
    """How z of the first layer changes with every number of an input, anywhere: shape (d, c, H, W)."""
    layer = prefix.layers[0]
    key = layer.filters.tobytes(), layer.stride, layer.padding
    if prefix.slopes is None or prefix.slopes[0] != key:
        unit = torch.eye(prefix.size, dtype=torch.float64).reshape(prefix.size, *prefix.shape)
        with torch.no_grad():
            slopes = F.conv2d(unit, torch.from_numpy(layer.filters), None, layer.stride, layer.padding)
        prefix.slopes = key, slopes
    return prefix.slopes[1]


def convolved(layer: ConvLayer, before: Moving) -> Moving:
    """Z of a layer."""
    with torch.no_grad():
        filters = torch.from_numpy(layer.filters)
        maps = layer.before(before.maps[None])[0]
        return Moving(maps, F.conv2d(before.slopes, filters, None, layer.stride, layer.padding))


def activated(layer: ConvLayer, z: Moving) -> Moving:
    """Features of a layer: turned to its sides, which count as up while they are not known, and pooled."""
    with torch.no_grad():
        turned = layer.turned(z.maps[None])[0]
        factor = layer.rise(turned[None])[0]
        if layer.signs is not None:
            factor = factor * torch.from_numpy(layer.signs).view(-1, 1, 1)
        return pooled(layer, Moving(layer.active(turned[None])[0], z.slopes * factor))


def turned_over(layer: ConvLayer, z: Moving) -> Moving:
    """Z of a layer whose sides are not known, every channel the other way."""
    return Moving(torch.from_numpy(layer.shifts).view(-1, 1, 1) - z.maps, -z.slopes)


def pooled(layer: ConvLayer, features: Moving) -> Moving:
    """Pool: averages, or the entries that are largest."""
    pool = layer.pool
    if pool is None:
        return features
    if pool.kind == "avg":
        return Moving(pool(features.maps[None])[0], pool(features.slopes))
    best, place = F.max_pool2d(features.maps[None], pool.size, pool.stride, return_indices=True)
    flat = features.slopes.flatten(2)
    chosen = flat.gather(2, place[0].flatten(1)[None].expand(len(flat), -1, -1))
    return Moving(best[0], chosen.view(len(flat), *best.shape[1:]))


def joined(parts: list[Moving]) -> Moving:
    """Put entries side by side: maps of shape (entries, 1, 1)."""
    maps = torch.cat([part.maps.flatten() for part in parts])
    slopes = torch.cat([part.slopes.flatten(1) for part in parts], 1)
    return Moving(maps.view(-1, 1, 1), slopes[:, :, None, None])
