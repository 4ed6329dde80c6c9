"""Numbers of how answers are asked for: lines, differences of values, how noisy answers are, checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LineSettings:
    """Lines: asking/lines.py."""

    # walked for t in [-reach, reach]: of kinks spread evenly in arctan t that leaves out 2 / (pi reach), 6 in
    # 10,000, and a digit more costs one of the values at the ends
    reach: float = 1e3


@dataclass(frozen=True)
class ShownOnceSettings:
    """Kinks of a line that one answer shows: asking/kinks_shown_once.py."""

    # answers to begin with, where fewer lie on the line
    first: int = 9
    # distance from a line, relative to that from the origin, at which an answer lies on it: rounding
    on_line: float = 1e-12
    # the same of an answer from an end, arctan and tan between
    at_end: float = 1e-9
    # kinks expected where none was looked for, up to which a kink counts at first. On a trained
    # 784-256-256-10, 443 kinks on a line, 150 answers at hand: 0 takes 1,410 more, .3 takes 980 and lacks 14
    # of 256 units, 1 takes 810 and lacks 34. Once the others are shown from both sides .3 and 3 take as many
    # as 1, or 1 % more
    hidden: float = 1.0
    # relative difference of gradients that is rounding
    same: float = 1e-11
    # rounding of a value, in spacings of its numbers: four products' and sums'
    rounding: float = 4.0
    # of these, from a tangent, at which an answer lies on it
    straight: float = 16.0
    # spacings of numbers that an answer is away from a meeting at least
    spacings: float = 64.0
    # steps from a meeting within which an answer shows it
    beside: float = 8.0
    # spacings of numbers up to which a gap cannot be split
    narrow: float = 4.0
    # other outputs of an answer that holds them all which are looked at: two tell sums of two units from one
    # unless they weigh both alike, three do not for rounding
    others: int = 3
    # part of the gradients that the longest does not span, relative, below which all outputs may see the
    # input through one later unit
    shared: float = 1e-6
    # bend of an output, relative to the sharpest one's, from which on it is asked where it meets
    bent: float = 1e-2
    # steps within which outputs' meetings are one: on a trained 784-256-256-10 8 leave out every third, 1,000
    # none
    together: float = 1e3


@dataclass(frozen=True)
class RowSpaceSettings:
    """Fewer combinations than inputs: asking/row_space.py."""

    # gradients beyond the rank that lie in the span before it is believed: a unit that is on at one point in
    # five is missed at one time in 35, and begins the search again once it is met
    surplus: int = 16
    # to which gradients are compared that may lie in one piece, relative to the largest
    digits: int = 9
    # of the inputs' number, up to which the rank is worth it: half the size of everything that is solved
    share: float = 0.5


@dataclass(frozen=True)
class NoiseFloorSettings:
    """How noisy answers are: asking/noise_floor.py."""

    # relative distance of two queries that most likely share a piece: with 1,000 kinks on a line 1 pair in 30
    # does not
    nearby: float = 1e-4
    # further points, in units of that distance: a smooth function changes by a tenth at a tenth of it, a kink
    # or noise as much; a hundredth is noise alone; 0 repeats the first point
    ladder: tuple[float, ...] = (0.0, 0.01, 0.1)
    # of the ten times that a smooth function changes by at ten times the distance
    smooth: float = 3.0
    # a curved function is curved wherever one looks: at one place it may be a kink
    places: int = 2
    # pairs that are asked until one has a gradient: a network that is off at half of its inputs has none at
    # so many in one of 65,000
    tries: int = 16
    # roundings within which two answers are the same, as in Tolerances.same
    rounding: int = 60
    # times that distance: in single precision a smooth function's change is then seen over rounding
    wide: float = 300.0
    # relative difference of two changes in a row that may be a smooth function's: third derivatives make a
    # tenth over such steps, unlike jumps more than a half
    turned: float = 0.3
    # floor above which units cannot be told from noise in two answers: there Tolerances.same is 8e-4 of the
    # gradient, of which one of 1,000 equal units makes 4e-2, and weights are not equal
    too_noisy: float = 1e-4
    # a measured floor is the largest of a few differences and no guess of a rounding, which tolerances are
    # made for: they may sit so much nearer. Half: +2 % queries; twice: +1 % queries (noise, 20 victims)
    guard: float = 8.0
    # rounding to more of them is as mild as noise can be
    decimals: int = 10
    # relative error that keeps a number on its grid: a few roundings of the decimal number
    on_grid: float = 1e-15
    # of a grid, up to which that error may come: one number in ten is then so near by chance
    off_grid: float = 0.05
    # different numbers on a grid and on none that is coarser: the two values of a network of whole weights
    # may lie on one by chance, 9 decimals in one of five
    least_on_grid: int = 3


@dataclass(frozen=True)
class ProbabilitiesSettings:
    """How far out probabilities can be asked: asking/probability_reach.py."""

    # the least probability of so many stands for that of all usual points
    places: int = 16
    # the logits of a line may grow so much faster than those of usual points
    safety: float = 3.0


@dataclass(frozen=True)
class BendsSettings:
    """Whether a predicted kink is there, from gradients: asking/probe.py."""

    # share of a jump that may point away from the predicted normal: another unit's does by about 1, and rows
    # are known to 1e-6; the middle of the two
    crooked: float = 1e-3


@dataclass(frozen=True)
class ValuesSettings:
    """How exact values are: asking/values.py."""

    # where rounding is measured, three values each: no more than the gradient of a small input
    places: int = 12
    # largest rounding error of many values over the median of a few: eight medians of a normal are 5.4 sigma,
    # one in 1e7 is larger. Half: -1 % queries; twice: +3 % queries, 15 of 16 whole (values, 16 victims)
    margin: float = 8.0
    # share of a box around its centre where rounding is measured: steps stay inside
    inner: float = 0.9
    # steps of second differences, relative to a point's length: about eps^(1/3), so that curvature shows and
    # few kinks lie within
    step: float = 1e-5
    # the same in single precision, where eps^(1/3), 5e-3, would meet more kinks
    single_step: float = 1e-3
    # points nearer to the origin than this share of the farthest one count as so far
    near: float = 1e-3
    # a second difference of this many roundings at most places is no rounding
    curved: float = 1e3
    # of a point's length: wide steps, over which a smooth function bends by more than single precision hides
    wide: float = 0.2
    # bounds of a value's rounding from which on such a bend is believed
    told: float = 4.0
    # relative difference from four times as much: fourth derivatives make some hundredths, kinks a half
    fourfold: float = 0.2
    # share of the points at which a smooth function bends so: of 1,000 kinks by chance one in five does
    mostly: float = 0.6
    # roundings of a value by which it changes at least between usual inputs: else it is constant
    flat: float = 1e4
    # of a constant: eps of it is no subnormal number
    least_slope: float = 1e-290
    # numbers in the points that are kept with their values: 128 MiB
    most_kept: int = 1 << 24


@dataclass(frozen=True)
class DifferencesSettings:
    """Gradients from values: asking/finite_differences.py."""

    # numbers in one batch of queries: 32 MiB
    batch: int = 1 << 22
    # a probing direction goes so much farther than the stencil. Half: +2 % queries; twice: +2 % queries
    # (values, 16 victims)
    probe_reach: float = 4.0
    # probing directions of a point. Half: +0 % queries; twice: no change (values, 16 victims)
    directions: int = 2
    # of steps that met a kink. Half: +9 % queries; twice: +0 % queries (values, 16 victims)
    shrink: float = 4.0
    # 4^-24 is 4e-15: no step is left
    rounds: int = 24
    # roundings of a coordinate: of a shorter step fewer than four bits are left
    least_step: float = 16.0
    # points nearer to the origin than this count as so far
    near: float = 1e-3


@dataclass(frozen=True)
class RunsSettings:
    """Kinks on lines from values: asking/kinks_from_values.py."""

    # equal parts of a line, in arctan t, each with a first run. Half: +0 % queries; twice: +1 % queries
    # (values, 16 victims)
    first_cells: int = 8
    # errors, each a bound, by which a value may miss a run and still lie on it. Half: no change; twice: +145
    # % queries, 15 of 16 whole (values, 16 victims)
    on_run: float = 3.0
    # errors from a crossing at which the side is certain. Half: +0 % queries; twice: +0 % queries (values, 16
    # victims)
    margin: float = 8.0
    # roundings of a slope that must fit into the slopes of a line: six bits. Half or twice changes nothing
    # (values, 16 victims)
    narrowest: float = 64.0
    # share of the room around two values below which only one of them may grow. Half: +0 % queries; twice: +1
    # % queries, 15 of 16 whole (values, 16 victims)
    crowded: float = 1e-2
    # of the way to the neighbour, at each try to grow. Half: +0 % queries; twice: +46 % queries, 15 of 16
    # whole (values, 16 victims)
    shrink: float = 8.0
    # a search halves gaps: 60 rounds reach rounding, and kinks that hide others take more
    rounds: int = 200


@dataclass(frozen=True)
class ValueProbeSettings:
    """Many layers from values: asking/value_probe.py."""

    # roundings of a value in a gradient: steps within narrow pieces are short. Half: +2 % queries; twice: +0
    # % queries (deep values, 8 victims)
    lost: float = 1e7
    # times that error: a jump that is not known any more. Half or twice changes nothing (deep values, 8
    # victims)
    blurred: float = 100.0
    # share of a walk by which a kink may be off: the rows it was predicted from are blunt. With it, and cheap
    # places first, 40-20-10-10-1 takes 2^15.1 values in place of 2^17.7
    near: float = 0.01
    # roundings by which it may be off beyond that: those of the two slopes, see below
    off: float = 8.0
    # roundings that a slope must change by over a step: its error is 8, of four values taken twice; four
    # times that
    bend: float = 32.0


@dataclass(frozen=True)
class FreshSettings:
    """Fresh queries that a copy is checked on: fresh_queries.py.

    In a box: of 18 random victims on [0, 1]^60 and [0, 1]^40 two are wrong by more than 1e-9 on 20,000
    uniform points with `vertices` and `aimed`, six without, for about 250 queries. Of 1,080 units of 36
    victims on [0, 1]^60 17 are missed with `corners` and `around`, 42 without.
    """

    # in all of R^d: a unit that is on at half of the points is off at all of them 1 time in 16; a finished
    # copy is tested at many more
    queries: int = 4
    # in a box
    inside: int = 32
    # random vertices of it: a unit on at 1 in 20 shows 99 times in 100
    vertices: int = 96
    # answers whose gradients name further vertices
    aimed: int = 16
    # from vertex to vertex
    steps: int = 2
    # further random vertices in the end: a unit that is on at 1 in `rare` shows 19 times in 20
    corners: int = 512
    # e^-3 of such units do not show at `corners` vertices; the notes of a result name it
    rare: int = 512 // 3
    # vertices around either end of the affine part
    around: int = 8
    # how far around, in mean sizes of the affine part's entries: a few of them turn
    spread: float = 0.7


LINE = LineSettings()
SHOWN_ONCE = ShownOnceSettings()
ROW_SPACE = RowSpaceSettings()
NOISE_FLOOR = NoiseFloorSettings()
PROBABILITIES = ProbabilitiesSettings()
BENDS = BendsSettings()
VALUES = ValuesSettings()
DIFFERENCES = DifferencesSettings()
RUNS = RunsSettings()
VALUE_PROBE = ValueProbeSettings()
FRESH = FreshSettings()
