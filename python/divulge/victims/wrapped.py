"""Modules that answer in another form or precision, brought to tensors (n, K) in float32 or float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

HALF = (torch.float16, torch.bfloat16)


class Logits(nn.Module):
    """A module whose answer holds its logits as an attribute or a key."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, K)."""
        found = logits_in(self.module(x))
        assert found is not None
        return found


class InFloat32(nn.Module):
    """A module in half precision or bfloat16, fed and read in float32."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.inner = dtype

    def forward(self, x: torch.Tensor) -> Any:
        """Return what the module says of x in its own precision, as float32."""
        told = self.module(x.to(self.inner))
        found = told if isinstance(told, torch.Tensor) else logits_in(told)
        return told if found is None else found.to(torch.float32)


def logits_in(answer: Any) -> torch.Tensor | None:
    """Return the logits that an answer holds, or None."""
    held = isinstance(answer, Mapping)
    found = answer.get("logits") if held else getattr(answer, "logits", None)
    return found if isinstance(found, torch.Tensor) else None
