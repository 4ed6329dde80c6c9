"""The IDX file format, in which MNIST is published."""

from __future__ import annotations

import gzip
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from divulge.errors import UnreadableFile
from divulge.files import check_size, reading

_UNSIGNED_BYTES = 0x08
_GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes, plain or gzip-compressed.

    The format: two zero bytes, a type byte (8), the number of axes as a byte, the length of each axis as a
    big-endian 32-bit number, then the data in row-major order.

    Raises:
        UnreadableFile: the file is damaged, holds another type, or declares more than such a file can hold.
    """
    with reading(path, "IDX file"), path.open("rb") as plain:
        packed = plain.read(2) == _GZIP
        plain.seek(0)
        if not packed:
            return _array(path, plain)
        with gzip.GzipFile(fileobj=plain) as file:
            return _array(path, file)  # type: ignore[arg-type]


def _array(path: Path, file: BinaryIO) -> NDArray[np.uint8]:
    """Read header and data; nothing is taken for what the header declares before it is compared."""
    shape, start = _header(path, file)
    expected = prod(shape)
    check_size(path, f"shape {shape}", expected)
    data = file.read(expected + 1)
    if len(data) != expected:
        held = start + len(data)
        more = " or more" if len(data) > expected else ""
        what = f"shape {shape} takes {start + expected} bytes, the file holds {held}{more}"
        raise UnreadableFile(path, f"byte {held}", f"is where a file ends that is damaged: {what}")
    array = np.frombuffer(data, np.uint8).reshape(shape)
    return np.array(array)


def _header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], int]:
    """Return the array's shape, and the length of the header."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise UnreadableFile(path, "byte 0", f"is no IDX file's: it starts with {head!r}")
    kind, axes = head[2], head[3]
    if kind != _UNSIGNED_BYTES:
        raise UnreadableFile(path, "byte 2", f"should say unsigned bytes (type 8), got type {kind}")
    lengths = file.read(4 * axes)
    start = 4 + 4 * axes
    if len(lengths) < 4 * axes:
        held = 4 + len(lengths)
        raise UnreadableFile(path, f"byte {held}", f"is where the header ends after {held} of {start} bytes")
    return tuple(int(s) for s in np.frombuffer(lengths, ">u4")), start
