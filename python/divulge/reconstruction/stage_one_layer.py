"""One hidden layer: the search behind the first output, and what the other outputs add to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import Stopped, until_stopped
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.orientation import orient
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.one_layer.average_noise import reread
from divulge.reconstruction.one_layer.combine_outputs import merged, row_errors, sharpened_rows
from divulge.reconstruction.one_layer.other_outputs import solve_output
from divulge.reconstruction.one_layer.search import Found
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import CIRCLES, ONE_LAYER


class OneLayer:
    """What is known of a hidden layer, grown output by output.

    Args:
        session: the conversation with the oracle.
        refuted_at: points (n, d) at which copies found before were wrong; None at first.

    Attributes:
        layer: the units and what every output so far makes of them.
        errors: angle by which noise may have turned every row, shape (h,).
        certificate: largest relative residual on fresh queries.
        solved: whether every answer is explained.
        stopped: whether the search ended before its end.
    """

    def __init__(self, session: Session, refuted_at: Array | None = None) -> None:
        self.session = session
        self.refuted_at = refuted_at
        self.layer = Layer.from_fit(Fit.nothing(session.input_size))
        self.errors: Array = np.empty(0)
        self.certificate = np.inf
        self.solved = self.stopped = False

    @property
    def transcripts(self) -> list[Transcript]:
        """The answers about the outputs solved so far."""
        return list(self.session.transcripts.values())[: len(self.layer.weights)]

    @property
    def tolerance(self) -> float:
        """Relative residual that counts as rounding."""
        return self.session.tolerances.rounding

    @property
    def missing_unit(self) -> float:
        """Relative error of another output's gradient from which on a unit must be missing there."""
        return self.session.tolerances.missing

    @property
    def looks_deeper(self) -> bool:
        """Whether more hidden layers are to be looked for, once one was: what there is to ask allows it."""
        unexplained = not self.solved and not self.stopped
        return unexplained and self.session.approach.tells_values and not self.session.noisy

    def search_first_output(self) -> None:
        """Find the hidden units behind the oracle's own output."""
        self._work("hidden units", self._first_output)

    def solve_other_outputs(self) -> None:
        """Ask the other outputs how they see the units, unless the search was stopped before."""
        if not self.stopped:
            self._work("output weights", self._other_outputs)

    def _work(self, sought: str, work: Callable[[], bool]) -> None:
        """Work until everything is explained or not, or the oracle can be asked no further."""

        def end(why: str) -> bool:
            self.session.stopped(sought, why)
            self.stopped, self.certificate = True, np.inf  # what was not reached was not checked
            return False

        self.solved = until_stopped(work, end)

    def _first_output(self) -> bool:
        """Search; return whether everything is explained."""
        session = self.session
        session.keep_unsaturated()
        transcript = session.transcript(session.outputs[0])
        lines = session.lines if self.refuted_at is None else session.lines.anew()
        found = self.search(transcript, lines)
        fit = found.fit
        if found.solved:
            fit = session.approach.sharpened(transcript, fit, lambda: self.tell("offsets", fit))
        self.layer = Layer.from_fit(fit)
        self.errors = row_errors(transcript, self.layer.weights[0])
        self.certificate = found.certificate
        return found.solved

    def _other_outputs(self) -> bool:
        """Solve for every other output; return whether everything is explained."""
        solved, others = self.solved, self.session.outputs[1:]
        for output in others:
            solved &= self.next_output(output)
        if solved and self.session.noisy and others:
            self.sharpen()
        return solved

    def next_output(self, output: int) -> bool:
        """Solve for one more output; search again only where it shows units that no other output did."""
        transcript = self.session.transcript(output)
        if self.session.drowned:  # many answers in place of sharp ones
            count = ONE_LAYER.averaged * (1 + len(self.layer))
            transcript.ask(CIRCLES.radius * self.session.lines.samples(count))
        fit, rows = solve_output(self.layer, transcript, self.seen(), self.session.lines)
        if self.refuted_at is not None:
            rows = np.append(rows, transcript.ask(self.refuted_at))
        self.tell("output weights", fit)
        if fit.slope_residual(transcript, rows) <= self.missing_unit:
            self.layer = self.layer.with_output(fit)
            self.certificate = max(self.certificate, fit.residual(transcript, rows))
            return True
        known = self.layer, self.errors  # a search that is the first to find units puts them in their place
        found = self.search(transcript, self.session.lines.anew())
        self.certificate = max(self.certificate, found.certificate)
        more = Layer.from_fit(found.fit)
        errors = row_errors(transcript, more.weights[0])
        self.layer, self.errors = merged(*known, more, errors)
        return found.solved and self.solve_all()

    def search(self, transcript: Transcript, lines: Lines) -> Found:
        """Search one output for hidden units.

        Raises:
            Stopped: the oracle can be asked no further; what was found so far of the first layer is kept.
        """
        found = self.session.approach.search(
            transcript, lines, lambda fit: self.tell("hidden units", fit), self.refuted_at
        )
        if found.unexplained:
            self.session.note(NoteKind.NOISE, found.unexplained)
        if not len(self.layer):
            self.layer = Layer.from_fit(found.fit)
        if found.stopped:
            raise Stopped(found.stopped)
        return found

    def solve_all(self) -> bool:
        """Ask every output so far how it sees the units of the grown layer."""
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
        self.layer = sharpened_rows(self.layer, self.errors, self.transcripts, self.session.lines)
        self.reread_weights()

    def reread_weights(self) -> None:
        """Solve for all weights with states as the answers show them, not as blunt hyperplanes predict."""
        for place, transcript in enumerate(self.transcripts):
            self.layer.weights[place], self.layer.base[place] = reread(self.layer, place, transcript)

    def seen(self) -> Array:
        """Return every point asked about, with a 1 appended, whichever output it was asked of."""
        return np.concatenate([transcript.points for transcript in self.session.transcripts.values()])

    def tell(self, stage: str, fit: Fit) -> None:
        """Report progress."""
        layer, outputs = self.layer or Layer.from_fit(fit), list(self.session.transcripts)

        def copy() -> nn.Sequential:
            orientation = orient(layer, self.tolerance)
            ordered = self.session.in_order(orientation.layer, outputs)
            return ordered.module(self.session.dtype, orientation.slope)

        self.session.tell(stage, len(layer), copy)
