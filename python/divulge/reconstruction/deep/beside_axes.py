"""Answers of the other outputs beside the axes of the first layer's features: they show what the first hides.

Every unit of the second layer that is ever on is on at one of these points, and the search has asked the
first output at all of them. A unit to which that output gives no weight shows behind another alone. Where a
copy has weights of about 0 any unit may be hidden from any output, and all are asked at all points, as few
outputs always are. Elsewhere that would be a half more queries for a classifier of ten outputs; each point is
asked of as many as an eighth of the search pays for, of one at least. An answer that shows a hidden unit
makes its weight one of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.positive_features import lines_among
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.rows_by_all_outputs import AskedOfAll
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LAYERS, TINY, WEAK_UNITS


class BesideAxes:
    """What the other outputs answer beside the axes, asked as far as a copy's weights demand.

    Args:
        probes: of each output.
        outputs: in the order of a copy's, the first one searched already.
        points: beside the axes, shape (n, d).
    """

    def __init__(self, probes: Callable[[int], Probe], outputs: Sequence[int], points: Array) -> None:
        self.probes = probes
        self.outputs = outputs
        self.points = points
        self.asked: dict[int, tuple[Index, Array]] = {}  # by place: at which points, and the pieces there

    @classmethod
    def of(
        cls, probes: Callable[[int], Probe], outputs: Sequence[int], prefix: Prefix, lines: Lines
    ) -> BesideAxes:
        """Draw the points, none where features cannot be chosen."""
        free = FreeLayer.of(prefix, lines.domain, lines.samples(LAYERS.samples))
        none = np.empty((0, lines.input_size))
        points = none if free is None else free.points(lines_among(free, probes(outputs[0]), lines).axes())
        return cls(probes, outputs, points)

    @classmethod
    def answered(
        cls, probes: Callable[[int], Probe], outputs: Sequence[int], asked: AskedOfAll
    ) -> BesideAxes:
        """Take what all outputs answered beside the axes as asked."""
        axes, every = cls(probes, outputs, asked.points), np.arange(len(asked.points))
        axes.asked = {place: (every, asked.pieces[place]) for place in range(1, len(outputs))}
        return axes

    @property
    def left_out(self) -> float:
        """Share of all pairs of a point and another output that was not asked."""
        pairs = len(self.points) * (len(self.outputs) - 1)
        return 1 - sum(len(rows) for rows, _ in self.asked.values()) / pairs if pairs else 0.0

    def off(self, model: DeepModel) -> Array:
        """Return how far a copy is off at them behind each output, 0 behind the first, shape (outputs,).

        Raises:
            Stopped: an oracle can be asked no further.
        """
        off, others = np.zeros(len(self.outputs)), len(self.outputs) - 1
        cheap = self.first.all_at_once or len(self.outputs) <= WEAK_UNITS.few_outputs
        each = others if cheap or may_hide(model) else self.affordable()
        for place in range(1, len(self.outputs)):
            self.ask(place, self.turns(place, each))
            rows, pieces = self.asked[place]
            off[place] = model.residual(self.points[rows], pieces, place)
        return off

    @property
    def first(self) -> Probe:
        """What asks the output that was searched."""
        return self.probes(self.outputs[0])

    def affordable(self) -> int:
        """Return of how many outputs each point is asked where none is likely to hide a unit."""
        pays = WEAK_UNITS.share * len(self.first.answered()[0])
        return max(1, round(pays / max(len(self.points), 1)))

    def turns(self, place: int, each: int) -> Index:
        """Return at which points the output at a place is asked where so many are asked at each."""
        others = len(self.outputs) - 1
        return np.flatnonzero((place - 1 - np.arange(len(self.points))) % others < each)

    def told(self, place: int, wanted: Index) -> Array:
        """Return the pieces of an output at the points wanted, asked where they were not before."""
        self.ask(place, wanted)
        rows, pieces = self.asked[place]
        order = np.argsort(rows)
        return np.asarray(pieces[order[np.searchsorted(rows, wanted, sorter=order)]])

    def ask(self, place: int, wanted: Index) -> None:
        """Ask an output at the points wanted where it was not asked before."""
        size = self.points.shape[1]
        rows, pieces = self.asked.get(place, (np.empty(0, np.intp), np.empty((0, size + 1))))
        more = np.setdiff1d(wanted, rows)
        if len(more):
            told = self.probes(self.outputs[place]).pieces(self.points[more])
            rows, pieces = np.append(rows, more), np.concatenate([pieces, told])
        self.asked[place] = rows, pieces


def may_hide(model: DeepModel) -> bool:
    """Whether some output gives a unit so little weight that it may hide others altogether.

    The first one's weights show it sooner: units that it weighs little are those that it was searched for.
    """
    weights = np.abs(model.layer.weights)
    shares = weights / np.maximum(weights.max(axis=1, initial=0.0, keepdims=True), TINY)
    least = shares.min(axis=1, initial=np.inf)
    return bool(least[0] < WEAK_UNITS.hidden or least.min() < WEAK_UNITS.unused)
