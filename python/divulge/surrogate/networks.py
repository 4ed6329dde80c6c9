"""Surrogates by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from divulge.names import SURROGATES
from divulge.training import cnn, mlp


def surrogate_network(
    name: str, input_shape: Sequence[int], classes: int, seed: int, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Return a fresh surrogate: "linear", "mlp" (256 and 128 hidden units) or "cnn" (16 and 32 channels).

    Raises:
        ValueError: there is no surrogate of that name, or a "cnn" is to read what is no image.
    """
    if name == "linear":
        return mlp(input_shape, [], classes, seed=seed, dtype=dtype)
    if name == "mlp":
        return mlp(input_shape, [256, 128], classes, seed=seed, dtype=dtype)
    if name == "cnn":
        return cnn(input_shape, classes, seed=seed, dtype=dtype)
    raise ValueError(f"expected a surrogate named {', '.join(SURROGATES)} or a module, got {name!r}")
