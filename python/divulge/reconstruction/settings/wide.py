"""Numbers of the search behind first layers that are wider than their input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FollowingSettings:
    """A unit that is followed: deep/wide/follow.py, cells.py, equations.py."""

    # share of a combination of entries beyond the equations that counts as none: bends are told to 1e-9
    spanned: float = 1e-7
    # share from which on an equation adds one: below it errors would grow a millionfold
    independent: float = 1e-6
    # what of a single entry's square may lie beyond them
    determined: float = 1e-10
    # growth of a level along a way, relative to the way, that is none
    along: float = 1e-14
    # distance from the origin, in usual ones, up to which a unit is followed: values keep ten digits
    farthest: float = 50.0
    # the same over that of the kink where it is met: some units switch nowhere nearer, on a trained 3-32-32-3
    # one at 68 usual distances and one from 123 on
    further: float = 3.0
    # edges in a row at which no bend was told: a deeper unit's bends where no known unit switches
    patience: int = 3
    # the same once most kinks were found to be deeper units': of 3,176 kinks 2,332 showed no bend at all
    patience_then: int = 1
    # edges of this kind for one at which it was told
    failures: float = 0.3
    # edges of the last known layer in a row without a bend, from the start: an earlier layer's unit has none
    straight: int = 4
    # change of the normal, relative to it, that is none
    flat: float = 1e-7
    # beside the way to the hyperplane that is wanted, so that not always the same cells are met
    noise: float = 0.3
    # random steps within a cell, before one that leaves it
    wanderings: int = 2
    # part of the way across a cell in which they end
    inner: tuple[float, float] = (0.2, 0.8)
    # sine of the angle between an edge's hyperplane and the unit's below which the bend is not told
    parallel: float = 1e-6
    # distances of two answers from the hyperplane, and from the edge, in usual ones: closer where another
    # unit is near, wider where the ways were long
    near: tuple[tuple[float, float], ...] = ((1e-6, 1e-8), (1e-5, 1e-7), (1e-6, 1e-10))


@dataclass(frozen=True)
class WideSidesSettings:
    """Sides from stacked equations: deep/wide/sides.py."""

    # singular value, relative to the largest, of sides that are left open
    rank: float = 1e-8
    # the same of what unknown entries could explain
    blind: float = 1e-10
    # entry, relative to the row, that is no bend
    bend: float = 1e-7
    # units that were seen not to bend at a hyperplane before it is taken for none of the layer
    looks: int = 3
    # 1 - cosine of rows that are parallel: both are known to 1e-9 or so
    parallel: float = 1e-12
    # distance of a solved side from 0 or 1: rounding of the entries, 1e-9, times that rank's condition
    whole: float = 1e-3


@dataclass(frozen=True)
class BesideSettings:
    """Sides beside units that are on everywhere: deep/wide/always_on.py."""

    # units that were followed: with fewer, every part is of low rank
    units: int = 4
    # reweightings: by then the rank has settled
    laps: int = 60
    # by which the floor under singular values falls in each
    shrink: float = 0.7
    # and where it ends
    least: float = 1e-9
    # singular value, relative, of what equations do not see
    blind: float = 1e-9
    # weight of equations that the part beside does not enter
    hard: float = 1e3
    # rows that are looked for
    most: int = 4
    # equations for every unknown of these and of their shares
    over: float = 1.5
    # rounds in which they and their shares are solved by turns
    polish: int = 30
    # residual of what they explain
    enough: float = 1e-7


@dataclass(frozen=True)
class WideLinesSettings:
    """Lines that known units cut: deep/wide/kinks.py, search.py."""

    # a bound
    most: int = 400
    # of the points that lines go through, in usual ones
    scales: tuple[float, ...] = (1.0, 3.0)
    # of lines, in such points: kinks of random hyperplanes are heavy-tailed, nine in ten lie within
    reach: float = 6.0
    # least share of a line that a piece must have to be searched
    least: float = 1e-9
    # share of a piece left out at its ends, where known units switch
    margin: float = 1e-6


@dataclass(frozen=True)
class WideUnitsSettings:
    """Which unit a kink belongs to: deep/wide/units.py."""

    # relative level on a unit's hyperplane, angle of one unit's rows
    near: float = 1e-7
    # relative level that is off a hyperplane for certain: ten thousand times what is on it
    apart: float = 1e-3
    # known entries that two rows must share: one scales them
    overlap: int = 3
    # singular value of what open entries could explain
    free: float = 1e-9


@dataclass(frozen=True)
class OpenEntriesSettings:
    """Entries that no bend told: deep/wide/open_entries.py."""

    # on a feature's hyperplane, of each scale
    points: int = 64
    # the same before a copy is given back: at 5 in 200,000 inputs a random
    # 8-32-32-1 was wrong with 64, at 1 with these
    points_then: int = 16_384
    # in usual ones
    scales: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    # of a segment on which the level vanishes: to rounding
    halvings: int = 48
    # behind a feature's hyperplane, where it is off
    back: float = 1e-9


@dataclass(frozen=True)
class CrossingsSettings:
    """What crossings of known hyperplanes tell of all rows: deep/wide/crossings.py, joint_rows.py."""

    # part of a jump across the hyperplane's normal, relative to the gradients, that is rounding
    crooked: float = 1e-10
    # singular value, relative to all of the matrix, of what no answer tells
    rank: float = 1e-8
    # part of the answers that no entries explain, of which rounding is a millionth
    contradicting: float = 1e-6
    # to which equations are one, and states
    decimals: int = 10
    # share of a level that open entries must make up to count: below it the equations tell
    telling: float = 1e-7
    # part of a wrong answer that one unit's state leaves, and least part of it that open entries leave
    one_unit: tuple[float, float] = (1e-7, 1e-3)


@dataclass(frozen=True)
class MiddleSettings:
    """Open entries from the middle of what states allow: deep/wide/middle.py."""

    # bounds of entries, over the length of what is known of the row, the next one where states need it
    largest: tuple[float, ...] = (3.0, 30.0, 1e3)
    # share of a bound within which the search starts
    inside: float = 0.99
    # level, relative, below which a state is left to rounding: linear programmes are solved to 1e-7
    least: float = 1e-9
    # of Newton's method: a few more than it takes
    steps: int = 40
    # of the fall that a step promises which it must reach
    part: float = 0.1
    # share of a step below which none helps
    shortest: float = 1e-6
    # fall that is none
    enough: float = 1e-3


@dataclass(frozen=True)
class WideLastSettings:
    """The linear part beside the units: deep/wide/last.py."""

    # by then three answers in ten may be wrong
    reweightings: int = 20
    # error below which answers count alike
    least: float = 1e-10
    # to which directions of errors are one
    decimals: int = 3


@dataclass(frozen=True)
class WideSearchSettings:
    """The order of the search: deep/wide/search.py."""

    # lines in a row that show no new unit
    idle: int = 6
    # edges that a unit is followed over, for every feature
    steps: int = 8
    # of fits and searches where they are wrong
    rounds: int = 60
    # answers that are wrong where a layer is missing: of those of units missed a part
    mostly: float = 0.6
    # rounds in which that was so and no unit was met, before a layer more is looked for
    vain: int = 3
    # rounds in a row that win neither an equation nor fewer wrong answers than ever before, after which a
    # search ends: the most seen on a network that was then rebuilt whole is 7
    stuck: int = 12
    # of wrong points and right ones, searched in one round
    pairs: int = 10
    # segments from the centre to points of all scales: states along them choose open entries
    rays: int = 24
    # segments to a unit whose state at the centre is not known
    tries: int = 3
    # distance from the origin, in usual ones, up to which states are looked at where a copy was wrong further
    # out: beyond, slopes hardly change
    farthest: float = 3e4
    # of the points that segments from the centre go to
    ray_scales: tuple[float, ...] = (1.0, 3.0, 10.0, 100.0, 1e4)
    # distance up to which answers count
    reach: float = 1e3
    # of the way from the centre to a unit's hyperplane, so that it is crossed
    beyond: float = 1.01
    # fresh ones in each round, and as many that were asked before
    points: int = 200
    # answers at which a feature is on, of every feature, for the linear part: most may be wrong in some of it
    of_feature: int = 6
    # choices of open entries after each of which wrong answers may tell more states
    laps: int = 12
    # wrong answers that are looked at in each
    at_once: int = 200
    # share of them that must tell one before entries are chosen again
    worth: float = 0.05
    # share of wrong points that are searched from a right point and not from the centre: that shows units
    # missed
    from_right: float = 0.25
    # that many times as many where none of them was wrong
    more: int = 3
    # of one layer, the one before being known better each time: a bound
    attempts: int = 20
    # hidden layers: a bound
    layers: int = 6
    # kinks that no unit explains, over units, from which on deeper layers are there: then lines are dear
    suspicion: float = 2.0
    # lines in a row that show no new unit, then
    idle_then: int = 2
    # the same where units were met on one line alone: one of ACAS Xu's is met on 1 in 15
    idle_rare: int = 8
    # segments from the centre, then
    rays_then: int = 4
    # distance of answers far out along edges, in usual ones
    ends: float = 500.0
    # until so many show no error: units that are on at one input in a thousand are missing till then
    most_points: int = 1800
    # of these, in usual ones
    scales: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0, 100.0, 1e4)


FOLLOWING = FollowingSettings()
WIDE_SIDES = WideSidesSettings()
BESIDE = BesideSettings()
WIDE_LINES = WideLinesSettings()
WIDE_UNITS = WideUnitsSettings()
OPEN_ENTRIES = OpenEntriesSettings()
CROSSINGS = CrossingsSettings()
MIDDLE = MiddleSettings()
WIDE_LAST = WideLastSettings()
WIDE_SEARCH = WideSearchSettings()
