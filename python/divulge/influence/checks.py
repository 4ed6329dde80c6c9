"""Whether a module can be asked for influences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from divulge.errors import UnsupportedModel
from divulge.influence.samples import Samples

__all__ = ["check_evaluating", "check_outputs", "selected_parameters"]

# What computes something else in training mode.
_MODE_DEPENDENT = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)


def check_evaluating(module: nn.Module) -> None:
    """Raise for a module that is none, or that holds dropout or batch normalisation in training mode.

    Raises:
        TypeError: module is no torch module.
        ValueError: a layer in training mode, with its name.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    for name, layer in module.named_modules():
        random = isinstance(layer, nn.MultiheadAttention) and layer.dropout > 0
        if layer.training and (isinstance(layer, _MODE_DEPENDENT) or random):
            raise ValueError(
                f"{type(layer).__name__} {name!r} is in training mode, where outputs depend on chance or "
                "on the batch; call module.eval() first"
            )


def selected_parameters(module: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Return the parameters in question by name, in the module's order.

    Raises:
        ValueError: no parameters, none that require gradients, an unknown name, or several precisions.
    """
    if isinstance(names, str):
        names = [names]
    found = dict(module.named_parameters())
    if not found:
        raise ValueError(f"{type(module).__name__} has no parameters")
    if names is None:
        chosen = {name: p for name, p in found.items() if p.requires_grad}
        if not chosen:
            raise ValueError(
                f"no parameter of {type(module).__name__} requires gradients; call requires_grad_() "
                "on those that were trained, or name them in parameters="
            )
    else:
        for asked in names:
            if not any(_matches(name, asked) for name in found):
                raise ValueError(f"expected parameters among {', '.join(found)}, got {asked!r}")
        chosen = {name: p for name, p in found.items() if any(_matches(name, asked) for asked in names)}
        if not chosen:
            raise ValueError("expected at least one name in parameters=, got none")
    dtypes = {p.dtype for p in chosen.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        got = ", ".join(sorted(str(d) for d in dtypes))
        raise UnsupportedModel(f"expected parameters in one precision, float32 or float64, got {got}")
    for name, p in chosen.items():
        if not bool(torch.isfinite(p).all()):
            raise ValueError(f"parameter {name!r} holds a NaN or an infinity")
    return chosen


def check_outputs(module: nn.Module, samples: Samples, dtype: torch.dtype) -> int:
    """Return the number K of the module's outputs.

    Raises:
        UnsupportedModel: it fails on the samples' inputs, or returns something else than (n, K).
    """
    inputs = samples.batch(slice(0, 2), dtype)[0]
    device = next(module.parameters()).device
    try:
        with torch.no_grad():
            outputs = module(inputs.to(device))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedModel(
            f"the module fails on inputs of shape {tuple(inputs.shape)}: {reason}"
        ) from error
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(inputs):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise UnsupportedModel(f"expected outputs of shape (n, K) for n = {len(inputs)} inputs, got {got}")
    return outputs.shape[1]


def _matches(name: str, asked: str) -> bool:
    return name == asked or name.startswith(f"{asked}.")
