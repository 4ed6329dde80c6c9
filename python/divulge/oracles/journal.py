"""Answers in a file that grows by whole records and outlives the process that writes it.

A file is a head and records. The head: MAGIC, length and checksum of a JSON object, and that object, which
says what the answers belong to. A record: marker, channel, rows, numbers in a row, checksum of the body,
checksum of all this, and the body: a fingerprint of each row's question, uint64, then the rows' answers,
float64. All little-endian.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.errors import CheckpointError
from divulge.files import reading

if TYPE_CHECKING:
    from divulge.oracles.base import Oracle

Prints = NDArray[np.uint64]
Settings = dict[str, int | str | bool | None]

MAGIC = b"divulge checkpoint 1\n"
HEAD = struct.Struct("<II")
RECORD = struct.Struct("<4siIII")
CHECK = struct.Struct("<I")
MARKER = b"answ"


@dataclass(frozen=True)
class JournalRecord:
    """The answers to one batch of questions.

    Attributes:
        channel: what was asked for, such as the number of an output.
        prints: fingerprints of the questions, shape (n,).
        answers: shape (n, numbers in an answer).
    """

    channel: int
    prints: Prints
    answers: Array

    def __len__(self) -> int:
        return len(self.prints)

    def after(self, rows: int) -> JournalRecord:
        """Return what follows the first rows."""
        return JournalRecord(self.channel, self.prints[rows:], self.answers[rows:])


class Journal:
    """The records of a file, and the file open for more.

    Every record is handed to the operating system as it is written: it outlives this process, whatever ends
    it. A last record that was cut short is dropped.

    Args:
        path: the file; a new one is made where there is none.
        about: what the answers belong to; a file that says otherwise is refused.

    Raises:
        CheckpointError: the file is none of these, damaged, or belongs to something else. It stays as it is.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, about: Settings) -> None:
        self.path = path
        head = head_of(about)
        data = path.read_bytes() if path.exists() else b""
        if head.startswith(data):  # new, or cut short before the first answer
            self.records: list[JournalRecord] = []
            path.write_bytes(head)
            self.file = path.open("ab", buffering=0)
            return
        start = check_head(path, data, about)
        self.records, end = read_records(path, data, start)
        if end < len(data):
            os.truncate(path, end)
        self.file = path.open("ab", buffering=0)

    def append(self, record: JournalRecord) -> None:
        """Write one more record."""
        body = record.prints.astype("<u8").tobytes() + record.answers.astype("<f8").tobytes()
        width = record.answers.shape[1]
        fields = RECORD.pack(MARKER, record.channel, len(record), width, crc32(body))
        left = memoryview(fields + CHECK.pack(crc32(fields)) + body)
        while left:
            left = left[self.file.write(left) :]

    def close(self) -> None:
        """Close the file; nothing can be appended any more."""
        self.file.close()


def head_of(about: Settings) -> bytes:
    """Return the beginning of a file."""
    text = json.dumps(about, sort_keys=True).encode()
    return MAGIC + HEAD.pack(len(text), crc32(text)) + text


def check_head(path: Path, data: bytes, about: Settings) -> int:
    """Return where the records begin, or raise CheckpointError."""
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + HEAD.size:
        raise CheckpointError(path, "the file", "is no checkpoint of divulge")
    size, check = HEAD.unpack_from(data, len(MAGIC))
    start = len(MAGIC) + HEAD.size
    text = data[start : start + size]
    if crc32(text) != check:
        raise CheckpointError(path, "the head", "is damaged: it does not fit its checksum")
    found = _settings(path, text)
    for name, value in about.items():
        if found.get(name) != value:
            raise CheckpointError(
                path,
                "the head",
                f"was written with {name} {found.get(name)}, expected a checkpoint with {name} {value}",
            )
    return start + int(size)


def _settings(path: Path, text: bytes) -> dict[str, object]:
    """Return what a head says, which somebody may have written with a checksum that fits."""
    with reading(path, "checkpoint of divulge", CheckpointError):
        found = json.loads(text)
        if not isinstance(found, dict):
            raise CheckpointError(path, "the head", f"should hold settings, got {type(found).__name__}")
    return found


def check_checkpoint(path: Path, about: Settings) -> None:
    """Raise CheckpointError where a file, if there is one, is no checkpoint or belongs to something else.

    Args:
        path: the file, which may not be there yet, or have been cut short in its head.
        about: a part of what its answers must belong to.
    """
    data = path.read_bytes() if path.exists() else b""
    cut = MAGIC.startswith(data)
    if not cut and data.startswith(MAGIC) and len(data) >= len(MAGIC) + HEAD.size:
        cut = len(data) < len(MAGIC) + HEAD.size + HEAD.unpack_from(data, len(MAGIC))[0]
    if not cut:
        check_head(path, data, about)


def read_records(path: Path, data: bytes, start: int) -> tuple[list[JournalRecord], int]:
    """Return the whole records from a place on, and where they end."""
    records = []
    for record, end in whole_records(path, data, start):
        records.append(record)
        start = end
    return records, start


def whole_records(path: Path, data: bytes, place: int) -> Iterator[tuple[JournalRecord, int]]:
    """Yield every record and where it ends, up to one that was cut short."""
    while place + RECORD.size + CHECK.size <= len(data):
        marker, channel, rows, width, check = RECORD.unpack_from(data, place)
        (own,) = CHECK.unpack_from(data, place + RECORD.size)
        body = place + RECORD.size + CHECK.size
        if marker != MARKER or own != crc32(data[place : place + RECORD.size]):
            raise CheckpointError(path, f"byte {place}", "begins a damaged record")
        end = body + 8 * rows * (1 + width)
        if end > len(data):
            return
        if crc32(data[body:end]) != check:
            raise CheckpointError(
                path, f"bytes {body} to {end}", "are damaged: they do not fit their checksum"
            )
        prints = np.frombuffer(data, "<u8", rows, body).astype(np.uint64)
        answers = np.frombuffer(data, "<f8", rows * width, body + 8 * rows).astype(np.float64)
        yield JournalRecord(channel, prints, answers.reshape(rows, width)), end
        place = end


def fingerprints(points: Array) -> Prints:
    """Return a number for each of points (n, d), shape (n,); other points have others, by all odds.

    Sums modulo 2^64 of the coordinates' bits times odd random numbers: being whole numbers they depend on no
    batch size and no order of summation.
    """
    bits = np.ascontiguousarray(points + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    bits = bits ^ (bits >> np.uint64(32))
    factors = np.random.default_rng(0).integers(0, 2**64, size=points.shape[1], dtype=np.uint64)
    return np.asarray((bits * (factors | np.uint64(1))).sum(axis=1, dtype=np.uint64))


def settings_of(oracle: Oracle) -> Settings:
    """Return what tells one oracle's answers from another's."""
    domain = "all of R^d"
    if oracle.domain is not None:
        domain = f"a box {crc32(np.concatenate(oracle.domain).tobytes()):08x}"
    return {
        "oracle": oracle.kind,
        "input size": oracle.input_size,
        "output size": oracle.output_size,
        "output": oracle.output,
        "precision": str(oracle.dtype).removeprefix("torch."),
        "values": oracle.has_values,
        "gradients": oracle.has_gradients,
        "domain": domain,
    }
