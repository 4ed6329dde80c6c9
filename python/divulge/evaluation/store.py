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

from divulge.errors import UnreadableFile
from divulge.files import reading, replacing
from divulge.victims.state_file import check_declared

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
        """Return the result of a description, or None where it is not kept.

        Raises:
            UnreadableFile: its file is damaged.
        """
        path = self._path(about, ".json")
        if path is None or not path.is_file():
            return None
        with reading(path, "finished run; delete it to run it again"):
            kept = json.loads(path.read_bytes())
            if kept["hash"] != _hash_of(kept["result"]):
                raise UnreadableFile(path, "the result", "is not what was written; delete it to run it again")
            if _text(kept["about"]) != _text(about):
                raise UnreadableFile(path, "the description", "is another run's; delete it to run it again")
            return kept["result"]

    def save(self, about: dict[str, Any], result: Any) -> None:
        """Keep a result; the file is there whole or not at all."""
        path = self._path(about, ".json")
        if path is not None:
            text = json.dumps({"about": about, "hash": _hash_of(result), "result": result})
            with replacing(path) as file:
                file.write(text.encode())

    def load_module(self, about: dict[str, Any], module: nn.Module) -> bool:
        """Give a module its trained parameters, and return whether they were kept.

        Raises:
            UnreadableFile: their file is damaged, or another module's.
        """
        path = self._path(about, ".pt")
        if path is None or not path.is_file():
            return False
        with reading(path, "trained module of this kind; delete it to train it again"):
            check_declared(path)
            kept = torch.load(path, weights_only=True)
            if kept["hash"] != _hash_of_state(kept["state"]):
                raise UnreadableFile(
                    path, "the parameters", "are not what was written; delete it to train it again"
                )
            module.load_state_dict(kept["state"])
        return True

    def save_module(self, about: dict[str, Any], module: nn.Module) -> None:
        """Keep a trained module's parameters."""
        path = self._path(about, ".pt")
        if path is not None:
            with replacing(path) as file:
                state = module.state_dict()
                torch.save({"hash": _hash_of_state(state), "state": state}, file)

    def _path(self, about: dict[str, Any], suffix: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / (_hash_of(about) + suffix)


def _text(thing: Any) -> str:
    """Write what JSON can hold, the same for what is the same."""
    return json.dumps(thing, sort_keys=True)


def _hash_of(thing: Any) -> str:
    """Return a hash of what JSON can hold."""
    return hashlib.sha256(_text(thing).encode()).hexdigest()[:24]


def _hash_of_state(state: dict[str, Any]) -> str:
    """Return a hash of a module's tensors and their names."""
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return _hash_of([*tensors, fingerprint(*tensors.values())])


def fingerprint(*tensors: Tensor) -> str:
    """Return a hash of tensors' shapes, precisions and numbers."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        # Bytes, since NumPy has no bfloat16.
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
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
