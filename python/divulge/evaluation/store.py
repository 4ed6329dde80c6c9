"""Finished runs, kept as files, so that what was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.files import replacing

__all__ = ["Store", "described", "fingerprint"]


class Store:
    """A folder with one file a result, named by the hash of all that the result depends on.

    Args:
        folder: made where it is not there; None keeps nothing.

    Raises:
        ValueError: a file of that name is in the way.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            if self.folder.exists() and not self.folder.is_dir():
                raise ValueError(f"expected a folder to keep finished runs in, {self.folder} is a file")
            self.folder.mkdir(parents=True, exist_ok=True)

    def load(self, about: dict[str, Any]) -> Any:
        """Return the result of a description, or None where it is not kept, or its file is damaged."""
        path = self._path(about, ".json")
        if path is None or not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text())
        except ValueError:
            return None
        return kept["result"] if isinstance(kept, dict) and kept.get("about") == about else None

    def save(self, about: dict[str, Any], result: Any) -> None:
        """Keep a result; the file is there whole or not at all."""
        path = self._path(about, ".json")
        if path is not None:
            text = json.dumps({"about": about, "result": result})
            with replacing(path) as file:
                file.write(text.encode())

    def load_module(self, about: dict[str, Any], module: nn.Module) -> bool:
        """Give a module its trained parameters, and return whether they were kept."""
        path = self._path(about, ".pt")
        if path is None or not path.is_file():
            return False
        module.load_state_dict(torch.load(path, weights_only=True))
        return True

    def save_module(self, about: dict[str, Any], module: nn.Module) -> None:
        """Keep a trained module's parameters."""
        path = self._path(about, ".pt")
        if path is not None:
            with replacing(path) as file:
                torch.save(module.state_dict(), file)

    def _path(self, about: dict[str, Any], suffix: str) -> Path | None:
        if self.folder is None:
            return None
        text = json.dumps(about, sort_keys=True)
        return self.folder / (hashlib.sha256(text.encode()).hexdigest()[:24] + suffix)


def fingerprint(*tensors: Tensor) -> str:
    """Return a hash of tensors' shapes, precisions and numbers."""
    found = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(array.tobytes())
    return found.hexdigest()[:24]


def described(thing: Any) -> str:
    """Name a function, class or recipe of the user's; two of one name and other code are not told apart."""
    if isinstance(thing, np.ndarray):
        thing = torch.from_numpy(thing)
    if isinstance(thing, Tensor):
        return fingerprint(thing)
    if is_dataclass(thing) and not isinstance(thing, type):
        parts = (f"{part.name}={described(getattr(thing, part.name))}" for part in fields(thing))
        return f"{type(thing).__qualname__}({', '.join(parts)})"
    if isinstance(thing, partial):
        arguments = [*thing.args, *sorted(thing.keywords.items())]
        return f"{described(thing.func)}({', '.join(map(described, arguments))})"
    if isinstance(thing, tuple):
        return f"({', '.join(map(described, thing))})"
    name = getattr(thing, "__qualname__", None)
    if name is not None:
        return f"{thing.__module__}.{name}"
    # An object without a text of its own shows its address, which differs every time.
    return type(thing).__qualname__ if repr(thing) == object.__repr__(thing) else repr(thing)
