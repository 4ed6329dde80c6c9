"""Does an attribution depend on what the model has learned? (Adebayo et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from divulge.attributions import attribute
from divulge.evaluation.similarity import rank_correlation, structural_similarity

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MODES", "parameter_randomisation", "randomised", "trained_layers"]

MODES = ("cascading", "independent")


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

    Layers are the innermost modules that hold parameters, from the output to the input. A layer forgets by
    drawing its parameters anew, from a normal distribution with the mean and the standard deviation of the
    trained ones. The class asked about is that of the trained module, so that only the layers differ.

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
    for name, other in randomised(module, mode, seed):
        after = attribute(other, inputs, attribution, **options)
        rows.append({"layer": name, **_compared(before, after)})
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def randomised(module: nn.Module, mode: str, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield copies of a module with one layer after the other drawn anew, from the output to the input.

    Raises:
        ValueError: a module without parameters.
    """
    names = trained_layers(module)
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(module)
    for name in reversed(names):
        if mode == "independent":
            other = copy.deepcopy(module)
        for parameter in other.get_submodule(name).parameters(recurse=False):
            _draw(parameter, generator)
        yield name, other


def trained_layers(module: nn.Module) -> list[str]:
    """Return the names of all modules that hold parameters of their own, in order.

    Raises:
        ValueError: there is none.
    """
    names = [
        name
        for name, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None
    ]
    if not names:
        raise ValueError(f"expected a module with parameters, {type(module).__name__} has none")
    return names


def _draw(parameter: Tensor, generator: torch.Generator) -> None:
    """Draw a parameter anew, with its mean and its standard deviation."""
    values = parameter.detach()
    deviation = float(values.std(correction=0)) or 1 / max(values[0].numel() if values.ndim else 1, 1) ** 0.5
    shape = torch.randn(values.shape, generator=generator, dtype=values.dtype)
    with torch.no_grad():
        parameter.copy_(float(values.mean()) + deviation * shape.to(values.device))


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
