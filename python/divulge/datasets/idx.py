"""The IDX file format, in which MNIST is published."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTES = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes, plain or gzip-compressed.

    The format: two zero bytes, a type byte (8), the number of axes as a byte, the length of each axis as a
    big-endian 32-bit number, then the data in row-major order.

    Raises:
        ValueError: the file is damaged, or holds another type.
    """
    data = _unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise ValueError(f"{path} is no IDX file: it starts with {data[:4]!r}")
    kind, axes = data[2], data[3]
    if kind != _UNSIGNED_BYTES:
        raise ValueError(f"expected unsigned bytes (type 8) in {path}, got type {kind}")
    start = 4 + 4 * axes
    if len(data) < start:
        raise ValueError(f"{path} is damaged: its header ends after {len(data)} of {start} bytes")
    shape = tuple(int(s) for s in np.frombuffer(data, ">u4", axes, 4))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(data) != expected:
        raise ValueError(
            f"{path} is damaged: shape {shape} takes {expected} bytes, the file holds {len(data)}"
        )
    return np.array(np.frombuffer(data, np.uint8, offset=start).reshape(shape))


def _unpacked(path: Path) -> bytes:
    """Return a file's bytes, uncompressed."""
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
