"""Networks by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from divulge.registry import Entry, Registry
from divulge.training.networks import cnn, mlp, patch_cnn, strided_cnn

__all__ = ["NETWORKS", "network_by_name"]


def linear(
    input_shape: Sequence[int], classes: int, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> nn.Sequential:
    """Flatten and one Linear."""
    return mlp(input_shape, [], classes, seed=seed, dtype=dtype)


def dense(
    input_shape: Sequence[int],
    classes: int,
    *,
    seed: int = 0,
    hidden: int | Sequence[int] = (256, 128),
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """Flatten, then Linear and ReLU by turns, ending with a Linear."""
    return mlp(input_shape, [hidden] if isinstance(hidden, int) else hidden, classes, seed=seed, dtype=dtype)


NETWORKS: Registry[nn.Module] = Registry(
    "a network",
    {
        "linear": Entry(linear),
        "mlp": Entry(dense, ("hidden",)),
        "cnn": Entry(cnn, ("channels", "hidden")),
        "strided_cnn": Entry(strided_cnn, ("channels", "hidden")),
        "patch_cnn": Entry(patch_cnn, ("patch", "channels")),
    },
)


def network_by_name(
    text: str, input_shape: Sequence[int], classes: int, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Return an untrained network: "linear", "mlp" (256 and 128 hidden units), "mlp:64x32", "cnn".

    Args:
        text: a name of `NETWORKS`; units of several layers are joined by x.
        input_shape: the shape of one input.
        classes: outputs.
        seed: of the initial weights; torch's random state is not touched.
        dtype: precision of the parameters.

    Raises:
        ValueError: there is none of that name, a parameter makes no sense, or one for images is to read
            something else.
    """
    return NETWORKS.make(text, input_shape, classes, seed=seed, dtype=dtype)
