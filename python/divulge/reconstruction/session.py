"""What one reconstruction asks, what it costs, what it tells while it runs, and the result in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from divulge.oracles import LogOdds, Oracle, ReplayOracle
from divulge.reconstruction.approach import Approach
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probability_reach import unsaturated_reach
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.stopped import INTERRUPTED
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.falsification.judge import Counterexample
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Progress, Reconstruction
from divulge.reconstruction.settings import LINE, SHOWN_ONCE, Tolerances


class Session:
    """One oracle, the record of every output's answers, and the count of what they cost.

    Args:
        oracle: what may be asked.
        approach: how.
        seed: of every random choice.
        progress: called after every round of queries.
        input_shape: of an input, where convolutions are to be looked for; empty where not.

    Attributes:
        approach: how the oracle is attacked.
        lines: the lines along which the first output is searched.
        transcripts: the answers about every output that was asked about, in that order.
        notes: what there is to say so far.
        outputs: every output, the oracle's own first.
        dtype: precision of the victim, and of the copy.
        input_size: d.
        domain: None for all of R^d, or (low, high), shape (d,) each.
    """

    def __init__(
        self,
        oracle: Oracle,
        approach: Approach,
        seed: int,
        progress: Callable[[Progress], None] | None,
        input_shape: tuple[int, ...] = (),
    ) -> None:
        self.approach = approach
        self.seed = seed
        self.dtype, self.input_size, self.domain = oracle.dtype, oracle.input_size, oracle.domain
        self.input_shape = input_shape
        self.outputs = [oracle.output, *(k for k in range(oracle.output_size or 1) if k != oracle.output)]
        self.lines = Lines(oracle.input_size, oracle.domain, np.random.default_rng(seed), LINE.reach)
        self.transcripts: dict[int, Transcript] = {}
        self.notes: list[Note] = []
        self._oracle = oracle
        self._progress = progress
        self._before = oracle.ledger.total
        self._kinds_before = dict(oracle.ledger.by_kind)
        self._booked: list[int] = []  # queries of each hidden layer

    @property
    def queries(self) -> int:
        """Queries asked so far."""
        return self._oracle.ledger.total - self._before

    @property
    def numbers_per_query(self) -> int:
        """How many numbers an answer holds."""
        return self._oracle.numbers_per_query

    @property
    def first(self) -> Transcript:
        """The record of the oracle's own output."""
        return self.transcripts[self.outputs[0]]

    @property
    def noise(self) -> float:
        """Relative error of an answer, as the first output showed it."""
        return self.first.noise if self.transcripts else 0.0

    @property
    def tolerances(self) -> Tolerances:
        """What that leaves open."""
        return Tolerances.of(self.noise)

    @property
    def noisy(self) -> bool:
        """Whether answers about the first output differ by more than rounding."""
        return bool(self.transcripts) and self.first.noisy

    @property
    def drowned(self) -> bool:
        """Whether noise hides a unit in the difference of two answers about the first output."""
        return bool(self.transcripts) and self.first.drowned

    @property
    def names_units(self) -> bool:
        """Whether answers are sharp enough to tell what units are from how they are read."""
        return not self.noisy and not self.tolerances.single

    def keep_unsaturated(self) -> None:
        """Walk lines no further than probabilities stay above 0, where answers are made of these.

        Raises:
            Stopped: a probability is 0 at a usual point already, or the oracle can be asked no further.
        """
        if isinstance(self._oracle, LogOdds | ReplayOracle) and self._oracle.first_logit_hidden:
            self.lines = self.lines.shortened(unsaturated_reach(self._oracle, self.lines))

    def asked(self, output: int) -> AskedOutput:
        """Return one output of the oracle, to be asked."""
        return AskedOutput(self._oracle, output)

    def transcript(self, output: int) -> Transcript:
        """Return the record of one output's answers; the first one's noise is measured, the others take it.

        Raises:
            NotPiecewiseLinear: the function is smooth, or the noise too large.
            Stopped: the oracle can be asked no further.
        """
        if output not in self.transcripts:
            transcript = self.approach.transcript(self.asked(output), self.lines)
            if self.transcripts:
                transcript.take_noise(self.first)
            self.transcripts[output] = transcript
            if len(self.transcripts) == 1:
                self._measure_noise(transcript)
                transcript.beside = self.few_beside()
        return self.transcripts[output]

    def few_beside(self) -> list[Transcript]:
        """Return the records of a few other outputs, where one answer holds all and so costs nothing more."""
        told = self.first.asked.all_at_once and self.approach.tells_both
        return [self.transcript(output) for output in self.outputs[1 : 1 + SHOWN_ONCE.others]] if told else []

    def _measure_noise(self, transcript: Transcript) -> None:
        floor = self.approach.noise(transcript, self.lines)
        transcript.settle(floor)
        if floor.seen:
            self.note(NoteKind.NOISE, floor.seen)

    def probe(self, output: int) -> Probe:
        """Return what asks an output for kinks and pieces."""
        return self.approach.probe(self.transcript(output))

    def book(self, depth: int) -> None:
        """Put down all queries since the last call to the hidden layer at a depth, 0 for the first."""
        self._booked += [0] * (depth + 1 - len(self._booked))
        self._booked[depth] += self.queries - sum(self._booked)

    def queries_by_layer(self, layers: int) -> tuple[int, ...]:
        """Return the queries of each of so many layers; whatever else was asked counts to the last."""
        if not layers:
            return ()
        own = [*self._booked[: layers - 1], *[0] * (layers - 1 - len(self._booked))]
        return (*own, self.queries - sum(own))

    def note(self, kind: NoteKind, sentence: str) -> None:
        """Keep something to say for the result."""
        self.notes.append(Note(kind, sentence))

    def stopped(self, sought: str, why: str, left: str = "") -> None:
        """Note that the search for something could not be ended, and what it leaves."""
        kind = NoteKind.INTERRUPTED if why == INTERRUPTED else NoteKind.STOPPED
        self.note(kind, f"stopped while searching for {sought}: {why}{left}")

    def note_refuted(self, wrong: Counterexample) -> None:
        """Note that a fresh answer shows the copy wrong."""
        self.note(
            NoteKind.UNEXPLAINED,
            f"the copy is off by {wrong.error:.2g} at a fresh input ({wrong.drawn}): units may be missing, "
            "or the jump of one may be several units'",
        )

    def noted(self, *kinds: NoteKind) -> bool:
        """Whether there is a note of one of these kinds."""
        return any(note.kind in kinds for note in self.notes)

    def tell(self, stage: str, units: int, copy: Callable[[], nn.Module | None]) -> None:
        """Report progress."""
        if self._progress is not None:
            self._progress(Progress(stage, self.queries, units, copy))

    def in_order(self, layer: Layer, outputs: Sequence[int]) -> Layer:
        """Put a layer's outputs in their places; those not reached stay 0, as does logit 0 of log-odds."""
        places, size = self.output_places(outputs)
        weights, base = np.zeros((size, len(layer))), np.zeros((size, layer.rows.shape[1]))
        done = places[: len(layer.weights)]
        weights[done], base[done] = layer.weights, layer.base
        return Layer(layer.rows, weights, base)

    def output_places(self, outputs: Sequence[int]) -> tuple[list[int], int]:
        """Return where outputs stand in a copy, and how many it has; a hidden logit 0 stays 0."""
        first = 1 if self._oracle.first_logit_hidden else 0
        size = first + max(self._oracle.output_size or 1, self._oracle.output + 1)
        return [first + output for output in outputs], size

    def result(
        self,
        module: nn.Sequential,
        sizes: Sequence[int],
        certificate: Certificate,
        complete: bool,
        unit_kinds: Sequence[str] = (),
    ) -> Reconstruction:
        """Return a copy with what it cost and the notes taken."""
        ledger = self._oracle.ledger
        kinds = {kind: n - self._kinds_before.get(kind, 0) for kind, n in ledger.by_kind.items()}
        hidden_sizes = tuple(size for size in sizes if size)
        replayed = self._oracle if isinstance(self._oracle, ReplayOracle) else None
        if replayed and replayed.unwritten:
            self.note(NoteKind.CHECKPOINT, replayed.unwritten)
        if complete and self.lines.saturate:
            self.note(
                NoteKind.DOMAIN,
                "nothing was asked where a probability is 0: units that switch only there may be missing",
            )
        return Reconstruction(
            module=module,
            hidden_sizes=hidden_sizes,
            unit_kinds=tuple(kind for kind, size in zip(unit_kinds, sizes, strict=False) if size),
            queries=self.queries,
            queries_by_layer=self.queries_by_layer(len(hidden_sizes)),
            queries_by_kind={kind: n for kind, n in kinds.items() if n},
            kind=self._oracle.kind,
            certificate=certificate,
            complete=complete,
            seed=self.seed,
            notes=tuple(self.notes),
            replayed=replayed.replayed if replayed else 0,
            numbers_told=self.queries * self.numbers_per_query,
        )
