"""Bytes compressed, and back within bounds."""

from __future__ import annotations

import zlib

# What a code may unpack to: the buffers of a large network.
MOST_BYTES = 1 << 26


def packed(content: bytes) -> bytes:
    """Return bytes compressed; nothing stays nothing."""
    return zlib.compress(content, 9) if content else b""


def unpacked(content: bytes) -> bytes:
    """Return what `packed` was given.

    Raises:
        ValueError: it is damaged, cut short, or longer than a code's parts can be.
    """
    if not content:
        return b""
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"a compressed part is damaged: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"a compressed part is cut short, or longer than {MOST_BYTES} bytes")
    return found
