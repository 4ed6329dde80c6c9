"""Numbers of the search for one hidden layer from gradients, and of what all searches fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FitSettings:
    """Least squares over all answers: network/fit.py."""

    # error of an affine piece at a point, in noise x largest gradient x distance: value and slope
    blur: float = 2.0
    # how often states are read and jumps refitted. Half or twice changes nothing (noise, 20 victims)
    readings: int = 3


@dataclass(frozen=True)
class OrientationSettings:
    """Which side units are active on: network/orientation.py."""

    # error that rounding and the rows' condition make of a bit: it is 0 or 1
    certain: float = 1e-3
    # difference of a bit at two ends of a polytope that is one point; solvers leave 1e-7
    unique: float = 1e-3
    # residuals allowed where a programme gave the bits, which meets constraints to 1e-7
    slack: float = 10.0
    # for an integer programme, which may take for ever
    seconds: float = 10.0
    # units beyond which one is not tried: with 50 false units it takes all of `seconds` (12-10-8-1 rounded to
    # 8 digits)
    most_integers: int = 64
    # scipy's status
    infeasible: int = 2


@dataclass(frozen=True)
class DecodingSettings:
    """Which point to ask about next: one_layer/by_decoding.py."""

    # in all of R^d. Half: +6 % queries; twice: +8 % queries (one layer, 20 victims)
    lines: int = 3
    # more than outside, because few units switch on any one segment. Half: -1 % queries; twice: +5 % queries
    # (one layer, 20 victims)
    lines_in_box: int = 8
    # of a line. Half: +1 % queries; twice: +9 % queries (one layer, 20 victims)
    first_nodes: int = 8
    # share of the open edges that is cut in one round. Half: +1 % queries; twice: +1 % queries (one layer, 20
    # victims)
    cut_share: float = 0.34
    # nodes on each supporting line for a node on the main line. Half: +2 % queries; twice: +0 % queries (one
    # layer, 20 victims)
    support_share: float = 0.3
    # random points asked at the start: as good as any for the span test. Half: +5 % queries; twice: +11 %
    # queries (one layer, 20 victims)
    scattered: int = 8
    # answers, eight times `scattered`, that this leaves to first nodes
    drowned_after: int = 64
    # distance in s from a kink at which its side is certain; Tolerances.loose where answers are of single
    # precision. With 1e-8 in its place 40 of 261 same-seed runs take other ways
    bracket: float = 1e-6
    # brackets that make up an edge with one kink between two queries beside it: two, and room
    narrow: float = 5.0
    # of an edge's width that is always a bracket: near enough to an end to be its piece
    least_share: float = 1e-3
    # narrow edges' widths from which on a point beside the line is tried
    beside: float = 100.0
    # jumps of usual size up to which a point beside may part two units: parallel ones make 2
    two_units: float = 2.2
    # share of a jump that must be free of the others' to move along it alone
    free: float = 1e-3
    # of an edge's width that the point lies beside it. Half: +1 % queries; twice: +0 % queries (one layer, 20
    # victims)
    across: float = 0.75
    # without anything new. Half or twice changes nothing (one layer, 20 victims)
    stalled_rounds: int = 40
    # lines between answers that count as progress. Half or twice changes nothing (one layer, 20 victims)
    most_links: int = 50
    # answers without a solution at which more hidden layers than one are thought of: 784-64-32-1 takes 284
    # queries to tell, 1,116 without
    doubtful: int = 256
    # and after so many for each independent jump: a network of one layer takes two to three
    doubtful_rank: int = 6
    # beside these: where the first lines begin
    doubtful_start: int = 40
    # the same in single precision, where decoding takes longer: a 784-256-256-10 network's first layer is
    # known after 34 s in place of 200 s
    single_doubtful: int = 400
    # answers to a dimension of the span at which noise has spoilt the decoding, which takes 1.4 to 2.1 a unit
    # without (bench/queries.py)
    noisy_answers: int = 2


@dataclass(frozen=True)
class SpanSettings:
    """Single units told from sums: one_layer/decoding.py."""

    # answers after which the factorisation of all of them is made anew: for 256 units a quarter of a second
    more_rows: int = 64
    # beyond the dimension of the span before its test is believed
    spare_answers: int = 4
    # a matched filter's standard deviation below which it is trusted: six of them are 1. Half: +3 % queries;
    # twice: +4 % queries (one layer, 20 victims)
    close: float = 0.16
    # from which on a filter contradicts
    sigmas: float = 3.0
    # least that a filter is believed to have, for neighbours that are not random. Half or twice changes
    # nothing (one layer, 20 victims)
    deviation: float = 0.02
    # gap from 1 of a filter that only the same unit has: of 1e4 others by chance one comes to 1e-4
    exact: float = 1e-6
    # what projections and solutions gather of rounding: in float32 less adds a 129th direction to the span of
    # 128 units (MNIST 784-128-10: 350 queries and 4.6 s, 20 s and more before)
    rounding_adds_up: float = 8.0
    # the test tells nothing beyond: one wrong state of many costs little more
    widest: float = 0.1


@dataclass(frozen=True)
class StatesSettings:
    """States near a kink: one_layer/states_near_kinks.py."""

    # with more open entries a sum of units may pass for one of them
    most_open: int = 4
    # norm of a row of N below which its answer is the only one to show some direction
    leverage: float = 0.05


@dataclass(frozen=True)
class DeeperSettings:
    """Whether there are more hidden layers: one_layer/is_deeper.py."""

    # looked for elsewhere: of one layer all show, of more hardly any
    kinks: int = 2
    # where each is looked for
    places: int = 2
    # and where else, if jumps are others at some of these: among 256 features another hyperplane is within
    # the step at one place in twenty
    more_places: int = 6
    # share of the places at which the jump of a deeper unit is another
    differs: float = 0.5
    # of eight kinks the share that shows again is 0 to .25 for ten float32 networks of two or three layers,
    # and 1 for seven of one layer, three seeds each
    single_kinks: int = 8
    # the middle of those
    shown: float = 0.5
    # size of a jump, relative to the largest gradient, whose hyperplane is known too roughly
    weak: float = 1e-6
    # distance of the questions from a hyperplane, which is known to 1e-9 of its point's length
    step: float = 1e-5
    # half of a segment's length across a float32 hyperplane, known to 1e-3 of a place's size
    reach: float = 0.01
    # relative difference of jumps that may be rounding: another unit's differ by about 1
    same: float = 1e-3
    # the same where jumps may come from weak units
    single_same: float = 0.02


@dataclass(frozen=True)
class GradientsAloneSettings:
    """Gradients without values: one_layer/by_gradients_alone.py."""

    # of each of two lines. Half: -5 % queries; twice: +12 % queries (gradients alone, 8 victims)
    first_nodes: int = 32
    # random answers that betray sums: one in 2^8 passes
    scattered: int = 8
    # width of an edge that is taken to hold one kink though its jump has no partner: among 512 kinks two lie
    # closer on 1 line in 12
    narrow: float = 1e-6
    # one in so many units that may be a sum is cut in a round, the likeliest
    cut_share: int = 32
    # halvings of a line to rounding, and room
    rounds: int = 60


@dataclass(frozen=True)
class BisectionSettings:
    """Offsets together: one_layer/bisect_offsets.py."""

    # halvings: more than the 53 bits of a number
    most_queries: int = 64
    # roundings of a level, of d products, at which a bracket is closed. Half: +1 % queries; twice: +0 %
    # queries (gradients alone, 8 victims)
    rounding: int = 32


@dataclass(frozen=True)
class KinkByKinkSettings:
    """Kinks certified one by one: one_layer/kink_by_kink.py."""

    # a bound: of 10,000 random units a line misses 6 (see Line.reach)
    most_lines: int = 6


@dataclass(frozen=True)
class OtherOutputsSettings:
    """Outputs of known units: one_layer/other_outputs.py."""

    # 1 - |cosine| of two rows below which one point does not tell their weights apart: rounding grows by 1 /
    # angle, 1,000, in the weights
    parallel: float = 1e-6
    # random points for each that is taken where gradients are differences: of 24 narrow networks with ten
    # outputs five lost an output to a point beside a hyperplane
    drawn: int = 8
    # how often two more points are asked where an output's weights are not decided yet
    more_points: int = 8


@dataclass(frozen=True)
class PolishSettings:
    """The last fit: one_layer/refit.py."""

    # roundings of a level within which a point's side may be misjudged
    clear: float = 1e3


@dataclass(frozen=True)
class CombiningSettings:
    """Rows that several outputs show: one_layer/combine_outputs.py."""

    # sine of the angle up to which two rows are one unit's whatever the noise: 1 - cosine is 1e-9
    same_direction: float = 4.5e-5
    # of noise in their angle
    sigmas: float = 3.0
    # sine of the angle up to which noise may have turned a row: random rows have about 1
    widest: float = 0.5
    # how much sharper another output must show a row to be asked about it. Half: +3 % queries; twice: -1 %
    # queries (noise, 20 victims)
    sharper: float = 8.0
    # distance of these questions from the hyperplane, in errors of its level: the side is certain
    away: float = 4.0


@dataclass(frozen=True)
class AveragingSettings:
    """Answers under noise: one_layer/average_noise.py."""

    # error of a coordinate below which a state is read off: 10 of it lie between 0 and 1/2
    legible: float = 0.05
    # of rows and weights in turns. Half or twice changes nothing (noise, 20 victims)
    rounds: int = 3


@dataclass(frozen=True)
class CirclesSettings:
    """Where noise drowns single answers: one_layer/under_noise.py.

    784-128-1 at noise 1e-3: 123 of 128 units in 9,101 queries, an error of 0.4 % of the range.
    """

    # of circles and random points, in standard deviations of `Lines.samples`. Half: +0 % queries, 5 of 6
    # whole; twice: +0 % queries, 5 of 6 whole (drowned, 6 victims)
    radius: float = 2.0
    # on which units must recur. Half: -30 % queries, 5 of 6 whole; twice: +60 % queries (drowned, 6 victims)
    circles: int = 24
    # random points for each input coordinate: noise alone then has singular values up to 1.5 n^(1/2), with
    # one point 2 n^(1/2)
    random: int = 4
    # and at least so many, for small inputs
    least_random: int = 500
    # points on half a circle for each direction in which gradients vary. Half: -30 % queries; twice: +60 %
    # queries, 5 of 6 whole (drowned, 6 victims)
    points: float = 2.0
    # singular values this much above the largest of noise alone count, which of 1,000 rows spreads by
    # n^(-2/3), 1 %
    edge: float = 1.05
    # share of the singular values that may be units'; noise is first read from the others
    noise_from: float = 0.4
    # lengths of differences, in those that noise has, from which on one counts. Half: +0 % queries, 5 of 6
    # whole; twice: +0 % queries, 5 of 6 whole (drowned, 6 victims)
    level: float = 2.0
    # cosine of two differences of one unit. Half: +0 % queries, 5 of 6 whole (drowned, 6 victims)
    alike: float = 0.8
    # and the ratio of their lengths. Half: +0 % queries, 5 of 6 whole (drowned, 6 victims)
    as_long: float = 0.6
    # one of so many circles must show a unit. Half or twice changes nothing (drowned, 6 victims)
    shown: int = 3
    # how often states are read and jumps refitted. Half: +139 % queries, 4 of 6 whole; twice: no change
    # (drowned, 6 victims)
    settled: int = 5
    # quantiles of a coordinate that stand for off and on
    ends: tuple[float, float] = (0.1, 0.9)
    # share of the answers on whose states a hyperplane must agree: 1/2 by chance. Half: +0 % queries, 5 of 6
    # whole (drowned, 6 victims)
    told: float = 0.85
    # each finds units a few times smaller. Half or twice changes nothing (drowned, 6 victims)
    rounds: int = 6
    # share of the gradients' variance that the units must explain: less is no network's
    explained: float = 0.5


@dataclass(frozen=True)
class OneLayerSettings:
    """Output by output: stage_one_layer.py."""

    # fresh queries an output under noise: a copy whose weights are off is so at any of them
    checks: int = 4
    # queries a unit and output where noise drowns single answers: it falls to a third
    averaged: int = 8
    # rms distance from 0 and 1 up to which a state is believed: half a unit is at 1/2
    legible: float = 0.1


@dataclass(frozen=True)
class FinishSettings:
    """From a layer to the result: stage_finish.py."""

    # rows that one output hardly shows are blunt: others leave so much more
    blunt_rows: float = 20.0
    # times the residual of a layer with an affine part that one without it may leave
    as_good: float = 3.0


FIT = FitSettings()
ORIENTATION = OrientationSettings()
DECODING = DecodingSettings()
SPAN = SpanSettings()
STATES = StatesSettings()
DEEPER = DeeperSettings()
GRADIENTS_ALONE = GradientsAloneSettings()
BISECTION = BisectionSettings()
KINK_BY_KINK = KinkByKinkSettings()
OTHER_OUTPUTS = OtherOutputsSettings()
POLISH = PolishSettings()
COMBINING = CombiningSettings()
AVERAGING = AveragingSettings()
CIRCLES = CirclesSettings()
ONE_LAYER = OneLayerSettings()
FINISH = FinishSettings()
