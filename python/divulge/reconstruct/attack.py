"""From an oracle to a network: the order in which things are asked and solved."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

import numpy as np
from numpy.typing import NDArray
from torch import nn

from divulge.oracles import LogOdds, Oracle, ProbabilityOracle
from divulge.reconstruct.certified import certified_search
from divulge.reconstruct.deep.attack import DeepAttack, DeepResult
from divulge.reconstruct.deep.model import DeepModel
from divulge.reconstruct.fit import Fit
from divulge.reconstruct.gradients import GradientSearch
from divulge.reconstruct.layer import Layer
from divulge.reconstruct.lines import REACH, Lines
from divulge.reconstruct.noise import measure_noise
from divulge.reconstruct.offsets import Brackets, bisect
from divulge.reconstruct.outputs import output_weights_and_base, probe_points
from divulge.reconstruct.polish import polish, slope_error
from divulge.reconstruct.probe import GradientProbe, Probe
from divulge.reconstruct.result import Progress, Reconstruction
from divulge.reconstruct.saturation import unsaturated_reach
from divulge.reconstruct.search import Found, Search
from divulge.reconstruct.signs import Orientation, orient
from divulge.reconstruct.transcript import Stopped, Transcript
from divulge.reconstruct.units import Units
from divulge.reconstruct.values import ValueProbe, ValueSearch, ValueTranscript

Array = NDArray[np.float64]

SAME_DIRECTION = 1e-9  # 1 - |cosine| of two rows below which they are taken for one unit's
ROUNDING_OF_ROWS = 20.0  # rows that one output hardly shows are blunt: others leave so much more
MORE_POINTS = 8  # how often two more points are asked where an output's weights are not decided yet


def reconstruct(
    oracle: Oracle, seed: int = 0, *, progress: Callable[[Progress], None] | None = None
) -> Reconstruction:
    """Rebuild a ReLU network from its oracle's answers.

    The attack is told nothing about the inside: neither the number of hidden layers nor their widths. It asks
    about the oracle's own output until every unit is known, then a few queries for every other output. One
    hidden layer is tried first; what it cannot explain is taken apart layer by layer, from the input inwards.

    Args:
        oracle: what may be asked; its answers are all that is used. Without values (gradients alone) offsets
            are found by bisection and output biases cannot be known: they are returned as 0. From values
            alone gradients are taken as differences inside linear pieces: exact, d + 1 queries each. Of a
            `ProbabilityOracle` the log-odds are used: the copy's outputs are logits up to what softmax hides,
            a function added to all of them, chosen so that logit 0 is 0.
        seed: seed of every random choice; the same seed asks the same queries.
        progress: called after every round of queries with a `Progress`.

    Returns:
        A `Reconstruction`. When the budget runs out, the oracle fails or the user interrupts, it holds what
        was known by then, with `complete` False and the reason in `notes`.

    Raises:
        TypeError: `oracle` is not an oracle.
        NotPiecewiseLinear: the gradient changes between inputs that lie next to each other, or the answers
            are too noisy.

    Source:
        After S. Milli, L. Schmidt, A. D. Dragan, M. Hardt, "Model Reconstruction from Model Explanations",
        2019; the decoding of several units from one answer is our own (see `divulge.reconstruct.decode`).
    """
    if not isinstance(oracle, Oracle):
        raise TypeError(
            f"expected an oracle such as GradientOracle or CallableOracle, got {type(oracle).__name__}"
        )
    if isinstance(oracle, ProbabilityOracle):
        oracle = oracle.log_odds()
    return Attack(oracle, index(seed), progress).run()


class Attack:
    """The state of one reconstruction."""

    def __init__(self, oracle: Oracle, seed: int, progress: Callable[[Progress], None] | None) -> None:
        self.oracle = oracle
        self.seed = seed
        self.progress = progress
        self.before = oracle.ledger.total
        self.kinds_before = dict(oracle.ledger.by_kind)
        self.rng = np.random.default_rng(seed)
        self.lines = self.new_lines(REACH)
        self.transcripts: list[Transcript] = []
        self.layer: Layer | None = None
        self.latest: Fit | None = None
        self.notes: list[str] = []
        self.certificate = np.inf

    def run(self) -> Reconstruction:
        """Ask, solve, and return whatever came of it."""
        solved, stage = False, "hidden units"
        try:
            if isinstance(self.oracle, LogOdds):
                self.lines.reach = unsaturated_reach(self.oracle, self.lines)
            solved = self.first_output()
            if not solved and self.oracle.has_values:
                return self.many_layers()
            stage = "output weights"
            for output in self.other_outputs():
                solved &= self.next_output(output)
        except (Stopped, KeyboardInterrupt) as stop:
            solved, self.certificate = False, np.inf  # what was not reached was not checked
            self.notes.append(
                f"stopped while searching for {stage}: {str(stop) or 'interrupted by the user'}"
            )
            if self.layer is None:
                self.layer = Layer.from_fit(getattr(stop, "fit", None) or self.latest or self.nothing())
        return self.finish(solved)

    def new_lines(self, reach: float) -> Lines:
        """Return lines of the oracle's domain, none yet."""
        return Lines(self.oracle.input_size, self.oracle.domain, self.rng, reach)

    def many_layers(self) -> Reconstruction:
        """Search for more hidden layers than one."""
        transcripts = {self.oracle.output: self.transcripts[0]}

        def probe(output: int) -> Probe:
            if output not in transcripts:
                transcripts[output] = self.new_transcript(output)
            known = transcripts[output]
            return ValueProbe(known) if isinstance(known, ValueTranscript) else GradientProbe(known)

        def report(model: DeepModel) -> None:
            if self.progress is not None:
                told = Progress(
                    "hidden layers",
                    self.oracle.ledger.total - self.before,
                    sum(model.hidden_sizes),
                    lambda: model.module(self.oracle.dtype, with_slope=True),
                )
                self.progress(told)

        lines = self.new_lines(self.lines.reach)
        attack = DeepAttack(probe, [self.oracle.output, *self.other_outputs()], lines, report)
        try:
            found = attack.run()
        except (Stopped, KeyboardInterrupt) as stop:
            found = attack.known()
            said = str(stop) or "interrupted by the user"
            self.notes.append(f"stopped while searching for hidden layers: {said}")
        return self.deep_result(found)

    def deep_result(self, found: DeepResult) -> Reconstruction:
        """Return what a search through many layers came to."""
        model = DeepModel(found.model.prefix, self.in_order(found.model.layer, found.outputs))
        ledger = self.oracle.ledger
        kinds = {kind: n - self.kinds_before.get(kind, 0) for kind, n in ledger.by_kind.items()}
        if found.solved and not found.decided:
            self.notes.append(
                "a linear part remains beside the last hidden layer: a skip connection, or a unit that was "
                "seen to switch nowhere"
            )
        if not found.solved and not any(note.startswith("stopped") for note in self.notes):
            self.notes.append("fresh answers are not explained by the layers that were found")
        return Reconstruction(
            module=model.module(self.oracle.dtype, found.slope),
            hidden_sizes=tuple(size for size in model.hidden_sizes if size),
            queries=ledger.total - self.before,
            queries_by_kind={kind: n for kind, n in kinds.items() if n},
            kind=self.oracle.kind,
            certificate=float(found.certificate),
            complete=found.solved and found.decided,
            seed=self.seed,
            notes=self.notes,
        )

    def has_both(self) -> bool:
        """Whether an answer holds value and gradient."""
        return self.oracle.has_values and self.oracle.has_gradients

    def nothing(self) -> Fit:
        """Return the fit that knows no unit."""
        size = self.oracle.input_size
        return Fit(Units.none(size), np.zeros(size + 1), np.inf)

    def other_outputs(self) -> list[int]:
        """Return the outputs besides the first one asked about."""
        return [k for k in range(self.oracle.output_size or 1) if k != self.oracle.output]

    def tolerance(self) -> float:
        """Relative residual that counts as rounding."""
        return max(1e-9, 200 * self.transcripts[0].noise) if self.transcripts else 1e-9

    def missing_unit(self) -> float:
        """Relative error of another output's gradient from which on a unit must be missing there."""
        return max(1e-7, 1e4 * self.transcripts[0].noise)

    def first_output(self) -> bool:
        """Find the hidden units behind the oracle's own output; return whether everything is explained."""
        transcript = self.open_transcript(self.oracle.output)
        if not isinstance(transcript, ValueTranscript):  # that has measured it
            self.notes += filter(None, [measure_noise(transcript, self.lines)])
        found = self.search(transcript, self.lines)
        self.layer = Layer.from_fit(found.fit)
        if found.solved and transcript.noise > 1e-12 and self.has_both():
            self.layer = self.sharpen(transcript, found.fit)
        self.certificate = found.certificate
        return found.solved

    def sharpen(self, transcript: Transcript, fit: Fit) -> Layer:
        """Bisect the offsets where rounding leaves the tangents' crossings blunt."""
        jumps = fit.units.jumps[:, :-1]
        if self.oracle.domain is not None or np.linalg.matrix_rank(jumps) < len(jumps):
            return Layer.from_fit(fit)
        levels = transcript.points[:, :-1] @ jumps.T
        on = (transcript.pieces[:, :-1] - fit.base[:-1]) @ np.linalg.pinv(jumps) > 0.5
        sides = fit.units.sides
        lowest = np.where(on, levels * sides, np.inf).min(axis=0) * sides
        highest = np.where(on, -np.inf, levels * sides).max(axis=0) * sides
        usable = np.isfinite(lowest) & np.isfinite(highest)
        if not usable.all():
            return Layer.from_fit(fit)

        def told(_: Brackets) -> None:
            self.tell("offsets", fit)

        found = bisect(transcript, jumps, fit.base[:-1], Brackets(highest, lowest), told)
        return Layer.from_fit(
            Fit(Units(np.column_stack([jumps, -found.middle()]), sides), fit.base, fit.error)
        )

    def open_transcript(self, output: int) -> Transcript:
        """Start the record of one output's answers."""
        self.transcripts.append(self.new_transcript(output))
        return self.transcripts[-1]

    def new_transcript(self, output: int) -> Transcript:
        """Return an empty record; the noise is that of the first one."""
        if not self.oracle.has_gradients:
            return ValueTranscript(self.oracle, output, self.lines)
        transcript = Transcript(self.oracle, output)
        if self.transcripts:
            transcript.noise = self.transcripts[0].noise
        return transcript

    def search(self, transcript: Transcript, lines: Lines) -> Found:
        """Search by decoding, then, where its assumptions do not hold, kink by kink."""

        def report(fit: Fit) -> None:
            self.tell("hidden units", fit)

        if isinstance(transcript, ValueTranscript):
            return ValueSearch(transcript, lines, report).run()
        if not self.oracle.has_values:
            return GradientSearch(transcript, lines, report).run()
        search = Search(transcript, lines, report)
        found = search.run()
        noisy = transcript.noise > 1e-12 and search.span.rank < lines.input_size // 2
        if found.solved or search.deeper or noisy:
            return found  # with noise a search that trusts each kink by itself does worse
        fit, certificate = certified_search(transcript, lines, self.tolerance())
        report(fit)
        return Found(fit, certificate, solved=certificate <= self.tolerance())

    def next_output(self, output: int) -> bool:
        """Solve for one more output; search again only where it shows units that no other output did."""
        assert self.layer is not None
        transcript = self.open_transcript(output)
        fit, rows = self.solve_output(self.layer, transcript)
        self.tell("output weights", fit)
        if fit.slope_residual(transcript, rows) <= self.missing_unit():
            self.layer = self.with_output(fit)
            self.certificate = max(self.certificate, fit.residual(transcript, rows))
            return True
        lines = self.new_lines(self.lines.reach)
        found = self.search(transcript, lines)
        self.certificate = max(self.certificate, found.certificate)
        self.layer = self.with_rows(found.fit)
        return found.solved and self.solve_all()

    def solve_output(self, layer: Layer, transcript: Transcript) -> tuple[Fit, NDArray[np.intp]]:
        """Ask about a known layer's weights to one output; return them and the rows of fresh answers."""
        seen = np.concatenate([other.points for other in self.transcripts])
        transcript.ask(probe_points(layer, self.lines, seen))
        weights, base, decided = output_weights_and_base(layer, transcript)
        for _ in range(MORE_POINTS):
            if decided:
                break
            transcript.ask(self.lines.samples(2))
            weights, base, decided = output_weights_and_base(layer, transcript)
        jumps = layer.rows * weights[:, None]
        fit = Fit(Units(jumps, np.sign(weights)), base, np.inf)
        return fit, transcript.ask(self.lines.samples(1))

    def with_output(self, fit: Fit) -> Layer:
        """Append an output that sees the units of the layer in their order."""
        assert self.layer is not None
        weights = np.einsum("hd,hd->h", fit.units.jumps[:, :-1], self.layer.rows[:, :-1])
        return Layer(
            self.layer.rows,
            np.concatenate([self.layer.weights, weights[None]]),
            np.concatenate([self.layer.base, fit.base[None]]),
        )

    def with_rows(self, fit: Fit) -> Layer:
        """Append the rows that only the newest output shows, and the output itself, weights unknown yet."""
        assert self.layer is not None
        rows = Layer.from_fit(fit).rows
        cosine = np.abs(rows[:, :-1] @ self.layer.rows[:, :-1].T).max(axis=1, initial=0.0)
        new = rows[cosine < 1 - SAME_DIRECTION]
        grown = len(self.layer) + len(new)
        weights = np.zeros((len(self.transcripts), grown))
        weights[:-1, : len(self.layer)] = self.layer.weights
        base = np.concatenate([self.layer.base, np.zeros((1, rows.shape[1]))])
        return Layer(np.concatenate([self.layer.rows, new]), weights, base)

    def solve_all(self) -> bool:
        """Ask every output so far how it sees the units of the grown layer."""
        assert self.layer is not None
        for place, transcript in enumerate(self.transcripts):
            fit, rows = self.solve_output(self.layer, transcript)
            self.certificate = max(self.certificate, fit.residual(transcript, rows))
            if fit.slope_residual(transcript, rows) > self.missing_unit():
                return False
            self.layer.weights[place] = np.einsum(
                "hd,hd->h", fit.units.jumps[:, :-1], self.layer.rows[:, :-1]
            )
            self.layer.base[place] = fit.base
        return True

    def tell(self, stage: str, fit: Fit) -> None:
        """Report progress."""
        self.latest = fit
        if self.progress is None:
            return
        layer = self.layer or Layer.from_fit(fit)
        queries = self.oracle.ledger.total - self.before
        self.progress(Progress(stage, queries, len(layer), lambda: self.build(layer)))

    def build(self, layer: Layer) -> nn.Sequential:
        """Orient the units and put the network together, its outputs in their own order."""
        orientation = orient(layer, self.tolerance())
        return self.in_order(orientation.layer, self.reached()).module(self.oracle.dtype, orientation.slope)

    def reached(self) -> list[int]:
        """Return which outputs were asked about, in that order."""
        return [transcript.output for transcript in self.transcripts]

    def in_order(self, layer: Layer, outputs: list[int]) -> Layer:
        """Put a layer's outputs in their places; those not reached stay 0, as does logit 0 of log-odds."""
        first = 1 if isinstance(self.oracle, LogOdds) else 0
        size = first + max(self.oracle.output_size or 1, self.oracle.output + 1)
        weights, base = np.zeros((size, len(layer))), np.zeros((size, layer.rows.shape[1]))
        done = [first + output for output in outputs][: len(layer.weights)]
        weights[done], base[done] = layer.weights, layer.base
        return Layer(layer.rows, weights, base)

    def finish(self, solved: bool) -> Reconstruction:
        """Orient the units, polish, and put the network together."""
        assert self.layer is not None
        orientation = self.oriented(self.layer) if solved else orient(self.layer, self.tolerance())
        layer = orientation.layer
        self.explain(solved, orientation)
        ledger = self.oracle.ledger
        kinds = {kind: n - self.kinds_before.get(kind, 0) for kind, n in ledger.by_kind.items()}
        return Reconstruction(
            module=self.in_order(layer, self.reached()).module(self.oracle.dtype, orientation.slope),
            hidden_sizes=(len(layer),) if len(layer) else (),
            queries=ledger.total - self.before,
            queries_by_kind={kind: n for kind, n in kinds.items() if n},
            kind=self.oracle.kind,
            certificate=float(self.certificate),
            complete=solved and orientation.decided,
            seed=self.seed,
            notes=self.notes,
        )

    def oriented(self, layer: Layer) -> Orientation:
        """Turn the units so that no affine part remains, if every answer is explained as well without one."""
        known = len(self.transcripts) == len(layer.weights) and self.has_both() and len(layer)
        if not known:
            return orient(layer, self.tolerance())
        for looser in (1.0, ROUNDING_OF_ROWS):
            orientation = orient(layer, looser * self.tolerance())
            if not orientation.slope:
                polished = polish(orientation.layer, self.transcripts)
                enough = 3 * max(slope_error(layer, self.transcripts), self.tolerance())
                if looser == 1.0 or slope_error(polished, self.transcripts) <= enough:
                    return Orientation(polished, slope=False, decided=orientation.decided)
        return orient(layer, self.tolerance())

    def explain(self, solved: bool, orientation: Orientation) -> None:
        """Note what the copy leaves open."""
        if not solved:
            if not any(note.startswith("stopped") for note in self.notes):
                self.notes.append(
                    "fresh answers are not explained by one hidden layer of the units that were found"
                )
        elif not orientation.decided:
            self.notes.append(
                "the function is known, but not on which side some units are active: more than one choice "
                "may explain every answer"
            )
        elif orientation.slope:
            self.notes.append(
                "an affine part remains (a skip connection, or units that never switch where queries may "
                "go); with it a unit turned over, w max(z, 0) = w z + w max(-z, 0), is the same function"
            )
        if self.oracle.domain is not None:
            self.notes.append(
                "queries stay in a box: units that switch nowhere in it are folded into the affine part, and "
                "answers from inside do not show how many there are"
            )
        if not self.oracle.has_values:
            self.notes.append("gradients alone do not show the output biases: they are set to 0")
