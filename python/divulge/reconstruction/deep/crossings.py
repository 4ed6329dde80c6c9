"""Which of two units reads the other, told where their hyperplanes meet.

Where a unit of a deeper layer reads another one its hyperplane bends at that one's, so that it shows where it
was predicted on one side only. Of two units of one layer both go straight on. Places where hyperplanes meet
are found through the known layers, and cost eight queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.cells import drawn
from divulge.reconstruction.deep.evidence import on_hyperplane
from divulge.reconstruction.deep.hyperplane_queries import (
    levels_and_slopes,
    nearness,
    onto_two,
    orthogonal_to,
    unit_vectors,
)
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import BENDS, MEETINGS

Key = tuple[tuple[Dense, ...], bytes, bytes]


@dataclass
class Seen:
    """How often one unit showed where it meets another.

    Attributes:
        both: places at which it showed on both sides of the other's hyperplane.
        one: places at which it showed on one side alone.
        asked: places that were looked for.
    """

    both: int = 0
    one: int = 0
    asked: int = 0

    @property
    def bends(self) -> bool:
        """Whether it reads the other."""
        return self.one >= MEETINGS.one_sided and not self.both


class Crossings:
    """Remembers where hyperplanes of a layer's candidates meet, and who went on.

    Args:
        probe: whom to ask.
        lines: its random numbers are used.
    """

    def __init__(self, probe: Probe, lines: Lines) -> None:
        self.probe = probe
        self.lines = lines
        self.seen: dict[Key, Seen] = {}

    def deeper(self, prefix: Prefix, free: FreeLayer, units: Candidates) -> Mask:
        """Return which units, shape (c,), read another one of them.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        names = [name(row, offset) for row, offset in zip(units.rows, units.offsets, strict=True)]
        for places in range(1, MEETINGS.places + 1):
            self.look(prefix, free, units, names, places)
        reads = np.zeros((len(units), len(units)), bool)
        for i, j in combinations(range(len(units)), 2):
            one, other = self.of(prefix, names[i], names[j]), self.of(prefix, names[j], names[i])
            reads[i, j] = one.bends and other.both > 0  # both bend where what is behind is off on one side
            reads[j, i] = other.bends and one.both > 0
        return np.asarray(reads.any(axis=1))

    def of(self, prefix: Prefix, own: bytes, other: bytes) -> Seen:
        """Return what was seen of a unit where it meets another."""
        return self.seen.setdefault((tuple(prefix.layers), own, other), Seen())

    def look(
        self, prefix: Prefix, free: FreeLayer, units: Candidates, names: Sequence[bytes], places: int
    ) -> None:
        """Ask at one place more about pairs that were asked about at fewer and are in doubt still."""
        pairs = []
        for i, j in combinations(range(len(units)), 2):
            one, other = self.of(prefix, names[i], names[j]), self.of(prefix, names[j], names[i])
            settled = (one.both or one.bends) and (other.both or other.bends)
            if one.asked < places and not settled:
                pairs.append((i, j))
                one.asked = other.asked = places
        if not pairs:
            return
        which, points = meetings(prefix, free, units, np.array(pairs, np.intp), self.lines)
        first, second = np.array(pairs, np.intp)[which].T
        for own, other in ((first, second), (second, first)):
            for i, j, sides in zip(own, other, self.shown(prefix, units, own, other, points), strict=True):
                seen = self.of(prefix, names[i], names[j])
                seen.both += int(sides.all())
                seen.one += int(sides.sum() == 1)

    def shown(self, prefix: Prefix, units: Candidates, own: Index, other: Index, points: Array) -> Mask:
        """Return on which sides of the others' hyperplanes units show, shape (n, 2)."""
        if not len(points):
            return np.zeros((0, 2), bool)
        normal, edge = prefix.gradients(points, units.rows[own]), prefix.gradients(points, units.rows[other])
        size = nearness(self.probe, points)[:, None]
        along, across = unit_vectors(orthogonal_to(normal, edge)), unit_vectors(orthogonal_to(edge, normal))
        steps = [a * MEETINGS.beside * size * along + b * size * across for a in (-1, 1) for b in (-1, 1)]
        pieces = self.probe.pieces(np.concatenate([points + step for step in steps]))[:, :-1]
        low_off, low_on, high_off, high_on = np.split(pieces, 4)
        return np.stack(
            [self.along(b - a, a, normal) for a, b in ((low_off, low_on), (high_off, high_on))], 1
        )

    def along(self, jumps: Array, before: Array, normals: Array) -> Mask:
        """Return which jumps are more than rounding, and along the normals."""
        direction = unit_vectors(normals)
        own = np.einsum("nd,nd->n", jumps, direction)
        across = np.linalg.norm(jumps - own[:, None] * direction, axis=1)
        size = np.linalg.norm(jumps, axis=1)
        rounding = self.probe.tolerances.rounding * np.linalg.norm(before, axis=1)
        return np.asarray((size > rounding) & (across <= BENDS.crooked * size + rounding))


def name(row: Array, offset: float) -> bytes:
    """Return what names a unit, whichever way it is held."""
    whole = np.append(row, offset)
    whole *= np.sign(whole[np.argmax(np.abs(row))])
    return (np.round(whole, MEETINGS.decimals) + 0.0).tobytes()  # -0.0 is 0.0


def meetings(
    prefix: Prefix, free: FreeLayer, units: Candidates, pairs: Index, lines: Lines
) -> tuple[Index, Array]:
    """Return a random point (d,) where the hyperplanes of two units meet, for each pair that has one.

    Args:
        prefix: the layers before the units.
        free: the first of them.
        units: the candidates.
        pairs: their numbers, shape (n, 2).
        lines: its random numbers are used.

    Returns:
        The numbers of the pairs, and the points.
    """
    pair = np.repeat(np.arange(len(pairs)), MEETINGS.starts)
    a, b = pairs[pair].T
    points = onto_two(
        lambda x: levels_and_slopes(prefix, units.rows[a], units.offsets[a], x),
        lambda x: levels_and_slopes(prefix, units.rows[b], units.offsets[b], x),
        drawn(free, lines.rng, len(pair)),
    )
    good: Mask = np.asarray(np.isfinite(points).all(axis=1))
    points[~good] = 0.0
    for own in (a, b):
        good &= on_hyperplane(prefix, units.rows[own], units.offsets[own], points)
        good &= ~(prefix.masks(points) & ~units.known[own]).any(axis=1)
    found = np.flatnonzero(good)
    which, first = np.unique(pair[found], return_index=True)
    return which, points[found[first]]
