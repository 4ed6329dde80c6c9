"""Arrays in the files that NumPy writes, compared with the file's length before they are made."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from divulge.errors import UnreadableFile
from divulge.files import check_size, reading


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array in a `.npy` file.

    Raises:
        UnreadableFile: the file is damaged, or holds something else than numbers and words.
    """
    with reading(path, "array that numpy.save wrote"), path.open("rb") as file:
        return _array(path, "the file", file, path.stat().st_size)


def read_npz(path: Path, *names: str) -> list[NDArray[Any]]:
    """Return arrays of a `.npz` file by their names.

    Raises:
        UnreadableFile: the file is damaged, has no array of such a name, or holds neither numbers nor words.
    """
    with reading(path, "file that numpy.savez wrote"), zipfile.ZipFile(path) as archive:
        held = [name.removesuffix(".npy") for name in archive.namelist()]
        check_size(path, "the archive", sum(info.file_size for info in archive.infolist()))
        arrays = []
        for name in names:
            if name not in held:
                what = f"are {', '.join(held) or 'none'}: expected an array {name}"
                raise UnreadableFile(path, "the arrays", what)
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as file:
                arrays.append(_array(path, f"array {name!r}", file, info.file_size))
        return arrays


def read_npz_names(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays of a `.npz` file by their names.

    Raises:
        UnreadableFile: the file is damaged, or an array holds neither numbers nor words.
    """
    with reading(path, "file that numpy.savez wrote"), zipfile.ZipFile(path) as archive:
        held = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    return dict(zip(held, read_npz(path, *held), strict=True))


def _array(path: Path, place: str, file: IO[bytes], size: int) -> NDArray[Any]:
    """Read an array whose header fits the bytes behind it.

    Args:
        path: the file.
        place: of the array in it.
        file: begins with its header.
        size: bytes of header and array.
    """
    version = npy.read_magic(file)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, in_columns, kind = read_header(file)
    if kind.kind not in "fiubUS" or min(shape, default=0) < 0:
        raise UnreadableFile(path, place, f"should hold numbers or words, got {kind} of shape {shape}")
    needed = prod(shape) * kind.itemsize
    if needed > size:
        raise UnreadableFile(
            path, place, f"has shape {shape}, which takes {needed} bytes, in a file of {size}"
        )
    data = file.read(needed + 1)
    if len(data) != needed:
        raise UnreadableFile(
            path, place, f"has shape {shape}, which takes {needed} bytes, and holds {len(data)}"
        )
    flat = np.frombuffer(data, kind)
    array: NDArray[Any] = flat.reshape(shape[::-1]).T if in_columns else flat.reshape(shape)
    return np.array(array)
