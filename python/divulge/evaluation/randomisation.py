"""Does an attribution depend on what the model has learned? (Adebayo et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from divulge.attributions.attribute import attribute
from divulge.evaluation.layer_order import draw_anew, trained_layers
from divulge.evaluation.similarity import rank_correlation, structural_similarity
from divulge.training.class_scores import precision
from divulge.training.modes import copied

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODES", "parameter_randomisation", "randomised"]

MODES = ("cascading", "independent")
_SOME = 2  # inputs that show the order of the layers


def parameter_randomisation(
    module: nn.Module,
    inputs: Tensor,
    attribution: str | Any = "gradient",
    *,
    mode: str = "cascading",
    targets: Tensor | None = None,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Return how much an attribution stays the same when layers forget what they learned.

    Layers are the innermost modules that hold parameters or a batch norm's statistics, a layer's
    parametrisations being part of it, from the output to the input in the order of execution. A layer forgets
    by drawing its parameters anew, from a normal distribution with the mean and the standard deviation of the
    trained ones; a batch norm's statistics become those from before training. The class asked about is that
    of the trained module, so that only the layers differ.

    Args:
        module: a classifier; it is copied.
        inputs: shape (n, ...).
        attribution: what `attribute` takes.
        mode: "cascading", a layer and all behind it forget; "independent", one layer alone.
        targets: classes, shape (n,), asked about; those that the trained module predicts by default.
        seed: of what is drawn.
        options: of `attribute`.

    Returns:
        One row a layer, with columns layer (its name in the module), rank_correlation (Spearman's, of the
        attributions as they are), absolute_rank_correlation (of their absolute values) and ssim (structural
        similarity of the absolute values, for images; NaN for others), means over the inputs. An attribution
        that explains the model falls towards 0; one that stays near 1 depends on the input alone.

    Raises:
        ValueError: another mode, or a module without parameters.
    """
    import pandas as pd

    if mode not in MODES:
        raise ValueError(f"expected a mode {' or '.join(MODES)}, got {mode!r}")
    if targets is None:
        targets = _predicted(module, inputs)
    options = {"of": "target", "targets": targets, "seed": seed, **options}
    before = attribute(module, inputs, attribution, **options)
    rows = []
    for name, other in randomised(module, inputs, mode, seed):
        after = attribute(other, inputs, attribution, **options)
        rows.append({"layer": name, **_compared(before, after)})
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def randomised(module: nn.Module, inputs: Tensor, mode: str, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield copies of a module with one layer after the other drawn anew, from the output to the input.

    Args:
        module: any module.
        inputs: shape (n, ...), to see the order of the layers.
        mode: "cascading" or "independent".
        seed: of what is drawn.

    Raises:
        ValueError: a module without parameters.
    """
    some = inputs[:_SOME].to(precision(module, inputs))
    generator = torch.Generator().manual_seed(seed)
    other = copied(module)
    layers = trained_layers(other, some)
    for name in reversed(layers):
        if mode == "independent":
            other = copied(module)
            layers = trained_layers(other, some)
        for of_what, tensor in layers[name]:
            draw_anew(of_what, tensor, generator)
        yield name, other


def _predicted(module: nn.Module, inputs: Tensor) -> Tensor:
    """Return the predicted classes (n,)."""
    found: list[Tensor] = []

    def note(_: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
        found.append(classes)
        return x

    attribute(module, inputs, note)
    return torch.cat(found)


def _compared(before: Tensor, after: Tensor) -> dict[str, float]:
    """Return the means of the similarities over the inputs; a constant attribution resembles nothing."""
    return {
        "rank_correlation": float(rank_correlation(before, after).mean()),
        "absolute_rank_correlation": float(rank_correlation(before.abs(), after.abs()).mean()),
        "ssim": float(structural_similarity(before.abs(), after.abs()).mean()),
    }
