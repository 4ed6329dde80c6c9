"""What a reconstruction returns, and what it tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from divulge.reconstruction.notes import Note
from divulge.tables import ReconstructionTable


@dataclass(frozen=True)
class Progress:
    """A glance at a running reconstruction.

    Attributes:
        stage: what is being done.
        queries: queries asked so far.
        units: hidden units found so far.
        copy: builds the network as it is known by now, or returns None where there is nothing yet.
    """

    stage: str
    queries: int
    units: int
    copy: Callable[[], nn.Module | None]


@dataclass
class Reconstruction(ReconstructionTable):
    """A network rebuilt from its oracle's answers.

    Attributes:
        module: the copy, inputs of shape (n, d), outputs of shape (n, K).
        hidden_sizes: units of every hidden layer of the copy, from the input on; empty where it is affine.
        queries: queries this reconstruction asked.
        queries_by_layer: queries asked while each hidden layer was looked for; outputs and checks count to
            the last one.
        queries_by_kind: the queries by kind.
        kind: the kind of answers that were used: "gradient", "value", "probability" and so on.
        certificate: largest relative residual of value and gradient on fresh queries that the fit never saw;
            infinite where none was asked.
        complete: whether every answer is explained and nothing is left open; `notes` says what is.
        notes: what was found beyond the plain case, or why the search ended early: each has a kind and a
            sentence.
        seed: the seed of every random choice.
        replayed: how many of the queries a checkpoint answered.
    """

    module: nn.Sequential
    hidden_sizes: tuple[int, ...]
    queries: int
    queries_by_layer: tuple[int, ...]
    queries_by_kind: dict[str, int]
    kind: str
    certificate: float
    complete: bool
    seed: int
    notes: tuple[Note, ...] = ()
    replayed: int = 0

    @property
    def hidden_units(self) -> int:
        """Hidden units of the copy, over all layers."""
        return sum(self.hidden_sizes)
