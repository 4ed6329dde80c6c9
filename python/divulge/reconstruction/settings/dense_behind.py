"""Numbers of the search for dense layers behind convolutions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvDenseSettings:
    """Dense layers behind convolutions: convolutional/pulled_back.py, feature_sides.py, dense_*.py."""

    # numbers of an input that are looked at, of unknowns, and beside them; the least that must be left over
    equations: float = 1.25
    # likewise
    margin: int = 64
    # likewise
    least: int = 4
    # units of a layer, of d, whose sides are tried one channel after the other, and channels at most
    most: float = 2.5
    # likewise
    channels: int = 64
    # answers from all over a walk that sides are read from
    pieces: int = 16
    # late answers among which some are chosen that show every channel on either side
    late: int = 1000
    # of those of a dense layer, that must be explained; of crossings, at which a weight must be the same
    share: float = 0.75
    # of all pieces, those at which no missing unit is on, and that agree: with 15 units of 100 missing these
    # were less than three quarters
    clear: float = 0.1
    # weight of a unit's wrong side, of its right one
    faint: float = 1e-5
    # relative difference of two weights that are one
    steady: float = 1e-5
    # kinks behind the last known layer, covering all that any covers, from which on dense layers are looked
    # for: those of a channel that is missing cover windows. Of all kinks, where others may be of a second
    # convolution
    deeper: int = 4
    # likewise
    whole: float = 0.6
    # entries that must be known beside those that are solved for
    overlap: int = 4
    # a jump of slopes, of the largest slope, that is there
    there: float = 1e-6
    # differences no unit explained that are held against a new one; cosine from which on two are
    # looked at: to look at 600 takes four times as long
    loose: int = 600
    # likewise
    nearly: float = 0.99
    # steps, of the way between two random points: the first one, and after one that is explained or not
    first_step: float = 0.01
    # likewise
    longer: float = 1.3
    # likewise
    shorter: float = 0.8
    # sizes of points that are walked to, by turns
    reaches: tuple[float, ...] = (1.0, 1.0, 1.0, 3.0, 0.5, 1.0, 10.0, 30.0)
    # and that a walk from a wrong answer begins at, at most
    farthest: float = 100.0
    # crossings that were seen of a row, for each that was missed; crossings from which on it is completed
    trust: int = 3
    # likewise
    often: int = 1
    # cuts of one step
    deepest: int = 8
    # steps without a new unit, a bound, and before the first one
    patience: int = 1500
    # likewise
    early: int = 150
    # crossings of known units with no new one among them, of their number
    searches: tuple[int, ...] = (6, 12, 24)
    # times that a unit's hyperplane is asked beside in a row
    rounds: int = 12
    # answers, and random points, near one
    answers: int = 48
    # features that are turned on at a time, and by how much of the size of the point's numbers
    turned_on: tuple[int, ...] = (256, 32, 4)
    # likewise
    levels: tuple[float, ...] = (1e-4, 1e-3)
    # times that a copy's wrong answers are looked at, wrong answers each time, and walks from each
    misses: int = 4
    # likewise
    ways: int = 2
    # answers by which sides are tried, before all are
    views: int = 4
    # cuts of a step that show that one unit alone switches on it: two stay together with a chance of 1 / 64
    cuts: int = 6
    # fresh answers, beside those of the walk, that sides must explain
    fresh: int = 8
    # answers that are not explained, of all and beside, from which on a channel before is missing
    unclear: float = 0.1
    # likewise
    few: int = 16
    # answers of one walk where they were asked for in another order
    trail: int = 20


@dataclass(frozen=True)
class ConvSpannedSettings:
    """Channels that are missing before dense layers: convolutional/spanned.py."""

    # numbers of an answer more than gradients, from which on an agreement is none of chance
    margin: int = 4
    # fresh answers of many sizes that are explained in a row: a channel on at a tenth of them is met in 98 %
    quiet: int = 40
    # answers in a row that are not explained and tell nothing
    failures: int = 12
    # answers asked at most, some of which tell nothing
    most: int = 200
    # of the units of a channel that there is not, up to which known ones may make up the gradients
    blind: float = 0.25
    # cuts of the way to an answer that is not explained: some ten units switch on what is left
    cuts: int = 9


@dataclass(frozen=True)
class ConvExtremeSettings:
    """Inputs at which few features are up: convolutional/extreme.py."""

    # powers of ten of what features that are to be off weigh beside one that is to be up. Of 16 units of a
    # trained layer of 100 that noise and images of blocks turned on or off at 0 to 2 %, .1 does at 2 to 23 %,
    # .3 and 1 at 3 to 40 %, with fewer features on, each of which shows an entry
    down: tuple[float, float] = (-1.5, 0.0)
    # and behind a last convolution: of 20 dense units that noise hardly ever switched, a twelfth to a third
    # of their entries of the other sign, 12 such inputs switched 70 %, 12 of those above 45 %
    down_last: tuple[float, float] = (0.0, 0.5)
    # steps, and the first one's length, of the point: 60 steps do a third more at three times the cost
    climbs: int = 20
    # likewise
    step: float = 0.3


@dataclass(frozen=True)
class ConvRestSettings:
    """What known units of the last dense layer leave of slopes: convolutional/dense_rest.py."""

    # answers asked for at a time, and times that these tell nothing new before no more are asked for
    answers: int = 48
    # likewise
    failures: int = 8
    # times that answers are asked for at most
    rounds: int = 40
    # answers at which one thing is left that make it a unit's, and the features these must share
    twice: int = 2
    # likewise
    overlap: int = 8
    # squared distance of what is left at two answers, of the smaller of the two, from which on they are not
    # compared: that of equal ones is some 1e-10
    apart: float = 1e-6
    # answers that a unit explains, for each at which something is left that was not before: rounding decides
    # on which side of it a point is that lies nearly on its hyperplane
    trust: int = 8
    # what is left, of the largest slope, that is none
    nothing: float = 1e-7
    # points among which those are chosen that show a unit's open entries, and how many are asked about
    candidates: int = 96
    # likewise
    chosen: int = 6
    # share of the open features that are to be on, powers of ten of what each counts beside the unit itself,
    # and of the level it is to come to, of the point's numbers: where many were, or far up, a unit of four
    # positive entries among 75 was off
    some: tuple[float, float] = (0.0, 1.0)
    # likewise
    pull: tuple[float, float] = (-1.5, 0.5)
    # likewise
    level: tuple[float, float] = (-2.0, -0.3)
    # times that a unit's open entries are asked for in vain
    tries: int = 4


CONV_EXTREME = ConvExtremeSettings()
CONV_REST = ConvRestSettings()
CONV_SPANNED = ConvSpannedSettings()
CONV_DENSE = ConvDenseSettings()
