"""Copies that take images, as modules of rows (n, d)."""

from __future__ import annotations

from torch import nn

from divulge.errors import UnsupportedModel
from divulge.victims import Victim


def of_flat_rows(copy: nn.Module, victim: Victim) -> nn.Module:
    """Return a copy as a module of inputs (n, d): itself, or the images in front that it takes instead.

    Args:
        copy: a module from (n, d) or (n, *input_shape) to (n, K).
        victim: whose inputs it takes.

    Raises:
        UnsupportedModel: it takes neither.
    """
    try:
        Victim(copy, (victim.input_size,), lower=False)
    except UnsupportedModel as flat:
        if len(victim.input_shape) == 1:
            raise
        try:
            Victim(copy, victim.input_shape, lower=False)
        except UnsupportedModel as images:
            raise UnsupportedModel(
                f"the copy takes neither rows nor the victim's inputs: {flat}; {images}"
            ) from images
        return nn.Sequential(nn.Unflatten(1, victim.input_shape), copy)
    return copy
