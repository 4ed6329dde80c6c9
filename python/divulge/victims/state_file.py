"""Reading files of weights that torch.save wrote: names and tensors, nothing else."""

from __future__ import annotations

import pickletools
import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from divulge.errors import UnsupportedModelFile
from divulge.files import check_size, reading
from divulge.victims.finite import check_finite

_WHOLE = ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4")


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dictionary by their names, without DataParallel's prefix.

    It may stand by itself or under the key "state_dict". Nothing in the file is run (weights_only), and sizes
    are added up before it is loaded.

    Raises:
        UnsupportedModelFile: the file is damaged, holds something else, or declares more than it can hold.
        OSError: it cannot be read.
    """
    with reading(path, "file of weights", UnsupportedModelFile):
        check_declared(path)
        found = torch.load(path, weights_only=True, map_location="cpu")
        state = found.get("state_dict", found) if isinstance(found, dict) else found
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise UnsupportedModelFile(
                path, "the file", "is no file of weights: expected tensors by their names"
            )
        state = {str(name).removeprefix("module."): value for name, value in state.items()}
        check_finite(path, state)
    return state


def check_declared(path: Path) -> None:
    """Raise where the numbers that a file's pickles name could not be sizes of what it holds.

    A tensor's size stands there as numbers of its own, its strides, and the length of its storage.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_size(path, "the archive", sum(info.file_size for info in archive.infolist()))
            pickles = [
                archive.read(info) for info in archive.infolist() if info.filename.endswith("data.pkl")
            ]
        check_size(path, "data.pkl", 8 * sum(_named(BytesIO(data)) for data in pickles))
        return
    with path.open("rb") as file:
        _named(file)  # the number by which torch knows its files
        check_size(path, "the pickle", 8 * sum(_named(file) for _ in range(3)))


def _named(file: IO[bytes]) -> int:
    """Return the sum of all whole numbers in one pickle."""
    numbers = [arg for code, arg, _ in pickletools.genops(file) if code.name in _WHOLE]
    return sum(abs(int(str(number))) for number in numbers)
