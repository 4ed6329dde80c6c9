"""Modes and copies of other people's modules: borrowed in evaluation mode, and given back as they were."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import nn

__all__ = ["copied", "evaluating", "own_modes_after_errors"]

Module = TypeVar("Module", bound=nn.Module)

# Of each part that is borrowed now: by how many, and its own mode.
_BORROWED: WeakKeyDictionary[nn.Module, tuple[int, bool]] = WeakKeyDictionary()
_LOCK = Lock()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and give each part its own mode back at the end.

    A part that its owner has frozen, such as a batch norm in evaluation mode inside a module that is trained,
    stays frozen; `module.train(training)` would wake it. The modes come back after an error too, and once the
    last of several threads is done. The parts' flags are set, `eval` and `train` are not called: an exported
    module refuses them, and others do more.

    Args:
        module: any module.
    """
    parts = [part for part in module.modules() if hasattr(part, "training")]  # a frozen script has no mode
    with _LOCK:
        for part in parts:  # before any is set: one may stand for another, as a compiled module does
            users, own = _BORROWED.get(part, (0, part.training))
            _BORROWED[part] = users + 1, own
        for part in parts:
            part.training = False
    try:
        yield
    finally:
        with _LOCK:
            for part in parts:
                users, own = _BORROWED.pop(part)
                if users > 1:
                    _BORROWED[part] = users - 1, own
                else:
                    part.training = own


@contextmanager
def own_modes_after_errors(module: nn.Module) -> Iterator[None]:
    """Give each part of a module the mode it has now back, where what follows fails."""
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    try:
        yield
    except BaseException:
        for part, training in modes:
            part.training = training
        raise


def script_to_bytes(module: torch.jit.ScriptModule) -> bytes:
    """Write a scripted or traced module."""
    file = BytesIO()
    torch.jit.save(module, file)
    return file.getvalue()


def script_from_bytes(written: bytes) -> torch.jit.ScriptModule:
    """Read a scripted or traced module."""
    return torch.jit.load(BytesIO(written))  # type: ignore[no-any-return, no-untyped-call]


def copied(module: Module) -> Module:
    """Return a deep copy of a module, also of one that keeps tensors computed from its parameters.

    Pruning, weight norm and spectral norm keep such a weight, which torch refuses to copy; the copy's first
    call computes it anew. A scripted module, or part, is written and read, since parameters of its deep copy
    cannot be trained.
    """
    copies: dict[int, Any] = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    copies |= {id(part): script_from_bytes(script_to_bytes(part)) for part in scripts_of(module)}
    return cast(Module, copies[id(module)]) if id(module) in copies else copy.deepcopy(module, copies)


def trainable(module: Module) -> Module:
    """Let all parameters of a module require gradients, also a scripted one's, and return it."""
    for parameter in module.parameters():
        parameter.requires_grad_()
    return module


def scripts_of(module: nn.Module) -> list[torch.jit.ScriptModule]:
    """Return the scripted or traced modules of a module that are no part of another such."""
    found = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    inner = {id(child) for part in found for child in part.children()}
    return [part for part in found if id(part) not in inner]
