"""One hidden layer: the search behind the first output, and what the other outputs add to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from divulge.errors import NotPiecewiseLinear
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.noise_floor import measure_noise
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.network.fit import Fit, decoded_fit, off_binary
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.average_noise import reread
from divulge.reconstruction.one_layer.bisect_offsets import sharpened
from divulge.reconstruction.one_layer.by_decoding import Found, Search
from divulge.reconstruction.one_layer.by_gradients_alone import GradientSearch
from divulge.reconstruction.one_layer.by_values import ValueSearch
from divulge.reconstruction.one_layer.combine_outputs import merged, row_errors, sharpened_rows
from divulge.reconstruction.one_layer.kink_by_kink import certified_search
from divulge.reconstruction.one_layer.other_outputs import solve_output
from divulge.reconstruction.one_layer.under_noise import circle_search
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import CIRCLES, ONE_LAYER

Array = NDArray[np.float64]


class OneLayer:
    """What is known of a hidden layer, grown output by output.

    Attributes:
        layer: the units and what every output so far makes of them; None before the first is solved.
        errors: angle by which noise may have turned every row, shape (h,).
        certificate: largest relative residual on fresh queries.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.layer: Layer | None = None
        self.errors: Array = np.empty(0)
        self.latest: Fit | None = None
        self.certificate = np.inf

    @property
    def transcripts(self) -> list[Transcript]:
        """The answers about the outputs so far."""
        return list(self.session.transcripts.values())

    @property
    def tolerance(self) -> float:
        """Relative residual that counts as rounding."""
        return self.session.tolerances.rounding

    @property
    def missing_unit(self) -> float:
        """Relative error of another output's gradient from which on a unit must be missing there."""
        return self.session.tolerances.missing

    def first_output(self) -> bool:
        """Find the hidden units behind the oracle's own output; return whether everything is explained."""
        session = self.session
        transcript = session.transcript(session.oracle.output)
        if not isinstance(transcript, ValueTranscript):  # that has measured it
            session.notes += filter(None, [measure_noise(transcript, session.lines)])
        found = self.search(transcript, session.lines)
        fit = found.fit
        single = transcript.tolerances.single and not transcript.noisy
        if found.solved and single and session.has_both():
            fit = sharpened(transcript, fit, lambda _: self.tell("offsets", fit))
        self.layer = Layer.from_fit(fit)
        self.errors = row_errors(transcript, self.layer.weights[0])
        self.certificate = found.certificate
        return found.solved

    def next_output(self, output: int) -> bool:
        """Solve for one more output; search again only where it shows units that no other output did."""
        assert self.layer is not None
        transcript = self.session.transcript(output)
        if self.session.first.drowned:  # many answers in place of sharp ones
            transcript.ask(
                CIRCLES.radius * self.session.lines.samples(ONE_LAYER.averaged * (1 + len(self.layer)))
            )
        fit, rows = solve_output(self.layer, transcript, self.seen(), self.session.lines)
        self.tell("output weights", fit)
        if fit.slope_residual(transcript, rows) <= self.missing_unit:
            self.layer = self.layer.with_output(fit)
            self.certificate = max(self.certificate, fit.residual(transcript, rows))
            return True
        found = self.search(transcript, self.session.new_lines())
        self.certificate = max(self.certificate, found.certificate)
        more = Layer.from_fit(found.fit)
        errors = row_errors(transcript, more.weights[0])
        self.layer, self.errors = merged(self.layer, self.errors, more, errors)
        return found.solved and self.solve_all()

    def search(self, transcript: Transcript, lines: Lines) -> Found:
        """Search by decoding, then, where its assumptions do not hold, kink by kink."""

        def report(fit: Fit) -> None:
            self.tell("hidden units", fit)

        if transcript.drowned:
            return self.circle(transcript, lines, report)
        if isinstance(transcript, ValueTranscript):
            return ValueSearch(transcript, lines, report).run()
        if not self.session.oracle.has_values:
            return GradientSearch(transcript, lines, report).run()
        search = Search(transcript, lines, report)
        found = search.run()
        if found.solved and transcript.noisy:
            found = self.reread(transcript, found)
        if found.solved or search.deeper:
            return found
        if transcript.tolerances.single and search.span.rank < lines.input_size // 2:
            return GradientSearch(transcript, self.session.new_lines(), report).run()
        fit, certificate = certified_search(transcript, lines, self.tolerance)
        report(fit)
        return Found(fit, certificate, solved=certificate <= self.tolerance)

    def circle(self, transcript: Transcript, lines: Lines, report: Callable[[Fit], None]) -> Found:
        """Search on circles where noise drowns single answers.

        Raises:
            NotPiecewiseLinear: what is found explains next to nothing.
        """
        lines.add_line()  # for what is asked about other outputs
        circled = circle_search(transcript, lines)
        report(circled.fit)
        if circled.explained < CIRCLES.explained:
            raise NotPiecewiseLinear(
                f"the answers are too noisy: {len(circled.fit.units)} units were found in "
                f"{len(transcript)} answers, and they explain {circled.explained:.0%} of the gradients"
            )
        if circled.missing:
            self.session.notes.append(
                f"gradients vary by more than noise in {circled.missing} directions that the units found do "
                "not explain: units too small to be told from it, or rounding that repeats itself"
            )
        solved = not circled.missing and circled.certificate <= self.tolerance
        return Found(circled.fit, circled.certificate, solved)

    def reread(self, transcript: Transcript, found: Found) -> Found:
        """Average the noise of a solution out; unsolved where a unit's state cannot be read in the answers.

        A sum of units, or half of one, may pass for a unit under noise: its coordinate is not 0 or 1.
        """
        jumps, base = found.fit.units.jumps[:, :-1], found.fit.base[:-1]
        off = off_binary(transcript, np.arange(len(transcript)), jumps, base)
        if off.max(initial=0.0) > ONE_LAYER.legible:
            return Found(found.fit, np.inf, solved=False)
        return Found(decoded_fit(transcript, jumps, base), found.certificate, solved=True)

    def solve_all(self) -> bool:
        """Ask every output so far how it sees the units of the grown layer."""
        assert self.layer is not None
        for place, transcript in enumerate(self.transcripts):
            fit, rows = solve_output(self.layer, transcript, self.seen(), self.session.lines)
            self.certificate = max(self.certificate, fit.residual(transcript, rows))
            if fit.slope_residual(transcript, rows) > self.missing_unit:
                return False
            self.layer.weights[place], self.layer.base[place] = self.layer.weights_of(fit), fit.base
        if self.transcripts[0].noisy:
            self.reread_weights()
        return True

    def sharpen(self) -> None:
        """Ask about rows that the output they were found on shows bluntly, where another shows them well."""
        assert self.layer is not None
        self.layer = sharpened_rows(self.layer, self.errors, self.transcripts, self.session.lines)
        self.reread_weights()

    def reread_weights(self) -> None:
        """Solve for all weights with states as the answers show them, not as blunt hyperplanes predict."""
        assert self.layer is not None
        for place, transcript in enumerate(self.transcripts):
            self.layer.weights[place], self.layer.base[place] = reread(self.layer, place, transcript)

    def check(self, layer: Layer) -> float:
        """Return the largest relative residual of a finished layer on fresh queries about every output.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        worst = 0.0
        for place, transcript in enumerate(self.transcripts):
            rows = transcript.ask(self.session.lines.samples(ONE_LAYER.checks))
            worst = max(worst, layer.fit(place).residual(transcript, rows))
        return worst

    def seen(self) -> Array:
        """Return every point asked about, with a 1 appended, whichever output it was asked of."""
        return np.concatenate([transcript.points for transcript in self.transcripts])

    def tell(self, stage: str, fit: Fit) -> None:
        """Report progress."""
        self.latest = fit
        if self.session.progress is None:
            return
        layer, outputs = self.layer or Layer.from_fit(fit), list(self.session.transcripts)

        def copy() -> nn.Sequential:
            orientation = orient(layer, self.tolerance)
            ordered = self.session.in_order(orientation.layer, outputs)
            return ordered.module(self.session.oracle.dtype, orientation.slope)

        self.session.tell(stage, len(layer), copy)

    def settle_for(self, fit: Fit | None) -> None:
        """Take what was known of the first output when the search for it was cut short."""
        self.certificate = np.inf  # what was not reached was not checked
        if self.layer is None:
            size = self.session.oracle.input_size
            nothing = Fit(Units.none(size), np.zeros(size + 1), np.inf)
            self.layer = Layer.from_fit(fit or self.latest or nothing)
