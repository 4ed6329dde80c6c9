"""How much of an attribution falls where nothing can be known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from divulge.attributions.attribute import attribute
from divulge.datasets import BlockData
from divulge.evaluation.unmasking import count_of, unmask
from divulge.html import ShownAsTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEVELS", "Leakage", "constant_inputs", "leakage", "warn_of_constant"]

LEVELS = (0.025, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Leakage(ShownAsTable):
    """The share of the coordinates ranked highest that lie in blocks which say nothing of the class.

    Attributes:
        levels: how many coordinates were looked at, as they were asked for, (L,).
        per_instance: from 0 to 1, float64, shape (n, L).
        mean: over the inputs, shape (L,).
    """

    levels: tuple[int | float, ...]
    per_instance: Tensor
    mean: Tensor

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each level: the mean share over the inputs, and its standard deviation."""
        import pandas as pd

        spread = self.per_instance.std(dim=0, correction=0).tolist()
        return pd.DataFrame({"level": self.levels, "share": self.mean.tolist(), "deviation": spread})

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"inputs": len(self.per_instance)}


def leakage(
    module: nn.Module,
    data: BlockData,
    attribution: str | Tensor | Any = "gradient",
    *,
    levels: Sequence[int | float] = LEVELS,
    seed: int = 0,
    **options: Any,
) -> Leakage:
    """Return the share of an attribution's top-k coordinates that lie in the null block.

    Args:
        module: a classifier of the data; it is not used where the attribution is a tensor.
        data: inputs with their null blocks, such as `divulge.datasets.block_mnist(part="test")`.
        attribution: what `attribute` takes, or a tensor of the inputs' shape.
        levels: each a number of coordinates, or a share of them; the pixels of images.
        seed: of the order of equal values.
        options: of `attribute`.

    Raises:
        ValueError: no input, or one of these cannot be.
    """
    if not len(data.inputs):
        raise ValueError("expected at least one input, got none")
    if not levels:
        raise ValueError("expected at least one level, got none")
    counts = [count_of(k, data.input_shape) for k in levels]
    if not isinstance(attribution, Tensor):
        attribution = attribute(module, data.inputs, attribution, targets=data.targets, seed=seed, **options)
    warn_of_constant(attribution)
    null = data.null_mask.float()
    if data.inputs.ndim == 4:
        null, attribution = null[:, None], attribution.abs().sum(dim=1, keepdim=True)
    shares = [unmask(null, attribution, k, seed=seed).flatten(1).double().sum(dim=1) / k for k in counts]
    per_instance = torch.stack(shares, dim=1)
    return Leakage(tuple(levels), per_instance, per_instance.mean(dim=0))


def warn_of_constant(*attributions: Tensor) -> None:
    """Warn where inputs have one value for all coordinates: their ranking is random."""
    constant = sum(int(constant_inputs(attribution).sum()) for attribution in attributions)
    if constant:
        warnings.warn(
            f"the attribution of {constant} of {sum(map(len, attributions))} inputs is constant, "
            "their coordinates are ranked at random",
            stacklevel=3,
        )


def constant_inputs(attribution: Tensor) -> Tensor:
    """Return whether all coordinates of an input have one absolute value, bool, shape (n,)."""
    rows = attribution.flatten(1).abs()
    return rows.amax(dim=1) == rows.amin(dim=1)
