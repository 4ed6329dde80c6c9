"""ONNX's Resize as picks and mixtures of entries along each axis."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Sizes = tuple[int, ...]
COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric")
MODES = ("nearest", "linear", "cubic")
BEND = -0.75  # ONNX's own a where a file says none
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resized(
    x: Tensor,
    sizes: Sizes,
    scales: tuple[float, ...] | None,
    mode: str,
    how: str,
    rounding: str,
    bend: float = BEND,
) -> Tensor:
    """Return spatial axes of x (n, c, ...) in other sizes, one axis after another.

    Args:
        x: shape (n, c, ...).
        sizes: of the spatial axes; () where scales tell them, rounded down.
        scales: of the spatial axes; None where sizes tell them.
        mode: of MODES.
        how: of COORDINATES, where an entry of the result lies in x.
        rounding: of ROUNDINGS, to the nearest entry.
        bend: a of the cubic mixture.

    Source: the operator Resize of ONNX, version 19.
    """
    spatial = x.shape[2:]
    if len(spatial) != len(sizes if scales is None else scales):
        raise ValueError(f"it resizes {len(sizes if scales is None else scales)} of {len(spatial)} axes")
    for axis, old in enumerate(spatial):
        scale = sizes[axis] / old if scales is None else scales[axis]
        new = sizes[axis] if scales is None else int(np.floor(np.float32(old) * np.float32(scale)))
        if (new, scale) != (old, 1.0):
            x = _along(x, axis + 2, places(old, new, scale, how), mode, rounding, bend)
    return x


def places(old: int, new: int, scale: float, how: str) -> NDArray[np.float32]:
    """Return where the entries (new,) of the result lie among the old ones, in float32 as runtimes do it."""
    at, size = np.arange(new, dtype=np.float32), np.float32(scale)
    if how == "asymmetric":
        return np.asarray(at / size, np.float32)
    if how == "align_corners":
        return np.asarray(at * np.float32(old - 1) / np.float32(max(1, new - 1)), np.float32)
    if how == "pytorch_half_pixel" and new == 1:
        return np.zeros(1, np.float32)
    half = np.float32(0.5)
    shift = np.float32(0)
    if how == "half_pixel_symmetric":
        shift = np.float32(old / 2 * (1 - new / (scale * old)))
    return np.asarray(shift + (at + half) / size - half, np.float32)


def _along(x: Tensor, axis: int, at: NDArray[np.float32], mode: str, rounding: str, bend: float) -> Tensor:
    """Pick the nearest entries along an axis, or mix the two or four beside each place."""
    last = x.shape[axis] - 1
    if mode == "nearest":
        return x.index_select(axis, _index(x, _rounded(at, rounding), last))
    at = at if mode == "cubic" else at.clip(0, last)
    low = np.floor(at)
    share = torch.from_numpy(at - low).to(x).reshape(-1, *[1] * (x.ndim - 1 - axis))
    if mode == "cubic":
        parts = [x.index_select(axis, _index(x, low + i, last)) for i in (-1, 0, 1, 2)]
        away = (share + 1, share, 1 - share, 2 - share)
        return sum(
            (_cubic(t, bend) * part for t, part in zip(away, parts, strict=True)), torch.zeros(()).to(x)
        )
    before, behind = (x.index_select(axis, _index(x, low + i, last)) for i in (0, 1))
    return before * (1 - share) + behind * share


def _cubic(away: Tensor, a: float) -> Tensor:
    """The weight of an entry so far away, 0 to 2 (R. Keys, 1981)."""
    near = ((a + 2) * away - (a + 3)) * away**2 + 1
    far = ((a * away - 5 * a) * away + 8 * a) * away - 4 * a
    return torch.where(away <= 1, near, far)


def _rounded(at: NDArray[np.float32], rounding: str) -> NDArray[np.float32]:
    """Round places; halves down or up as told."""
    half = np.float32(0.5)
    if rounding == "round_prefer_floor":
        return np.asarray(np.ceil(at - half), np.float32)
    return np.asarray(
        {"round_prefer_ceil": np.floor(at + half), "floor": np.floor(at)}.get(rounding, np.ceil(at))
    )


def _index(x: Tensor, at: NDArray[np.float32], last: int) -> Tensor:
    """Whole places as an index on the device of x, none outside."""
    return torch.from_numpy(at.clip(0, last).astype(np.int64)).to(x.device)
