"""Weights that are no numbers, as damage makes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from divulge.errors import UnsupportedModelFile


def check_finite(path: Path, tensors: Mapping[str, Any]) -> None:
    """Raise UnsupportedModelFile where a tensor of a file holds infinite numbers or NaN."""
    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and not bool(torch.isfinite(tensor).all()):
            raise UnsupportedModelFile(path, f"tensor {name!r}", "holds numbers that are not finite")
