"""The errors that divulge raises on its own account."""

from __future__ import annotations

from os import PathLike


class DivulgeError(Exception):
    """Base of every error that divulge raises on its own account."""


class OracleError(DivulgeError, RuntimeError):
    """An oracle failed, or its answer cannot be used (wrong shape, NaN, infinite)."""


class BudgetExhausted(OracleError):
    """The ledger's budget does not cover the queries that were about to be asked; none of them was."""


class NotPiecewiseLinear(DivulgeError, ValueError):
    """The answers cannot come from a piecewise-linear function, so no reconstruction exists."""


class UnsupportedModel(DivulgeError, ValueError):
    """A model holds something that divulge cannot run."""


class UnreadableFile(DivulgeError, ValueError):
    """A file is damaged, holds something else than it should, or more than divulge can take.

    Attributes:
        path: the file, as it was given.
        place: where in it, such as "byte 17", "line 3" or "node 'fc1' of type Gemm".
        reason: what is wrong there; with the place before it, a sentence.
    """

    def __init__(self, path: str | PathLike[str], place: str, reason: str) -> None:
        super().__init__(path, place, reason)
        self.path, self.place, self.reason = path, place, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.place} {self.reason}"


class UnsupportedModelFile(UnreadableFile, UnsupportedModel):
    """A model file is damaged, or holds something that divulge cannot run."""


class CheckpointError(UnreadableFile):
    """A checkpoint cannot be gone on from: it is damaged, or belongs to another search or victim."""
