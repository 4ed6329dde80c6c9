"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of the one at the path once it is whole and on the disk.

    It lies beside it, under another name with the suffix .tmp, until then. Where writing fails it is removed,
    and what was at the path before stays. What is no regular file, such as /dev/stdout, is written to.

    Raises:
        OSError: it cannot be written; the path is named, not the file beside it.
    """
    final = Path(path).resolve()
    if final.exists() and not final.is_file():
        with open(path, "wb") as file:
            yield file
        return
    unfinished = final.with_name(f"{final.name}.{secrets.token_hex(4)}.tmp")
    try:
        file = unfinished.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, final)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
