"""Model files whose loading runs what is written in them: read only where their maker is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from divulge.errors import UnsupportedModelFile
from divulge.files import reading

PICKLED = (".joblib", ".pkl", ".pickle")
TORCH = (".pt",)
TRUSTED = (*PICKLED, *TORCH)


def read_trusted(path: Path, trusted: bool) -> Any:
    """Return the model in a pickled file, or in one of torch.save or torch.jit.save.

    Raises:
        UnsupportedModelFile: trust was not declared, the file is damaged, or it holds weights alone.
    """
    if not trusted:
        raise UnsupportedModelFile(
            path,
            "the name",
            f"is of a kind ({path.suffix.lower()}) that runs code when it is read: pass trusted=True, or "
            "--trusted, where you know who made it",
        )
    with reading(path, "model file", UnsupportedModelFile):
        found = _torch(path) if path.suffix.lower() in TORCH else _pickled(path)
    if isinstance(found, dict):
        raise UnsupportedModelFile(
            path,
            "the file",
            "holds weights without a model: build the module, load them, and pass it to Victim",
        )
    if not (isinstance(found, nn.Module) or hasattr(found, "predict")):
        raise UnsupportedModelFile(
            path, "the file", f"should hold a module or an estimator, got {type(found).__name__}"
        )
    return found


def _pickled(path: Path) -> Any:
    import joblib

    return joblib.load(path)


def _torch(path: Path) -> Any:
    import zipfile

    import torch

    with zipfile.ZipFile(path) as archive:
        scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if scripted:
        return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return torch.load(path, map_location="cpu", weights_only=False)
