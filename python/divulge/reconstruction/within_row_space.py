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
from divulge.reconstruction.settings import RANK, ROW_SPACE, TINY


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
    rank = since = 0  # answers since the rank last grew
    while True:
        gradients = transcript.pieces[:, :-1]
        space = RowSpace.of(gradients, RANK)
        missing = len(space) + ROW_SPACE.surplus - different(gradients, transcript.scale)
        if not 0 < len(space) <= most:
            return None
        rank, since = len(space), since if len(space) == rank else 0
        if missing <= 0 or since >= ROW_SPACE.surplus:
            return space
        before = len(transcript)
        ask_between(session.lines, transcript, missing)
        since += len(transcript) - before


def different(gradients: Array, scale: float) -> int:
    """Return how many of gradients (n, d) differ by more than rounding, those next to a kink being alike."""
    direction = np.random.default_rng(0).standard_normal(gradients.shape[1])
    slopes = gradients @ direction / max(scale, TINY)
    return len(np.unique(np.round(slopes, ROW_SPACE.digits)))


def ask_between(lines: Lines, transcript: Transcript, count: int) -> None:
    """Ask at most so many points where answers on the first line are furthest apart.

    All hyperplanes meet a line, and the search goes on there; without one the points are standard normal.
    """
    s = lines.s[lines.nodes(0)] if len(lines.origins) else np.empty(0)
    if len(s) < 2:
        transcript.ask(lines.samples(count))
        return
    widest = np.argsort(-np.diff(s), kind="stable")[:count]
    line, s = np.zeros(len(widest), np.intp), (s[widest] + s[widest + 1]) / 2
    lines.record(transcript.ask(lines.points(line, s)), line, s)


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
        for start, direction in zip(session.lines.origins[:1], session.lines.directions[:1], strict=True):
            u, v = self.inwards(np.stack([start, direction])[:, :-1])
            self.lines.join(np.append(u, 1.0), np.append(u + v, 1.0))  # answers lie on it
        self.transcripts: dict[int, Transcript] = {}
        self.taken: dict[int, int] = {}  # how many answers each of them began with

    def probe(self, output: int) -> Probe:
        """Return what asks an output for kinks and pieces."""
        if self.space is None:
            return self.session.probe(output)
        if output not in self.transcripts:
            self.transcripts[output] = self.inside(self.space, self.session.transcript(output), output)
            self.transcripts[output].beside = self.beside(output)
        return self.session.approach.probe(self.transcripts[output])

    def beside(self, output: int) -> list[Transcript]:
        """Return the records, in the space, of the outputs whose records lie beside one's."""
        first, beside = self.session.transcript(output), []
        for number, record in self.session.transcripts.items():
            if any(record is each for each in first.beside):
                self.probe(number)
                beside.append(self.transcripts[number])
        return beside

    def inside(self, space: RowSpace, transcript: Transcript, output: int) -> Transcript:
        """Return the record of an output in the space, with what was answered before."""
        asked = RowSpaceOutput(self.session.asked(output), space, transcript.scale)
        found = self.session.approach.transcript(asked, self.lines)
        found.take_noise(transcript)
        self.taken[output] = len(transcript)
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
        self.hand_back()
        space = self.space.grown(gradients)
        pays = len(space) <= ROW_SPACE.share * self.session.input_size
        return Within(self.session, space if pays else None)

    def hand_back(self) -> None:
        """Give the session's records what was asked in the space."""
        assert self.space is not None
        for output, inside in self.transcripts.items():
            record = self.session.transcript(output)
            rows = np.arange(self.taken[output], len(inside))
            points, gradients = inside.points[rows, :-1], inside.pieces[rows, :-1]
            told = inside.told(rows) if inside.tells_values else None
            record.add(self.space.points(points), told, self.space.points(gradients))
            assert isinstance(inside.asked, RowSpaceOutput)
            if inside.asked.unread is not None:
                record.add(*inside.asked.unread)

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
