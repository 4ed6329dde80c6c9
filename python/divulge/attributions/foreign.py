"""Attributions that are not ours: a function of the user's, or captum's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from divulge.attributions.asked import Asked
from divulge.attributions.names import METHODS

__all__ = ["foreign"]


def foreign(method: Any, module: nn.Module, asked: Asked) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what attributes a batch of inputs (n, ...) with classes (n,).

    Args:
        method: a function of (module, inputs, classes), or an attribution of captum or its class.
        module: that is explained.
        asked: about what of it.

    Raises:
        ValueError: neither of the two, or one that explains another module.
    """
    if isinstance(method, type) and hasattr(method, "attribute"):
        method = method(module)
    if hasattr(method, "attribute"):
        explained = getattr(method, "forward_func", getattr(method, "model", module))
        if explained is not module:
            raise ValueError(
                f"{type(method).__name__} explains another module; pass its class where modules are trained"
            )
        method = _pointed_at(method, module, asked.explained)
        return lambda x, classes: _captum(method, asked.loss, x, classes)
    if not callable(method):
        raise ValueError(f"expected a method {', '.join(METHODS)} or a function, got {method!r}")
    return lambda x, classes: method(module, x, classes)


def _captum(method: Any, loss: bool, x: Tensor, classes: Tensor) -> Tensor:
    """Ask captum about classes' scores, or about the loss, which takes the classes as an argument."""
    options = {"additional_forward_args": (classes,)} if loss else {"target": classes}
    with torch.enable_grad():
        found: Tensor = method.attribute(x.clone().requires_grad_(), **options)
    return found


def _pointed_at(method: Any, module: nn.Module, explained: nn.Module) -> Any:
    """Return an attribution of captum, and those that it is made of, as ones of the scores of a module."""
    twin = copy.copy(method)
    for name, part in vars(method).items():
        if part is module:
            setattr(twin, name, explained)
        elif hasattr(part, "attribute"):
            setattr(twin, name, _pointed_at(part, module, explained))
    return twin
