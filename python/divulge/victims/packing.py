"""Modules that pickle does not take as they are, for victims that are sent to other processes."""

from __future__ import annotations

import pickle

import torch
from torch import fx, nn

from divulge.errors import UnsupportedModel
from divulge.training.modes import script_from_bytes, script_to_bytes


def packed(module: nn.Module) -> nn.Module | bytes:
    """Return a module as something that can be pickled: itself, or the bytes of a scripted one.

    Raises:
        UnsupportedModel: it is exported, and so cannot be pickled.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return script_to_bytes(module)
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            _check(part)
    return module


def unpacked(held: nn.Module | bytes) -> nn.Module:
    """Return the module that was packed."""
    return script_from_bytes(held) if isinstance(held, bytes) else held


def _check(part: fx.GraphModule) -> None:
    """Raise UnsupportedModel for a graph that carries functions without a name."""
    try:
        pickle.dumps(part)
    except Exception as error:
        raise UnsupportedModel(
            "a victim of an exported module cannot be pickled; build it where it is used, such as with "
            f"Victim.from_file: {error}"
        ) from error
