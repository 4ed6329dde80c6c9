"""What a reconstruction returns, and what it tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from divulge.reconstruction.certificate import Certificate
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
        certificate: the fresh answers that the copy was checked on after its last change, and their worst
            error; print it.
        complete: whether every answer of the search is explained, the copy is right as a function, nothing is
            left open that answers can show (`notes` says what is), and fresh answers refute the copy nowhere:
            at usual inputs, far out in random directions (in a box on faces and vertices), close beside the
            hyperplanes of all units of the first layer, and behind several layers close beside kinks on
            random lines and far up random combinations of features. Under noise only at usual inputs.
        notes: what was found beyond the plain case, or why the search ended early: each has a kind and a
            sentence.
        seed: the seed of every random choice.
        replayed: how many of the queries a checkpoint answered.
        unit_kinds: what the units of every hidden layer are: "ReLU", "LeakyReLU(0.1)", "PReLU" (a slope
            each), "abs", "ReLU in pairs, as ReLU6 or Hardtanh"; with " beside its input" where what comes
            into the layer is handed on as well. Empty where there are convolutions.
        numbers_told: that all answers held: d of a gradient, one of a value, as many for every output of a
            `JacobianOracle`.
    """

    module: nn.Sequential
    hidden_sizes: tuple[int, ...]
    queries: int
    queries_by_layer: tuple[int, ...]
    queries_by_kind: dict[str, int]
    kind: str
    certificate: Certificate
    complete: bool
    seed: int
    notes: tuple[Note, ...] = ()
    replayed: int = 0
    unit_kinds: tuple[str, ...] = ()
    numbers_told: int = 0

    @property
    def parameters(self) -> int:
        """Parameters of the copy: what these numbers have told."""
        return sum(part.numel() for part in self.module.parameters())

    @property
    def numbers_per_parameter(self) -> float:
        """Cost against information: numbers told for each parameter of the copy; inf where it has none."""
        return self.numbers_told / self.parameters if self.parameters else float("inf")

    @property
    def hidden_units(self) -> int:
        """Hidden units of the copy, over all layers."""
        return sum(self.hidden_sizes)
