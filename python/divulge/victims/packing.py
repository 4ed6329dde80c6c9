"""Modules that pickle does not take as they are, for what is sent to other processes."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any

import torch
from torch import fx, nn

from divulge.errors import UnsupportedModel
from divulge.training.modes import script_from_bytes, script_to_bytes, scripts_of


def packed(module: nn.Module) -> nn.Module | bytes:
    """Return a module as something that can be pickled: itself, or the bytes of one with scripted parts.

    Raises:
        UnsupportedModel: it is exported, and so cannot be pickled.
    """
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            _check(part)
    if not scripts_of(module):
        return module
    file = BytesIO()
    _Pickler(file).dump(module)
    return file.getvalue()


def unpacked(held: nn.Module | bytes) -> nn.Module:
    """Return the module that was packed."""
    found: nn.Module = pickle.loads(held) if isinstance(held, bytes) else held
    return found


class _Pickler(pickle.Pickler):
    """Writes scripted parts the way torch writes them."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, torch.jit.ScriptModule):
            return script_from_bytes, (script_to_bytes(thing),)
        return NotImplemented


def _check(part: fx.GraphModule) -> None:
    """Raise UnsupportedModel for a graph that carries functions without a name."""
    try:
        pickle.dumps(part)
    except Exception as error:
        raise UnsupportedModel(
            "an exported module cannot be pickled; build it where it is used, such as with "
            f"Victim.from_file: {error}"
        ) from error
