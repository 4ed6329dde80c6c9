"""Files that are written whole or not at all, and read with one class of errors."""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from divulge.errors import UnreadableFile

if sys.platform != "win32":
    import fcntl


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


@contextmanager
def locked(path: str | Path) -> Iterator[bool]:
    """Hold a file's lock, and yield whether it was free; it is free again once its holder has ended.

    Yields True where the system, or the disk, has no locks.

    Args:
        path: of the file, made where there is none.
    """
    with open(path, "ab") as file:
        free = True
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
            except OSError:
                pass  # of a disk without locks
        yield free


@contextmanager
def reading(path: str | Path, what: str, error: type[UnreadableFile] = UnreadableFile) -> Iterator[None]:
    """Give whatever goes wrong while a file is read one class; what the disk itself says passes.

    Args:
        path: the file.
        what: it should be.
        error: the class.

    Raises:
        UnreadableFile: of that class, for any other exception.
        OSError: the file is not there, or the system does not let it be read.
    """
    try:
        yield
    except UnreadableFile as found:
        if isinstance(found, error):
            raise
        raise error(found.path, found.place, found.reason) from found
    except Exception as found:
        if isinstance(found, OSError) and (found.filename is not None or found.errno == errno.EIO):
            raise  # other errors of the system, such as a seek to a negative place, are the file's
        raise error(path, "the file", f"is damaged, or no {what}: {first_line(found)}") from found


def first_line(error: BaseException) -> str:
    """Return the first line that an exception says, or its class where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def most_bytes(path: str | Path) -> int:
    """Return the most memory that what a file declares may take: 64 MiB and 16 times the file.

    Sixteen times as much leaves room for images that compress well and for constants that are computed; a few
    bytes that declare a tensor of gigabytes are no model.
    """
    return 2**26 + 16 * Path(path).stat().st_size


def check_size(path: str | Path, place: str, needed: int) -> None:
    """Raise UnreadableFile where what a file declares takes more memory than such a file can hold."""
    if needed > most_bytes(path):
        size = Path(path).stat().st_size
        raise UnreadableFile(path, place, f"declares {needed} bytes, in a file of {size}")
