"""Segments from one point, at which the state of every unit is known, and hence along all of them."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.states import Attributed, Searched, attributed, states_along
from divulge.reconstruction.deep.wide.units import Unit


class Star:
    """What is known of states along the segments searched so far.

    Args:
        known: the layers before the units.
        units: the units.
        centre: where segments start whose states are to be known, shape (d,).
        segments: all that were searched.
        deeper: points, as bytes, of kinks of units of later layers.

    Attributes:
        along: the segments all of whose kinks have an owner.
        at_centre: every unit's state there, 0 where it is not known, shape (u,).
    """

    def __init__(
        self,
        known: Known,
        units: list[Unit],
        centre: Array,
        segments: list[Searched],
        deeper: Container[bytes] = (),
    ) -> None:
        self.known, self.units, self.centre = known, units, centre
        found = [attributed(known, units, segment, deeper) for segment in segments]
        self.along = [each for each in found if each is not None]
        self.at_centre = np.zeros(len(units))
        self._states: dict[int, tuple[Array, Array]] = {}
        for number in np.flatnonzero([not unit.whole for unit in units]):
            self.at_centre[number] = self.state_at_centre(int(number))

    def from_centre(self, along: Attributed) -> bool:
        """Whether a segment starts at the centre."""
        return bool(np.array_equal(along.segment.start, self.centre))

    def state_at_centre(self, number: int) -> float:
        """Return a unit's state at the centre, from any segment that starts there."""
        for along in filter(self.from_centre, self.along):
            states = states_along(self.known, self.units[number], number, along, 0.0)
            if len(states) and states[0]:
                return float(states[0])
        return 0.0

    def states(self, number: int) -> tuple[Array, Array]:
        """Return points (n, d) at which a unit's state is known, and the states, +1 or -1, shape (n,)."""
        if number in self._states:
            return self._states[number]
        points, states = [np.empty((0, len(self.centre)))], [np.empty(0)]
        for along in self.along:
            start = self.at_centre[number] if self.from_centre(along) else 0.0
            found = states_along(self.known, self.units[number], number, along, float(start))
            points.append(along.points[found != 0])
            states.append(found[found != 0])
        self._states[number] = np.concatenate(points), np.concatenate(states)
        return self._states[number]

    @property
    def unsettled(self) -> Mask:
        """Which units have open entries and no known state at the centre, shape (u,)."""
        return np.asarray(np.array([not unit.whole for unit in self.units]) & (self.at_centre == 0))
