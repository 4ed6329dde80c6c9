"""Units of a deeper layer among those of one: they show on one side only of a unit that they read.

A unit of a layer has one row over the features before, wherever its hyperplane is met. A unit of the layer
behind has such a row, too, but only while the states of this layer stay: beyond the hyperplane of a unit that
it reads it is another one, and where it was predicted there is no kink. In a narrow layer states stay over
much of what is looked at, so that a few random places do not tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.confirm import at
from divulge.reconstruction.deep.evidence import places
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import ONE_SIDED


@dataclass(frozen=True)
class Asked:
    """Where a unit was looked for.

    Attributes:
        features: of the layer before at the places, shape (n, p).
        shown: at which of them it shows, shape (n,).
    """

    features: Array
    shown: Mask


class OneSided:
    """Remembers where the units of a layer were looked for, and tells which are of a deeper one.

    Args:
        probe: whom to ask.
        lines: where places are drawn.
    """

    def __init__(self, probe: Probe, lines: Lines) -> None:
        self.probe = probe
        self.lines = lines
        self.asked: dict[tuple[tuple[Dense, ...], bytes], Asked] = {}

    def deeper(self, prefix: Prefix, units: Candidates) -> Mask:
        """Return which units, shape (c,), are of a deeper layer.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        found = np.zeros(len(units), bool)
        for own in range(len(units)):
            asked = self.places_of(prefix, units.take(np.array([own])))
            if asked.shown.all():
                continue
            sides = asked.features @ units.rows.T + units.offsets > 0
            sides[:, own] = False
            nowhere = len(asked.shown) >= ONE_SIDED.enough_places and not asked.shown.any()
            found[own] = nowhere or any(one_sided(asked.shown, side) for side in sides.T)
        return found

    def places_of(self, prefix: Prefix, unit: Candidates) -> Asked:
        """Look for one unit at a few places, at more of them where it is missing at one."""
        row = np.append(unit.rows[0], unit.offsets[0])
        row *= np.sign(row[np.argmax(np.abs(unit.rows[0]))])
        key = (tuple(prefix.layers), np.round(row, ONE_SIDED.decimals).tobytes())
        if key not in self.asked:
            asked = self.look(prefix, unit, ONE_SIDED.first_places)
            if not asked.shown.all():
                asked = self.look(prefix, unit, ONE_SIDED.places)
            self.asked[key] = asked
        return self.asked[key]

    def look(self, prefix: Prefix, unit: Candidates, most: int) -> Asked:
        """Look for one unit at up to so many places."""
        which, points = places(prefix, unit, self.lines, most)
        return Asked(prefix.features(points), at(self.probe, prefix, unit, which, points))


def one_sided(shown: Mask, side: Mask) -> bool:
    """Whether what shows, shape (n,), is all on one side, and that is no chance."""
    for other in (side, ~side):
        if not (shown & other).any():
            # that of so many places, drawn at random, none is on the other side
            count, missed = len(shown), len(shown) - int(shown.sum())
            chance = comb(missed, int(other.sum())) / comb(count, int(other.sum()))
            if chance < ONE_SIDED.chance:
                return True
    return False
