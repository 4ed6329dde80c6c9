"""The units of the second layer as those of an only one over positive features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Edges, Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.stopped import Stopped
from divulge.reconstruction.deep.candidates import Candidates, joined
from divulge.reconstruction.deep.positive_features import FeatureOutput, PositiveLines, lines_among
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.rows_by_all_outputs import AskedOfAll, rows_by_all_outputs
from divulge.reconstruction.deep.rows_by_kinks import RowsByKinks
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.by_decoding import DecodingSearch
from divulge.reconstruction.one_layer.decoding import Residual
from divulge.reconstruction.one_layer.kink_by_kink import unlike
from divulge.reconstruction.settings import ALL_OUTPUTS, POSITIVE


class PositiveSearch(DecodingSearch):
    """Decodes among positive features, of which there may be as many as units."""

    lines: PositiveLines
    cut_share = POSITIVE.cut_share
    told = False  # whether the span test has ever told units apart

    def decode(self) -> Residual:
        """Explain the answers as far as they can be."""
        residual = super().decode()
        self.told |= self.exact
        return residual

    def scattered(self) -> Array:
        """Return a point beside every axis, and others: a copy must explain every unit that is ever on."""
        axes = self.lines.axes() if not len(self.transcript) else np.empty((0, self.lines.input_size))
        return np.concatenate([axes, super().scattered()])

    def begin_with(self, free: FreeLayer, asked: AskedOfAll) -> None:
        """Take what was answered beside the axes, of the first output, as asked by this search."""
        pieces, features = asked.over_features(free)[0], free.layer.levels(asked.points)
        values = np.einsum("nd,nd->n", pieces[:, :-1], features) + pieces[:, -1]
        self.transcript.add(features, values, pieces[:, :-1])

    def reached(self, residual: Residual) -> tuple[int, ...]:
        """Return how far the search has come: the span is complete from the start."""
        links, rank, certified, exact, units = super().reached(residual)
        return links, rank, exact, units, certified

    def worth_cutting(self, edges: Edges, live: Index) -> Index:
        """Return the open edges of any line that are not short: elsewhere their units lie further apart."""
        return live[(edges.high - edges.low)[live] > POSITIVE.short]

    def doubtful_from(self) -> int:
        """Return after how many answers to ask for deeper layers: few more certify kinks by then."""
        return POSITIVE.doubtful * self.transcript.input_size + POSITIVE.more_answers

    def too_many(self) -> bool:
        """Whether decoding is in vain: more units than features, or ones of all strengths."""
        enough = POSITIVE.answers * self.transcript.input_size + POSITIVE.more_answers
        return not self.told and len(self.transcript) > enough


def whole_rows_by_all(
    probe: Probe, free: FreeLayer, lines: Lines, others: Sequence[Probe]
) -> tuple[Candidates | None, AskedOfAll | None]:
    """Find the units of the second layer where it is the last, by all outputs where answers hold them.

    Args:
        probe: whom to ask, the first output.
        free: the first layer.
        lines: of the inputs; its random numbers are used.
        others: the outputs that an answer of the first holds, too.

    Returns:
        The units, None where it is not the last, and what all outputs answered beside the axes of features.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if not others:
        return whole_rows(probe, free, lines), None
    positive = lines_among(free, probe, lines)
    features = np.concatenate([positive.axes(), positive.samples(ALL_OUTPUTS.more)])
    asked = AskedOfAll.of(probe, others, free.points(features))
    units = rows_by_all_outputs(features, asked.over_features(free), lines.rng)
    if units is None:
        return whole_rows(probe, free, lines, asked), asked
    return candidates(free, units, on_hyperplanes(units, positive)), asked


def whole_rows(
    probe: Probe, free: FreeLayer, lines: Lines, begun: AskedOfAll | None = None
) -> Candidates | None:
    """Find the units of the second layer where it is the last, or return None.

    Args:
        probe: whom to ask.
        free: the first layer.
        lines: of the inputs; its random numbers are used.
        begun: what was answered beside the axes of features, if it was.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if probe.bends_are_cheap:
        return None
    transcript = Transcript(FeatureOutput(probe, free))
    positive = lines_among(free, probe, lines)
    search = PositiveSearch(transcript, positive, lambda fit: None)
    if begun is not None:
        search.begin_with(free, begun)
    found = search.run()
    if found.stopped:
        raise Stopped(found.stopped)
    if found.deeper:
        return None
    if found.solved:
        return candidates(free, found.fit.units, on_hyperplanes(found.fit.units, positive))
    kinks = RowsByKinks(transcript, positive)
    units = kinks.run()
    return None if units is None else candidates(free, units, kinks.places)


def more_rows(probe: Probe, free: FreeLayer, lines: Lines, known: Candidates) -> Candidates | None:
    """Add units of the second layer that another output shows to those known; None where it shows no others.

    Of a unit that it shows better than the first did, the row is replaced.

    Args:
        probe: of that output.
        free: the first layer.
        lines: of the inputs; its random numbers are used.
        known: the second layer's units found so far.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    positive = lines_among(free, probe, lines)
    search = RowsByKinks(Transcript(FeatureOutput(probe, free)), positive)
    search.transcript.ask(positive.axes())
    sharper, twin = search.begin_with(known.rows, known.offsets, free.layer.levels(known.points))
    begun, units = len(search.units), search.run()
    if units is None:
        return None
    new = np.arange(begun, len(units))
    if not (len(new) or twin.any() or (sharper != hyperplanes(known).jumps).any()):
        return None
    known = replace(known, rows=sharper[:, :-1], offsets=sharper[:, -1]).take(np.flatnonzero(~twin))
    more = candidates(free, units.take(new), search.places[new])
    return joined(known.take(unlike(hyperplanes(more), hyperplanes(known), probe.tolerances.alike)), more)


def hyperplanes(of: Candidates) -> Units:
    """Return whole rows and offsets, sides open."""
    return Units(np.column_stack([of.rows, of.offsets]), np.ones(len(of)))


def on_hyperplanes(units: Units, lines: PositiveLines) -> Array:
    """Return a place on each unit's hyperplane, shape (c, h), the origin's foot where none is found."""
    slopes = units.jumps[:, :-1]
    points = -(units.jumps[:, -1] / np.einsum("nd,nd->n", slopes, slopes))[:, None] * slopes
    return np.asarray(lines.on_hyperplanes(points, slopes, 1)[0])


def candidates(free: FreeLayer, units: Units, places: Array) -> Candidates:
    """Return units as those of the second layer, all of their rows known."""
    jumps = units.jumps / np.linalg.norm(units.jumps[:, :-1], axis=1, keepdims=True)
    rows, offsets = jumps[:, :-1], jumps[:, -1]
    members = np.full(len(rows), 2, np.intp)
    return Candidates(rows, np.ones(rows.shape, bool), offsets, members, free.points(places))
