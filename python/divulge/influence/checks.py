"""Whether a module can be asked for influences."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from divulge.errors import UnsupportedModel

__all__ = ["check_evaluating", "selected_parameters"]

# What computes something else in training mode.
_MODE_DEPENDENT = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase, nn.RReLU)
_WITH_DROPOUT = (nn.MultiheadAttention, nn.RNNBase)


def check_evaluating(module: nn.Module) -> None:
    """Raise for a module that is none, or that holds dropout or batch normalisation in training mode.

    Raises:
        TypeError: module is no torch module.
        ValueError: a layer in training mode, with its name.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    for name, layer in module.named_modules():
        random = isinstance(layer, _WITH_DROPOUT) and layer.dropout > 0
        if getattr(layer, "training", False) and (isinstance(layer, _MODE_DEPENDENT) or random):
            raise ValueError(
                f"{type(layer).__name__} {name!r} is in training mode, where outputs depend on chance or "
                "on the batch; call module.eval() first"
            )


def selected_parameters(module: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Return the parameters in question by name, in the module's order, each once.

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
        every = dict(module.named_parameters(remove_duplicate=False))  # a tied one has several names
        for asked in names:
            if not any(_matches(name, asked) for name in every):
                raise ValueError(f"expected parameters among {', '.join(every)}, got {asked!r}")
        meant = {id(p) for name, p in every.items() if any(_matches(name, asked) for asked in names)}
        chosen = {name: p for name, p in found.items() if id(p) in meant}
        if not chosen:
            raise ValueError("expected at least one name in parameters=, got none")
    if lazy := [name for name, p in chosen.items() if isinstance(p, nn.parameter.UninitializedParameter)]:
        raise ValueError(f"parameter {lazy[0]!r} has no values yet; call the module once")
    dtypes = {p.dtype for p in chosen.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        got = ", ".join(sorted(str(d) for d in dtypes))
        raise UnsupportedModel(f"expected parameters in one precision, float32 or float64, got {got}")
    for name, p in chosen.items():
        if not bool(torch.isfinite(p.detach()).all()):
            raise ValueError(f"parameter {name!r} holds a NaN or an infinity")
    return chosen


def _matches(name: str, asked: str) -> bool:
    return name == asked or name.startswith(f"{asked}.") or fnmatchcase(name, asked)
