"""A layer that brings the columns of a table to one unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.datasets import Dataset


class Scaled(nn.Module):
    """x scale + shift, number by number.

    Args:
        scale: shape (d,).
        shift: shape (d,).
        dtype: precision of both.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, scale: Array, shift: Array, *, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.register_buffer("scale", torch.from_numpy(np.array(scale, np.float64)).to(dtype))
        self.register_buffer("shift", torch.from_numpy(np.array(shift, np.float64)).to(dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled rows (n, d)."""
        return x * self.scale + self.shift


def spread_of(data: Dataset | None) -> Array | None:
    """Return the standard deviation of each column of a table, shape (d,); None for other data.

    A column that is the same in all training rows has the deviation 1.
    """
    if data is None or not data.columns:
        return None
    found = data.train_inputs.double().std(dim=0, correction=0).numpy()
    return np.where(found > 0, found, 1.0)


def one_unit(data: Dataset) -> Dataset:
    """Return a table whose columns have mean 0 and deviation 1 in training; other data as they are."""
    spread = spread_of(data)
    if spread is None:
        return data
    mean, size = data.train_inputs.double().mean(dim=0), torch.from_numpy(spread)
    train, test = ((part.double() - mean) / size for part in (data.train_inputs, data.test_inputs))
    return replace(data, train_inputs=train, test_inputs=test)


def in_one_unit(module: nn.Sequential, data: Dataset | None) -> nn.Sequential:
    """Return a module of a table's rows in their own units, given one of `one_unit`; else the same."""
    spread = spread_of(data)
    if data is None or spread is None:
        return module
    mean = data.train_inputs.double().mean(dim=0).numpy()
    dtype = next(module.parameters()).dtype
    return nn.Sequential(Scaled(1 / spread, -mean / spread, dtype=dtype), module).train(module.training)
