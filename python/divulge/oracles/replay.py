"""An oracle that keeps its answers in a file and does not ask for them again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.errors import BudgetExhausted, CheckpointError
from divulge.oracles.base import Oracle
from divulge.oracles.jacobian import JacobianOracle, LastAnswer
from divulge.oracles.journal import Journal, JournalRecord, Prints, Settings, fingerprints, settings_of
from divulge.oracles.ledger import Ledger
from divulge.oracles.probability import LogOdds
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    from divulge.points import Points

PROBABILITIES = -1  # the channel of all probabilities; others are outputs
SAME = 1e-4  # relative difference of two answers to one question, whatever the batch they came in


class ReplayOracle(Oracle):
    """Asks another oracle and keeps every answer in a file, row by row in the order of the questions.

    Opened again the same questions, asked in the same order, are answered from the file first; only then the
    oracle is asked. A seeded search goes on so where it ended, whatever ended it. Of the questions answered
    from the file the first is asked once more, to see that the oracle is still the same.

    Args:
        oracle: which is asked.
        path: the file; made where there is none.
        seed: of the search that asks.

    Attributes:
        replayed: how many queries the file has answered.
        unwritten: why the file does not hold all answers, or None.
        ledger: counts all queries, those answered from the file too; the oracle's own counts the others.

    Raises:
        CheckpointError: the file is no checkpoint, is damaged, or was written for another seed or oracle.
    """

    def __init__(self, oracle: Oracle, path: Path, *, seed: int) -> None:
        super().__init__(
            input_size=oracle.input_size,
            output_size=oracle.output_size,
            output=oracle.output,
            dtype=oracle.dtype,
            domain=oracle.domain,
            kind=oracle.kind,
            has_values=oracle.has_values,
            has_gradients=oracle.has_gradients,
        )
        self.asked = oracle
        self.input_shape = oracle.input_shape
        self.all_at_once = oracle.all_at_once
        self.first_logit_hidden = oracle.first_logit_hidden
        self.journal = Journal(path, search_settings(oracle, seed))
        self.told = deque(self.journal.records)
        self.last = LastAnswer()
        self.replayed = 0
        self.writes = True
        self.unwritten: str | None = None
        self.ledger = ReplayLedger(oracle.ledger, lambda: sum(map(len, self.told)))

    def __enter__(self) -> ReplayOracle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()

    def probabilities(self, points: Points) -> Array:
        """Ask for the probabilities of all classes, shape (n, K), of an oracle that has them."""
        matrix = as_matrix(points, self.input_size)
        assert isinstance(self.asked, LogOdds)
        return self._answers(matrix, PROBABILITIES, self.asked.probabilities, len(matrix))

    def _admit(self, points: Points) -> Array:
        """Check points (n, d); the oracle that is asked charges for them."""
        matrix = as_matrix(points, self.input_size)
        check_finite(matrix)
        return matrix if self._box is None else self._box.admit(matrix)

    def _ask(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        return self._answer(points, output)

    def _answer(self, points: Array, output: int) -> tuple[Array | None, Array | None]:
        def ask(fresh: Array) -> Array:
            values, gradients = self.asked.query(fresh, output)
            parts = [part for part in (values, gradients) if part is not None]
            return np.column_stack(parts)

        answers = self._answers(points, output, ask, self._cost(points, output))
        values = answers[:, 0] if self.has_values else None
        return values, answers[:, int(self.has_values) :] if self.has_gradients else None

    def _cost(self, points: Array, output: int) -> int:
        """Return what the oracle that is asked charges for points, whether it was asked now or before."""
        if not isinstance(self.asked, JacobianOracle):
            return self.asked._price(len(points))
        if self.last.holds(points, output):
            return 0
        self.last.keep(points, output)
        return len(points)

    def _answers(self, points: Array, channel: int, ask: Callable[[Array], Array], price: int) -> Array:
        """Answer rows from the file as far as it goes, then by asking; shape (n, numbers in an answer)."""
        prints, parts, known = fingerprints(points), [], 0
        while self.told and known < len(points):
            told = self.told.popleft()
            rows = min(len(told), len(points) - known)
            same = np.array_equal(told.prints[:rows], prints[known : known + rows])
            self._check(same and told.channel == channel)
            if not self.replayed:
                self._recognise(ask, points[:1], told.answers[:1])
            if rows < len(told):
                self.told.appendleft(told.after(rows))
            parts.append(told.answers[:rows])
            known += rows
            self.replayed += rows if price else 0  # what was looked up was no query
        if known < len(points):
            parts.append(self._fresh(points[known:], prints[known:], channel, ask))
        self.ledger.charge(self.kind, price)
        return np.concatenate(parts)

    def _fresh(self, points: Array, prints: Prints, channel: int, ask: Callable[[Array], Array]) -> Array:
        """Ask and write down, until a question fails: what comes then would not have been asked otherwise."""
        try:
            answers = ask(points)
            if self.writes:
                self._write(JournalRecord(channel, prints, answers))
        except BaseException:
            self.writes = False
            raise
        return answers

    def _write(self, record: JournalRecord) -> None:
        """Write one record; where that fails, as on a full disk, the search goes on without the file."""
        try:
            self.journal.append(record)
        except OSError as error:
            self.writes = False
            self.unwritten = (
                f"the checkpoint {self.journal.path} ends after {self.ledger.total} queries: {error.strerror}"
            )

    def _check(self, same: bool) -> None:
        if not same:
            raise CheckpointError(
                self.journal.path,
                f"query {self.replayed}",
                f"is not the one that was asked: the file holds answers to other queries after the first "
                f"{self.replayed}, asked by another version of divulge or NumPy, or on other threads",
            )

    def _recognise(self, ask: Callable[[Array], Array], point: Array, told: Array) -> None:
        """Raise CheckpointError if the oracle answers a question otherwise than it did."""
        try:
            now = ask(point)
        except BudgetExhausted:
            return  # nothing more will be asked
        if now.shape != told.shape or np.abs(now - told).max() > SAME * np.abs(told).max():
            raise CheckpointError(
                self.journal.path,
                "the first answer",
                "is not what the oracle says now: it answers otherwise than when the file was written, "
                "it is another victim",
            )


class ReplayLedger(Ledger):
    """Counts what was asked and what was answered from a file; only what is asked uses up the budget."""

    def __init__(self, asked: Ledger, told: Callable[[], int]) -> None:
        super().__init__()
        self._asked = asked
        self._told = told

    @property
    def budget(self) -> int | None:
        """The budget of the oracle that is asked, or None."""
        return self._asked.budget

    @property
    def remaining(self) -> int | None:
        """Queries that may still come: what the file holds and what may be asked; None without a budget."""
        return None if self._asked.remaining is None else self._asked.remaining + self._told()

    @property
    def price(self) -> float | None:
        """Money for one query, or None."""
        return self._asked.price

    @property
    def cost(self) -> float | None:
        """Money for what was asked; answers from the file cost nothing."""
        return self._asked.cost

    @property
    def exhausted(self) -> bool:
        """Whether the oracle that is asked refused a query."""
        return self._asked.exhausted

    def charge(self, kind: str, n: int) -> None:
        """Count queries; what of them was asked the oracle has charged."""
        self._by_kind[kind] = self._by_kind.get(kind, 0) + n


def search_settings(oracle: Oracle, seed: int) -> Settings:
    """Return what tells one search from another."""
    return {"seed": seed, **settings_of(oracle)}
