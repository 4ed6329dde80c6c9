"""Numbers of the search for narrow layers in cells of the known ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CellsSettings:
    """Cells of the known layers: deep/cells.py, deep/cell_walks.py."""

    # rounds that leave answers unexplained before cells are searched: most random networks of two and three
    # layers are explained by then
    after_rounds: int = 3
    # points drawn, of which those are taken at which most features are on
    draws: int = 8192
    # share of the first layer's units that is off at a point
    off: tuple[float, ...] = (0.0, 0.0, 0.1, 0.3)
    # features that may be off for the sake of cells of many kinds
    any_of: float = 3.0
    # of t, either way
    reach: float = 100.0
    # share of a cell's length between the two answers near its ends: hyperplanes are known to 1e-12, and a
    # kink that hides in what is left is one in 10,000
    within: float = 0.9999
    # cells on either side of the one that a line starts in
    each_way: int = 4
    # searched at a time
    lines: int = 4
    # how often an interval is cut
    cuts: int = 24
    # distance from where tangents cross of the two answers that bear a kink out
    beside: float = 1e-8
    # of an interval's length at most
    part: float = 0.01
    # in which no more is found
    idle_turns: int = 2
    # a bound
    most_turns: int = 30
    # of a point that is moved within its cell
    steps: int = 16
    # part of a step's direction that is drawn, beside that to another point
    astray: float = 0.3
    # relative step along which levels are told to grow
    small: float = 1e-7
    # points that are moved, to see each unit on and off
    strewn: int = 2048
    # of these that are asked about a layer's sides
    sides: int = 64
    # segments on which a unit that seems to be on everywhere is looked for
    aimed: int = 4
    # times as far as usual every other one of these begins
    far: float = 1e3


@dataclass(frozen=True)
class MeetingsSettings:
    """Where hyperplanes of a layer's candidates meet: deep/crossings.py."""

    # points from which a meeting is sought
    starts: int = 16
    # at which a pair is looked at that one place leaves in doubt
    places: int = 6
    # of these at which a unit shows on one side only: at one what is behind may be off
    one_sided: int = 3
    # distance from the other's hyperplane, in steps across the own one
    beside: float = 3.0
    # to which rows are one: their rounding is finer
    decimals: int = 6


@dataclass(frozen=True)
class LaterSettings:
    """Sides from how later units bend: deep/orientation/by_bends.py, deep/cell_edges.py."""

    # kinks of later units that are looked at: a dozen tell seven sides
    kinks: int = 24
    # and so many for each feature, and for each side of a unit
    each: int = 6
    # kinks without which nothing is told
    least: int = 4
    # from beside a unit's kink to hyperplanes of others, that are drawn
    ways: int = 64
    # that show the same features, where several rows are on everywhere
    together: int = 6
    # times as many lines as before after which later units are asked again
    again: float = 1.5
    # states of a layer's units that are looked at in a kink's cell
    states: int = 6
    # equations to a unit that right sides must fulfil: each lets one wrong choice in 10^6 pass
    equations: int = 3
    # share of a unit's row, of the later row, that counts as none
    straight: float = 1e-6
    # angle between the shares of one later unit: rows and shares are known to 1e-9
    alike: float = 1e-5
    # rows on everywhere: of 8 units trained on MNIST at most two were
    most_beside: int = 2
    # singular value of rows of unit norm that leaves shares open
    rank: float = 1e-6
    # relative step at which Gauss-Newton ends: rounding
    step: float = 1e-14
    # a bound
    steps: int = 40
    # singular value, relative to the largest, of a row that is not told
    gap: float = 1e-5
    # error of an entry, of the later row
    off: float = 1e-6
    # of an entry that no kink shows, in what keeps its unit in one state at all points seen
    beyond: float = 2.0
    # distance of a place from other hyperplanes, for its size: 100 times as far as questions go
    clear: float = 1e-3


@dataclass(frozen=True)
class JointSettings:
    """Rows that several kinks show together: deep/joint_kinks.py."""

    # that are looked at, the latest: 560 threes
    kinks: int = 16
    # kinks that may tell a row
    together: tuple[int, ...] = (2, 3)
    # of one unit, at least: one more than tell the row
    members: int = 3
    # singular value of a Jacobian, relative to the largest, of a direction in which features do not change
    rank: float = 1e-7
    # singular value of equations of unit norm that leaves a row open
    gap: float = 1e-3


CELLS = CellsSettings()
MEETINGS = MeetingsSettings()
LATER = LaterSettings()
JOINT = JointSettings()
