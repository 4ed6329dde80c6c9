"""Numbers of the search through many layers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayersSettings:
    """Layer after layer: deep/layer_by_layer.py."""

    # searched at a time: a row counts once it is met twice
    lines: int = 2
    # from which usual sizes are taken: off by an eighth
    samples: int = 32
    # features from which on whole rows are sought by lines in chosen regions. Half: no change; twice: +1 %
    # queries (deep, 19 of 20 victims whole)
    wide: int = 64
    # relative residual that is put down to single precision: 4,000 roundings
    single_error: float = 5e-4
    # angle and gap of offsets within which two units are one in single precision
    single_alike: float = 0.1
    # a bound
    rounds: int = 40
    # in which nothing was found, and a layer could not be turned. Half: -8 % queries, 18 of 20 whole; twice:
    # no change (deep, 19 of 20 victims whole)
    stuck_rounds: int = 12
    # in which a first layer wider than its input did not grow, before units behind it are followed
    idle_wide: int = 2
    # after a fit that is right but leaves a linear part. Half or twice changes nothing (deep, 20 victims)
    more_rounds: int = 6
    # units of a layer whose states never all agree at two places by chance: 2^-40 if they are independent
    many: int = 40
    # after so many a single kink is not tried again. Half: -8 % queries; twice: -5 % queries (deep, 19 of 20
    # victims whole)
    refusals: int = 2
    # entries two segments must share: the first scales one to the other, the second may agree by chance
    overlap: int = 3
    # where a unit's hyperplane is looked for. Half: -3 % queries; twice: +5 % queries (deep, 19 of 20 victims
    # whole)
    places: int = 5
    # of the places where a unit's hyperplane must show: 3 of 5. Half: +16 % queries (deep, 19 of 20 victims
    # whole)
    hit_share: float = 0.6


@dataclass(frozen=True)
class AttackSettings:
    """All outputs, and the certificate: deep/attack.py."""

    # about each output: a last look, before falsification/ looks for what hides from so few
    fresh_queries: int = 4
    # usual points at which outputs are told whose weights show beside the axes: constants do not show there
    usual_points: int = 4
    # how often the search goes on where such a look finds the first output wrong: two units taken for one
    again: int = 3
    # where units are followed: points beside the worst one, at which a copy was wrong, that are searched from
    more_refuted: int = 9
    # how often units are followed anew behind a first layer no wider than its input: of a trained network of
    # two residual blocks units of two layers were taken for one, with one seed of ten
    followed_again: int = 2


@dataclass(frozen=True)
class ConfirmSettings:
    """Whether a unit shows: deep/confirm.py."""

    # a unit that shows at none of them is asked about no more, eight values a place
    first_places: int = 2


@dataclass(frozen=True)
class EvidenceSettings:
    """What lines say of a unit: deep/evidence.py."""

    # random points from which a unit's hyperplane is sought: some end nowhere. Half: -2 % queries; twice: +12
    # % queries (deep, 19 of 20 victims whole)
    starts: int = 24
    # relative distance that counts as none: Newton's steps end at rounding times a condition, 1e-16 times 1e4
    # or 1e6
    on_plane: float = 1e-10
    # of a box's width, kept from its edges: questions go 1e-5 to 1e-3 of a point's size away
    edge: float = 1e-3


@dataclass(frozen=True)
class HyperplanesSettings:
    """Questions beside a hyperplane: deep/hyperplane_queries.py."""

    # a step a piece that is crossed, and two that converge
    newton_steps: int = 12
    # distance of the two questions, relative to the point's size: rows are known to 1e-9, and 1 in 100 of
    # such steps meets one of 1,000 other kinks
    near: float = 1e-5
    # times that distance, for units met more than once: a weak one's row is blunt, and of ten seeds of
    # 40-20-10-10-1 from values one lacked a unit for that
    wider: tuple[float, ...] = (10.0, 100.0)
    # share of a jump that may lie across normal and bend: rounding, as in `alike`
    crooked: float = 1e-6
    # of these where slopes come from two values each
    slope_crooked: float = 10.0
    # share of that distance taken into the new side of a feature's hyperplane
    tilt: float = 0.05
    # sine^2 of the angle of two hyperplanes that do not meet: of 1e-6
    parallel: float = 1e-12


@dataclass(frozen=True)
class LastLayerSettings:
    """The outputs: deep/last_layer.py."""

    # how often each state of a unit must be seen: twice, and once on the wrong side
    seen: int = 3
    # times as many answers where too few leave a weight open: behind a second layer that is on at 1 in 200
    more: int = 4
    # singular value up to which one is
    open: float = 1e-9
    # how often points are left out where answers are of single precision
    trims: int = 3
    # and from which residual on, in medians: beyond 2 sigma of a normal
    worse: int = 3
    # share of the points that must stay: of a layer that lacks units others are off by all sizes, and what
    # three rounds leave of these may be explained
    kept: float = 0.75
    # answers to whole rows in single precision, each of which holds d equations
    single: int = 96
    # and one more for so many unknowns
    single_share: int = 8
    # relative distance from hyperplanes, as in `alike`
    clearance: float = 1e-6


@dataclass(frozen=True)
class EdgesSettings:
    """Entries where hyperplanes bend: deep/missing_entries/by_edges.py."""

    # times an entry is asked for in vain: of six seeds of 40-20-10-10-1 one that took 2^18 values ends so
    most_vain: int = 4
    # by which a row is told from others: 1e-3 in several entries
    digits: int = 3
    # points from which an edge is sought
    starts: int = 16
    # logarithm of the least share of the way from a kink to a random point
    nearest: float = -3.0
    # each entry known opens ways to others
    rounds: int = 4
    # relative level of a point that lies on a hyperplane: Newton's, of two at once
    on_edge: float = 1e-9


@dataclass(frozen=True)
class LiftingSettings:
    """Whole rows in two questions: deep/missing_entries/by_lifting.py."""

    # relative size of an entry that single precision may have kept down: 2.5e4 roundings
    hidden: float = 3e-3
    # lengths of the step across, in lifts, which move the hyperplane too: 100, and more for weak units
    steps: tuple[float, ...] = (1e2, 1e3, 1e4, 1e4)


@dataclass(frozen=True)
class ProgrammeSettings:
    """Where hyperplanes meet: deep/missing_entries/by_milp.py.

    Entries of rows that no jump showed were off by .05 to .2 before in copies that called themselves
    complete.
    """

    # largest coordinates, in all of R^d: near first, where values are sharp
    reaches: tuple[float, ...] = (10.0, 100.0)
    # of the search tree, after which nothing counts as found
    nodes: int = 1000
    # in the known layers: larger trees seldom end within these nodes
    most_units: int = 100
    # of a box's width, kept from its edges: twice EVIDENCE.edge
    margin: float = 2e-3
    # least distance from other hyperplanes: 1,000 times as far as questions go
    room: float = 1e-2


@dataclass(frozen=True)
class AlwaysOnSettings:
    """A unit that is on everywhere: deep/orientation/beside_always_on.py.

    With these 39 of 40 units of 40-20-10-10-1, seed 0, come out in 35,000 queries; it took 2,000,000
    without.
    """

    # a least-squares problem each
    most_points: int = 1000
    # share of a gradient that no known row explains and that is rounding
    none: float = 1e-8
    # spread of a coefficient, relative to the largest, that counts as none
    fixed: float = 1e-5
    # singular value, relative to the next, of the one row that fits all answers
    gap: float = 1e-4
    # of the points, that a deviation covers: a few lie on the wrong side
    most: float = 0.95
    # points on a side of a unit's hyperplane that can tell: two always lie on one line
    seen: int = 3
    # offset, relative to the largest level seen, at which a unit is on everywhere
    above: float = 30.0


@dataclass(frozen=True)
class CoefficientsSettings:
    """Sides by coefficients: deep/orientation/by_coefficients.py."""

    # of the rows at a point that is asked for signs: leaves 1e-10 of double precision
    worst_condition: float = 1e6


@dataclass(frozen=True)
class WalkingSettings:
    """Sides by following hyperplanes: deep/orientation/by_walking.py."""

    # units that are followed at once: two or three decide the signs of 2 d units
    walkers: int = 4
    # cells each goes through, for every unit of the first layer; it ends when all are seen
    steps_per_unit: int = 12
    # of the inputs: entries that may stay unknown in a row, an equation each
    unseen_share: float = 0.5
    # relative distance from a hyperplane that counts as none
    clear: float = 1e-9
    # share of a way's weight for hyperplanes that were crossed already
    tie: float = 1e-3
    # distance of a solved bit from 0 or 1: errors of the entries, 1e-6, times a condition
    whole: float = 1e-4
    # singular value, relative to the largest, of bits that are left open
    rank: float = 1e-9


@dataclass(frozen=True)
class TurningSettings:
    """Which units to turn over: deep/orientation/choose.py."""

    # that vote: at one a unit may be dead behind the layer
    points: int = 8
    # answers that vote where they cost nothing more, as for the first layer
    answers: int = 1000
    # of which each is the one where rows are told apart best
    draws: int = 64


@dataclass(frozen=True)
class SpansSettings:
    """Sides of layers as wide as those before them: deep/orientation/by_spans.py."""

    # all sides of so many units are tried, 2^units
    most_units: int = 10
    # points drawn, of which those are asked at which most features are active
    draws: int = 8192
    # asked at first: a wrong side is missed at most of them
    points: int = 96
    # in which more is asked while the sides of some units are open
    rounds: int = 6
    # on either side of each of these
    points_more: int = 8
    # as many times the usual distance they are drawn: hyperplanes of large biases lie there
    far: float = 100.0
    # singular value of a slope of unit norm that counts as none
    rank: float = 1e-9
    # level of a unit on everywhere, beside the largest seen
    above: float = 2.0


@dataclass(frozen=True)
class OneSidedSettings:
    """Deeper units among those of a layer: deep/one_sided.py."""

    # looked at first: as many as bear a unit out
    first_places: int = 5
    # and where a unit is missing at one of these
    places: int = 40
    # at which a unit of the layer that is looked at shows at least once: one that has an effect at a third of
    # all places is missed at all of them one time in 700
    enough_places: int = 16
    # that a unit shows on one side of another by chance: with 20 places on each side and 12 that show it is
    # 2e-5
    chance: float = 1e-4
    # to which rows are one: their rounding is finer
    decimals: int = 6


@dataclass(frozen=True)
class PartialRowsSettings:
    """Rows from jumps: deep/partial_rows.py."""

    # jumps solved at once: 64 Jacobians of 256 x 784 are 100 MB
    block: int = 64


@dataclass(frozen=True)
class RegionSearchSettings:
    """Lines in chosen regions: deep/region_search.py.

    A trained 784-256-256-10 classifier comes out whole in 9,182 to 10,122 queries, five seeds; without small
    regions and single points it took 17,641 to 27,352, two seeds of four not at all.
    """

    # at a time, as in LAYERS
    lines: int = 2
    # how often lines are searched
    most_turns: int = 60
    # and how often for nothing, before single points are asked
    idle_turns: int = 3
    # regions asked at a single point
    looks: int = 240
    # of the features that are active in a region: small ones show many units, large ones much of each row
    shares: tuple[float, ...] = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)


@dataclass(frozen=True)
class RegionsSettings:
    """Pre-activations at will: deep/regions.py."""

    # of the layer's rows: inputs of usual levels stay within float range, rounding 1e-11
    worst_condition: float = 1e5
    # of a level, in usual sizes: clear of the hyperplane
    least_level: float = 0.05


@dataclass(frozen=True)
class SearchedLinesSettings:
    """All lines so far: deep/searched_lines.py."""

    # times the farthest sample that a point counts as usual up to
    usual: float = 3.0
    # share of the units, or answers, that must agree on what is taken off
    agree: float = 0.5


@dataclass(frozen=True)
class SharpeningSettings:
    """Offsets in single precision: deep/sharpen_offsets.py."""

    # where every hyperplane is sought again: the median is off only if two are
    places: int = 3
    # half of a segment's length, relative to the point's size: offsets are off by 1e-3
    reach: float = 0.01
    # cosine between a jump and the normal: another unit's is seldom so near
    aligned: float = 0.99


@dataclass(frozen=True)
class SubtractionSettings:
    """What is known is taken off: deep/subtract_known.py."""

    # from which the linear part is taken: a median bears half of them wrong
    answers: int = 256
    # share of a jump of f^ that is left where f has none: rows are that sharp
    cancelled: float = 1e-6
    # of a unit that its weight is read from: the median bears one wrong
    kinks: int = 3
    # relative difference of a unit's weight at two kinks: ten times that
    same: float = 1e-5


LAYERS = LayersSettings()
ATTACK = AttackSettings()
CONFIRM = ConfirmSettings()
EVIDENCE = EvidenceSettings()
HYPERPLANES = HyperplanesSettings()
LAST_LAYER = LastLayerSettings()
EDGES = EdgesSettings()
LIFTING = LiftingSettings()
MILP = ProgrammeSettings()
ALWAYS_ON = AlwaysOnSettings()
COEFFICIENTS = CoefficientsSettings()
WALKING = WalkingSettings()
TURNING = TurningSettings()
SPANS = SpansSettings()
ONE_SIDED = OneSidedSettings()
PARTIAL_ROWS = PartialRowsSettings()
REGION_SEARCH = RegionSearchSettings()
REGIONS = RegionsSettings()
SEARCHED_LINES = SearchedLinesSettings()
SHARPENING = SharpeningSettings()
SUBTRACTION = SubtractionSettings()
