"""Answers kept by what was asked, so that no question is asked twice; in a file they outlive the process."""

from __future__ import annotations

import warnings
import weakref
from pathlib import Path

import numpy as np

from divulge.arrays import Array, Index
from divulge.oracles.journal import Journal, JournalRecord, Prints, Settings, fingerprints


class AnswerCache:
    """The answers of one oracle, each point's by its coordinates' bits and by what was asked about it.

    Unlike a `ReplayOracle` it knows questions in whatever order they come. Each batch of answers is in the
    file before the next one is asked.

    Args:
        path: the file; made where there is none.
        about: what the answers belong to; a file that says otherwise is refused.

    Raises:
        CheckpointError: the file is none of these, damaged, or belongs to something else.
        OSError: it cannot be read or written.

    Warns:
        RuntimeWarning: the file can be written no further, as on a full disk; memory keeps answers on.
    """

    def __init__(self, path: Path, about: Settings) -> None:
        self._journal = Journal(path, about)
        self._rows: dict[tuple[int, int], Array] = {}
        for record in self._journal.records:
            self._remember(record)
        self._journal.records.clear()
        self._writes = True
        weakref.finalize(self, self._journal.close)

    def __len__(self) -> int:
        return len(self._rows)

    def unknown(self, points: Array, channel: int) -> Index:
        """Return which of points (n, d) have no answer yet, each question once, in order."""
        seen: set[int] = set()
        found = []
        for row, mark in enumerate(fingerprints(points).tolist()):
            if (channel, mark) not in self._rows and mark not in seen:
                seen.add(mark)
                found.append(row)
        return np.array(found, np.intp)

    def keep(self, points: Array, channel: int, answers: Array) -> None:
        """Write down the answers (n, numbers in an answer) to points (n, d)."""
        record = JournalRecord(channel, fingerprints(points), answers)
        self._remember(record)
        if not self._writes:
            return
        try:
            self._journal.append(record)
        except OSError as error:
            self._writes = False
            said = f"the cache {self._journal.path} ends after {len(self)} answers: {error.strerror}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)

    def answers(self, points: Array, channel: int) -> Array:
        """Return the answers to points (n, d) that are all known, n > 0."""
        return np.array([self._rows[channel, mark] for mark in _listed(fingerprints(points))])

    def _remember(self, record: JournalRecord) -> None:
        for mark, row in zip(_listed(record.prints), record.answers, strict=True):
            self._rows[record.channel, mark] = row


def _listed(prints: Prints) -> list[int]:
    return [int(mark) for mark in prints]
