"""The units of the second layer as those of an only one over positive features."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.positive_features import FeatureOutput, PositiveLines
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.one_layer.by_decoding import DecodingSearch
from divulge.reconstruction.one_layer.decoding import Residual
from divulge.reconstruction.settings import LINE, POSITIVE


class PositiveSearch(DecodingSearch):
    """Decodes among positive features, of which there may be as many as units."""

    lines: PositiveLines

    def scattered(self) -> Array:
        """Return a point beside every axis, and others: a copy must explain every unit that is ever on."""
        return np.concatenate([self.lines.axes(), super().scattered()])

    def reached(self, residual: Residual) -> tuple[int, ...]:
        """Return how far the search has come: the span is complete from the start."""
        links, rank, certified, exact, units = super().reached(residual)
        return links, rank, exact, units, certified

    def worth_cutting(self, edges: Edges, live: Index) -> Index:
        """Return the open edges of any line that are not short: elsewhere their units lie further apart."""
        return live[(edges.high - edges.low)[live] > POSITIVE.short]

    def doubtful_from(self) -> int:
        """Return after how many answers to ask for deeper layers: kinks are then certified with a few more."""
        return POSITIVE.doubtful * self.transcript.input_size + POSITIVE.more_answers

    def too_many(self) -> bool:
        """Whether answers enough for as many units as features were decoded in vain."""
        enough = POSITIVE.answers * self.transcript.input_size + POSITIVE.more_answers
        return super().too_many() and len(self.transcript) > enough


def whole_rows(probe: Probe, free: FreeLayer, lines: Lines) -> Candidates | None:
    """Find the units of the second layer where it is the last, or return None.

    Args:
        probe: whom to ask.
        free: the first layer.
        lines: of the inputs; its random numbers are used.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if probe.rounded or probe.bends_are_cheap or lines.reach < LINE.reach:
        return None  # answers too blunt far out, a gradient too dear, or points out of reach
    transcript = Transcript(FeatureOutput(probe, free))
    found = PositiveSearch(transcript, PositiveLines(free, lines.rng), lambda fit: None).run()
    if found.stopped:
        raise Stopped(found.stopped)
    if not found.solved:
        return None
    layer = Layer.from_fit(found.fit)
    rows, offsets = layer.rows[:, :-1], layer.rows[:, -1]
    points = free.points(np.zeros(rows.shape))
    return Candidates(rows, np.ones(rows.shape, bool), offsets, np.full(len(rows), 2, np.intp), points)
