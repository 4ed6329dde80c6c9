"""What one reconstruction asks, tells while it runs, and returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from divulge.oracles import Oracle, ReplayOracle
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.result import Progress, Reconstruction
from divulge.reconstruction.settings import LINE, Tolerances
from divulge.reconstruction.tally import Tally


class Session:
    """One oracle, the record of every output's answers, and the count of what they cost.

    Attributes:
        oracle: what may be asked.
        lines: the lines along which the first output is searched.
        transcripts: the answers about every output that was asked about, in that order.
        notes: sentences for the result.
        tally: what each hidden layer cost.
    """

    def __init__(self, oracle: Oracle, seed: int, progress: Callable[[Progress], None] | None) -> None:
        self.oracle = oracle
        self.seed = seed
        self.progress = progress
        self.before = oracle.ledger.total
        self.kinds_before = dict(oracle.ledger.by_kind)
        self.rng = np.random.default_rng(seed)
        self.lines = Lines(oracle.input_size, oracle.domain, self.rng, LINE.reach)
        self.transcripts: dict[int, Transcript] = {}
        self.notes: list[str] = []
        self.tally = Tally(lambda: self.queries)

    @property
    def queries(self) -> int:
        """Queries asked so far."""
        return self.oracle.ledger.total - self.before

    @property
    def noise(self) -> float:
        """Relative error of an answer, as the first output showed it."""
        return self.first.noise if self.transcripts else 0.0

    @property
    def tolerances(self) -> Tolerances:
        """What that leaves open."""
        return Tolerances.of(self.noise)

    @property
    def first(self) -> Transcript:
        """The record of the oracle's own output."""
        return self.transcripts[self.oracle.output]

    def has_both(self) -> bool:
        """Whether an answer holds value and gradient."""
        return self.oracle.has_values and self.oracle.has_gradients

    def other_outputs(self) -> list[int]:
        """Return the outputs besides the first one asked about."""
        return [k for k in range(self.oracle.output_size or 1) if k != self.oracle.output]

    def new_lines(self) -> Lines:
        """Return lines of the oracle's domain, none yet, walked as far as the first ones."""
        return Lines(self.oracle.input_size, self.oracle.domain, self.rng, self.lines.reach)

    def transcript(self, output: int) -> Transcript:
        """Return the record of one output's answers; a new one takes the noise of the first."""
        if output not in self.transcripts:
            self.transcripts[output] = self._new_transcript(output)
        return self.transcripts[output]

    def _new_transcript(self, output: int) -> Transcript:
        if not self.oracle.has_gradients:
            return ValueTranscript(self.oracle, output, self.lines)
        transcript = Transcript(self.oracle, output)
        transcript.noise = self.noise or transcript.noise
        return transcript

    def tell(self, stage: str, units: int, copy: Callable[[], nn.Module | None]) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(Progress(stage, self.queries, units, copy))

    def stopped(self, stage: str, reason: BaseException) -> None:
        """Note that the search for something could not be ended."""
        said = str(reason) or "interrupted by the user"
        self.notes.append(f"stopped while searching for {stage}: {said}")

    def was_stopped(self) -> bool:
        """Whether `stopped` was called."""
        return any(note.startswith("stopped") for note in self.notes)

    def in_order(self, layer: Layer, outputs: Sequence[int]) -> Layer:
        """Put a layer's outputs in their places; those not reached stay 0, as does logit 0 of log-odds."""
        first = 1 if self.oracle.first_logit_hidden else 0
        size = first + max(self.oracle.output_size or 1, self.oracle.output + 1)
        weights, base = np.zeros((size, len(layer))), np.zeros((size, layer.rows.shape[1]))
        done = [first + output for output in outputs][: len(layer.weights)]
        weights[done], base[done] = layer.weights, layer.base
        return Layer(layer.rows, weights, base)

    def result(
        self, module: nn.Sequential, sizes: Sequence[int], certificate: float, complete: bool
    ) -> Reconstruction:
        """Return a copy with what it cost and the notes taken."""
        kinds = {kind: n - self.kinds_before.get(kind, 0) for kind, n in self.oracle.ledger.by_kind.items()}
        hidden_sizes = tuple(size for size in sizes if size)
        replayed = self.oracle if isinstance(self.oracle, ReplayOracle) else None
        if replayed and replayed.unwritten:
            self.notes.append(replayed.unwritten)
        return Reconstruction(
            module=module,
            hidden_sizes=hidden_sizes,
            queries=self.queries,
            queries_by_layer=self.tally.by_layer(len(hidden_sizes)),
            queries_by_kind={kind: n for kind, n in kinds.items() if n},
            kind=self.oracle.kind,
            certificate=float(certificate),
            complete=complete,
            seed=self.seed,
            notes=self.notes,
            replayed=replayed.replayed if replayed else 0,
        )
