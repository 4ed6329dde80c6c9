"""Where results go that do not fit into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["open_output"]


def open_output(out: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Any:
    """Return an array in memory for None, a new memory-mapped or Zarr array for a path, else `out` itself.

    Raises:
        ValueError: an array of another shape, or a path with another suffix than .npy and .zarr.
        ModuleNotFoundError: a .zarr path without the package zarr.
    """
    if out is None:
        return np.empty(shape, dtype)
    if isinstance(out, (str, Path)):
        suffix = Path(out).suffix
        if suffix == ".npy":
            return np.lib.format.open_memmap(out, mode="w+", dtype=dtype, shape=shape)
        if suffix == ".zarr":
            from importlib import import_module

            zarr = import_module("zarr")

            return zarr.open(str(out), mode="w", shape=shape, dtype=dtype, chunks=(1, shape[1]))
        raise ValueError(f"expected an output file named *.npy or *.zarr, got {Path(out).name}")
    if tuple(out.shape) != shape:
        raise ValueError(f"expected an output of shape {shape}, got {tuple(out.shape)}")
    return out
