"""Where the search through many layers asks: in all inputs, or in the few combinations of them that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.row_space import RowSpace, RowSpaceOutput
from divulge.reconstruction.deep.attack import DeepResult
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import RANK, ROW_SPACE


def row_space_of(session: Session) -> RowSpace | None:
    """Return the span of the first output's gradients, or None where it is no smaller than pays.

    Only exact gradients tell a span, and only where inputs are not confined can it be moved along freely.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    transcript, most = session.transcript(session.outputs[0]), ROW_SPACE.share * session.input_size
    if session.domain is not None or not session.approach.tells_both:
        return None
    if transcript.noisy or transcript.tolerances.single:
        return None
    while True:
        space = RowSpace.of(transcript.pieces[:, :-1], RANK)
        missing = len(space) + ROW_SPACE.surplus - len(transcript)
        if not 0 < len(space) <= most:
            return None
        if missing <= 0:
            return space
        transcript.ask(session.lines.samples(missing))


class Within:
    """Where the search through many layers asks.

    Args:
        session: the conversation with the oracle.
        space: the combinations of inputs that count, or None where all do.

    Attributes:
        lines: the lines to search.
    """

    def __init__(self, session: Session, space: RowSpace | None) -> None:
        self.session = session
        self.space = space
        size = session.input_size if space is None else len(space)
        self.lines = Lines(size, session.domain, session.lines.rng, session.lines.reach)
        self.transcripts: dict[int, Transcript] = {}

    def probe(self, output: int) -> Probe:
        """Return what asks an output for kinks and pieces."""
        if self.space is None:
            return self.session.probe(output)
        if output not in self.transcripts:
            self.transcripts[output] = self.inside(self.space, self.session.transcript(output), output)
        return self.session.approach.probe(self.transcripts[output])

    def inside(self, space: RowSpace, transcript: Transcript, output: int) -> Transcript:
        """Return the record of an output in the space, with what was answered before."""
        asked = RowSpaceOutput(self.session.asked(output), space, transcript.scale)
        found = self.session.approach.transcript(asked, self.lines)
        found.take_noise(transcript)
        rows = np.arange(len(transcript))
        points, gradients = transcript.points[:, :-1], transcript.pieces[:, :-1]
        if len(rows):
            space.check(gradients, transcript.scale)
            values = transcript.told(rows) if asked.tells_values else None
            found.add(space.inside(points), values, space.inside(gradients))
        return found

    def grown(self, gradients: Array) -> Within:
        """Return where to ask once gradients (n, d) outside were met; in all inputs if it has grown large."""
        assert self.space is not None
        space = self.space.grown(gradients)
        pays = len(space) <= ROW_SPACE.share * self.session.input_size
        return Within(self.session, space if pays else None)

    def inwards(self, points: Array) -> Array:
        """Return points (n, d) as the search has them."""
        return points if self.space is None else self.space.inside(points)

    def check_at(self, points: Array) -> None:
        """Raise OutsideRowSpace where gradients at points (n, d) show that more of the inputs count."""
        if self.space is None:
            return
        for output in self.transcripts:
            pieces = self.session.probe(output).pieces(points)
            self.space.check(pieces[:, :-1], self.session.transcript(output).scale)

    def outwards(self, model: DeepModel) -> DeepModel:
        """Return what the search found over all inputs."""
        return model if self.space is None else self.space.outwards(model)

    def outwards_result(self, found: DeepResult) -> DeepResult:
        """Return a result of the search with its model over all inputs."""
        return replace(found, model=self.outwards(found.model))
