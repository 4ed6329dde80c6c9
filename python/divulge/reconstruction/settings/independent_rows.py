"""Numbers of what the search through many layers does where the first layer's rows are independent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PositiveSettings:
    """The second layer asked about positive features: deep/positive_features.py, deep/whole_rows.py."""

    # of the features' logarithms
    sigma: float = 3.0
    # of a point's features, relative to the largest: clear of hyperplanes that are known to 1e-9
    least: float = 1e-6
    # the first in single precision, and the second
    single_sigma: float = 1.5
    # where hyperplanes are known to 1e-5, and inputs are rounded to 1e-7
    single_least: float = 3e-3
    # largest feature of a point, in usual sizes
    largest: tuple[float, float] = (3.0, 100.0)
    # of s along a line: the lesser end then has a share of 3e-4, of a few units
    reach: float = 8.0
    # s at which t is 0 or 1 but for rounding: kinks next to a line's end lie beyond `reach`
    ends: float = 36.0
    # the one feature of a point on an axis, in usual sizes: a weight that is a thousandth of the others still
    # turns its unit on
    alone: float = 1e4
    # searched kink by kink where there are more units than features: three in ten units show on one
    lines: int = 200
    # of these, one after the other without a new unit, after which what is left is known units' rounding: it
    # masks weaker ones for 25 lines at most on networks with weight decay
    idle: int = 40
    # kinks looked for elsewhere: one of one layer shows there as it did
    kinks: int = 8
    # units to a feature from which on they are a deeper layer's
    most: int = 8
    # share of the open edges that is cut in one round: on a trained 784-256-256-10 a third takes as many
    # queries and a fifth more CPU time, all of them 85 queries more
    cut_share: float = 0.7
    # length of an edge, in s, within which units are not told apart, but sought on another line
    short: float = 0.05
    # relative distance from hyperplanes at which answers tell of the last layer: small beside `least`; larger
    # where that does not explain them, since of units a millionth as strong as others rows are known to 1e-8
    clearances: tuple[float, ...] = (1e-9, 1e-7, 1e-6, 1e-5)
    # the same in single precision
    single_clearances: tuple[float, ...] = (1e-4, 1e-5)
    # of two questions from a kink between them, in s: kinks are placed to 1e-9, those of units of a millionth
    # to 1e-6 only
    beside: float = 1e-7
    # from a place on a known unit's hyperplane, in parts of its length, in single precision. Kinks on lines
    # are bisected there to where two questions are one: 1e-4 from them 126 of 128 units were found, so all
    single_beside: float = 1e-4
    # relative distance from hyperplanes at which answers tell what is missing
    clear: float = 1e-5
    # gap of rows, and of offsets, up to which two weak units are one at most, if their jumps differ by
    # rounding: of one of 1e-8 rows are known to 1e-6, offsets to 1e-2
    twins: float = 1e-2
    # answers to a feature after which more hidden layers are thought of
    doubtful: int = 2
    # answers to a feature after which decoding is in vain if the span test tells nothing: it does from 2 to
    # 2.5 on, of more units than features or ones of all strengths never
    answers: int = 3
    # and so many more, of either
    more_answers: int = 64


@dataclass(frozen=True)
class WeakUnitsSettings:
    """Offsets of weak units: deep/weak_units.py."""

    # of a unit, relative to the strongest, from which on its kinks far out are placed to 1e-10
    strength: float = 1e-4
    # weight of the weakest behind the first output, relative to the strongest, below which other outputs may
    # use units that it hides: without weight decay 1e-4
    hidden: float = 1e-5
    # the same behind any output: what least squares make of a weight of 0
    unused: float = 1e-9
    # of the answers so far, which fresh ones nearly double, that asking others beside the axes may take where
    # no weight is that small: 4 to 11 % of all
    share: float = 0.125
    # up to how many outputs all are asked nevertheless: 200-100-100-4 takes 15 % more queries, not 10
    few_outputs: int = 4
    # distance of a unit's kink, in that of usual points, from which on it is placed to 1e-8 only; without
    # weight decay 3 of 256 lie so far
    far: float = 30.0
    # at which each is looked for: the median is off only if two are
    places: int = 3
    # and how often, where none tells: behind a second layer that is hardly ever on one in nine does
    rounds: int = 20
    # distance of two questions from its hyperplane: offsets are off by 1e-4 at most
    across: float = 1e-3
    # part of a jump that is not along the row: of a unit of a millionth it is 1e-8, of one met far out 1e-7.
    # Another unit that switches in between, as weak as this lets through, moves offsets by 3e-7 of `across`
    crooked: float = 3e-7
    # rounding of an offset from which on it is halved in on, 31 answers a unit: of one of 6e-6
    doubt: float = 1e-9
    # length within which it is then known: rounding of levels at usual points is a hundredth
    placed: float = 1e-12


@dataclass(frozen=True)
class SharpenBehindSettings:
    """The second layer's weak units behind the output that shows them best: deep/sharpen_behind.py."""

    # of two questions from a place on a hyperplane, relative to its length: offsets are off by up to 1e-3;
    # close by no other unit switches in between
    widths: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-6, 1e-5, 1e-4, 1e-3)
    # by which a row may differ from what was known: of a unit of a millionth it is known to 1e-5
    crooked: float = 1e-3
    # places drawn on a hyperplane, of which the nearest is asked about
    draws: int = 8
    # in roundings of a jump, by which a row may differ from what was known and stays as it was
    sure: float = 10.0
    # of the step to its ends, a place that is then known to 1e-12 of its length at the least
    halvings: int = 30
    # of two questions from a place so known: no other unit switches as near
    beside: float = 1e-8
    # the same in single precision, where all are measured again: a unit of a hundredth shows its row to 1e-3
    single_crooked: float = 0.1
    # gap of rows and offsets within which two weak units are one, where they could not be measured again
    twins: float = 1e-3
    # and where they were
    told_twins: float = 1e-5
    # the first in single precision
    single_twins: float = 0.1
    # and the second
    single_told_twins: float = 1e-3


@dataclass(frozen=True)
class TogetherSettings:
    """Units of the first layer put beside their hyperplanes at once: deep/confirm_together.py."""

    # from which on it is done: few units fit beside one another among few inputs, where with more units than
    # inputs two layers of 8 units take twice the queries (two and three inputs)
    least_inputs: int = 16
    # of lines, where probabilities end them: nine of ten hyperplanes meet one as long
    least_reach: float = 4.0
    # of as many units as there are independent rows: their hyperplanes then meet well within reach
    share: float = 0.5
    # the same for those in doubt: of two that show only together one pair in eight is
    few: float = 0.125
    # places at all of which a unit must show to be sure
    enough: int = 4
    # places at all of which a kink's jump must show that is not shown from both sides: at two of them a later
    # layer's unit passed for one of the first behind maxima
    first_places: int = 3
    # of the two questions from the hyperplanes, relative to a point's size: rows are known to 1e-12 in double
    # precision, and few other units switch so near
    near: float = 1e-7
    # share of a jump that may lie outside of the rows: rounding, as in `alike`
    crooked: float = 1e-6
    # singular value below which rows count as dependent
    dependent: float = 1e-6
    # share of a gradient in the dark, of that on the other side, up to which a unit is off: weaker ones that
    # are not known yet leave some
    idle: float = 0.01


@dataclass(frozen=True)
class UnexplainedSettings:
    """Lines along gradients that no known row explains: deep/unexplained_gradients.py."""

    # largest level of a known unit at a line's origin, in usual sizes: it decides what is on in later layers,
    # more than what changes along the line
    far: float = 1e3
    # how often for nothing
    idle: int = 3
    # size up to which it is weak units' that are missing, of the largest gradient: beside others their rows
    # have four digits less
    weak: float = 1e-4
    # level of a known unit in the dark, in usual sizes below 0: the lines from there reach other hyperplanes
    dark: tuple[float, float] = (1.0, 2.0)
    # size up to which what is left is rounding, of the largest gradient: what such units add is less than
    # copies may be off by
    faint: float = 1e-11


@dataclass(frozen=True)
class AllOutputsSettings:
    """The second layer's rows from answers that hold all outputs: deep/rows_by_all_outputs.py."""

    # answers beyond those beside the axes: fewer units than these are fully told by more points than unknowns
    more: int = 4
    # size of a singular value, relative to the largest, from which on it is a unit's
    rank: float = 1e-10
    # pairs of combinations of the outputs that are tried; each leaves states of units open whose ratios it
    # makes nearly alike
    combinations: int = 8
    # distance of a state from 0, 1 or -1 up to which it is rounded
    binary: float = 0.1
    # part of rounded states outside the answers' space, relative
    outside: float = 1e-7
    # error of the answers that rounding leaves, relative to the largest
    explained: float = 1e-10
    # distance from a hyperplane, relative to the farthest point's features, at which a state is open
    unsure: float = 1e-10


POSITIVE = PositiveSettings()
ALL_OUTPUTS = AllOutputsSettings()
TOGETHER = TogetherSettings()
UNEXPLAINED = UnexplainedSettings()
SHARPEN_BEHIND = SharpenBehindSettings()
WEAK_UNITS = WeakUnitsSettings()
