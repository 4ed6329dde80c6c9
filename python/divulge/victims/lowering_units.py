"""Piecewise-linear units other than ReLUs as ReLUs and a linear part, and results laid side by side.

leaky(x) = s x + (1 - s) max(x, 0),   |x| = 2 max(x, 0) - x,   max(a, b) = b + max(a - b, 0),
clamp(x, l, u) = l + max(x - l, 0) - max(x - u, 0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from divulge.victims.affine import AffineForm, NotAffine, ReluNetwork

aten = torch.ops.aten


def _leaky(
    network: ReluNetwork, x: AffineForm, negative_slope: Any = 0.01, inplace: bool = False
) -> AffineForm:
    """Return a leaky ReLU, of one slope or of one for each entry."""
    slope = _constant(negative_slope)
    return x.scale(slope).add(network.relu(x).scale(1.0 - slope))


def _prelu(network: ReluNetwork, x: AffineForm, weight: Any) -> AffineForm:
    slopes = _constant(weight)
    if slopes.size > 1 and len(x.shape) != 1:
        raise NotAffine(f"a slope for each channel of {x.shape}")
    return _leaky(network, x, slopes)


def _abs(network: ReluNetwork, x: AffineForm) -> AffineForm:
    return network.relu(x).scale(np.asarray(2.0)).add(x.scale(np.asarray(-1.0)))


def clamped(network: ReluNetwork, x: AffineForm, min: Any = None, max: Any = None) -> AffineForm:
    """Return x between bounds, of which one may be None."""
    if min is not None and max is not None and np.any(_constant(max) < _constant(min)):
        raise NotAffine(f"a clamp to [{min}, {max}]")
    low = x if min is None else _above(network, x, _constant(min))
    if max is None:
        return low
    over = network.relu(x.shift(-_constant(max)))
    return low.add(over.scale(np.asarray(-1.0)))


def _above(network: ReluNetwork, x: AffineForm, bound: Any) -> AffineForm:
    """Return max(x, bound)."""
    if not np.any(bound):
        return network.relu(x)
    return network.relu(x.shift(-bound)).shift(bound)


def _hardtanh(
    network: ReluNetwork, x: AffineForm, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> AffineForm:
    return clamped(network, x, min_val, max_val)


def _relu6(network: ReluNetwork, x: AffineForm, inplace: bool = False) -> AffineForm:
    return clamped(network, x, 0.0, 6.0)


def _larger(network: ReluNetwork, a: Any, b: Any, sign: float = 1.0) -> AffineForm:
    """Return max(a, b), or with sign -1 min(a, b)."""
    if not isinstance(a, AffineForm):
        a, b = b, a
    factor = np.asarray(sign)
    difference = a.shift(-_constant(b)) if not isinstance(b, AffineForm) else a.add(b.scale(np.asarray(-1.0)))
    more = network.relu(difference.scale(factor)).scale(factor)
    return more.add(b) if isinstance(b, AffineForm) else more.shift(_constant(b))


def _cat(network: ReluNetwork, parts: Sequence[Any], dim: int = 0) -> AffineForm:
    """Lay vectors side by side."""
    if not all(isinstance(part, AffineForm) and len(part.shape) == 1 for part in parts):
        raise NotAffine("results laid side by side that are not all vectors")
    if dim not in (1, -1):
        raise NotAffine(f"results laid side by side along dimension {dim}")
    return AffineForm.side_by_side(parts, network.width)


def _constant(value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a constant as a float64 array."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().to(torch.float64).numpy()
    return np.asarray(value, dtype=np.float64)


UNIT_MODULES: dict[type[nn.Module], Callable[..., AffineForm]] = {
    nn.LeakyReLU: lambda network, layer, x: _leaky(network, x, layer.negative_slope),
    nn.PReLU: lambda network, layer, x: _prelu(network, x, layer.weight),
    nn.ReLU6: lambda network, layer, x: _relu6(network, x),
    nn.Hardtanh: lambda network, layer, x: _hardtanh(network, x, layer.min_val, layer.max_val),
}

UNIT_FUNCTIONS: dict[Callable[..., Any], tuple[Any, ...]] = {
    _leaky: (F.leaky_relu, aten.leaky_relu.default, aten.leaky_relu_.default),
    _prelu: (F.prelu, torch.prelu, aten.prelu.default),
    _abs: (torch.abs, torch.absolute, aten.abs.default),
    _hardtanh: (F.hardtanh, aten.hardtanh.default, aten.hardtanh_.default),
    _relu6: (F.relu6, aten.relu6.default),
    _larger: (torch.maximum, aten.maximum.default),
    partial(_larger, sign=-1.0): (torch.minimum, aten.minimum.default),
    _cat: (torch.cat, torch.concat, aten.cat.default),
}

UNIT_METHODS: dict[str, Callable[..., Any]] = {"abs": _abs, "maximum": _larger}
