"""Numbers of the search through convolutional networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvLayersSettings:
    """Known layers: convolutional/layers.py."""

    # copies of a point that are differentiated at a time: what fits a cache
    batch: int = 256


@dataclass(frozen=True)
class ConvWalkSettings:
    """Steps: convolutional/walk.py."""

    # of the way between two random points: a wide network has some thousand kinks on it
    first_step: float = 1e-3
    # of an image of blocks that is noise
    fine: float = 0.3
    # after a step that is explained, and after one with many kinks
    longer: float = 1.4
    # likewise
    shorter: float = 0.6
    # known units that switch on a step, of d and of each layer: below it steps grow, above it they shrink.
    # Their jumps must leave most of the input free to show what is not explained
    few: float = 0.15
    # likewise
    many: float = 0.3
    # known crossings beside which a kink that is not known is far to isolate
    crowd: int = 12
    # cuts of one step: 2^-24 of it is near rounding
    deepest: int = 24
    # points at which known units are looked up to cut between their crossings
    grid: int = 64
    # singular value, of the largest, of a direction that is none
    rank: float = 1e-9


@dataclass(frozen=True)
class ConvFirstSettings:
    """The first layer: convolutional/first_layer.py, patches.py."""

    # entries of a jump, of its largest, that are rounding
    faint: float = 1e-8
    # and beside the rounding of the gradients it was taken from
    roundings: float = 30.0
    # a bound
    most_steps: int = 1000
    # steps in a row without a jump: at most 19 until they are half a way between random points, then ten such
    # ways. Filters that are ever on and off switch on nearly every one; linear models never do
    still: int = 40
    # kinks that all cover the same pixels: the network is dense
    dense: int = 4
    # kinks of which no two show one patch: there is no filter
    most_early: int = 60
    # kinks from which on patches at the edges count, which may be clipped
    late: int = 20
    # places between which a max pooling changes over: less than the widest window
    widest_pool: int = 4
    # pairs of places that tell the window
    pairs: int = 12
    # walks towards where a filter that is seen in pairs alone may switch off, either way
    hunts: int = 12
    # units that may switch in one step, of d, for their jumps to be told apart
    share: float = 0.4
    # a jump, of the largest of a step, of a unit that is not there
    there: float = 1e-6
    # other inputs at which a filter is looked for where kinks of the next layer may be as small as one, and
    # the share of them at which it must show: behind a filter of a trained depthwise network all is off at
    # half of them (it is lost with a chance of 4 %), one of 512 patterns of a 3x3 window shows that alone
    elsewhere: int = 16
    # likewise
    shown: float = 0.3
    # kinks that are filters over the image's edges, padded by something else than zeros
    padded: int = 2
    # crossings of known channels with no new one among them: (1 - 1/16)^16 is 36 %, but sides of the others
    # explain no kink of the next layer while one is missing, and one that shows later is added
    quiet: int = 16


@dataclass(frozen=True)
class ConvPoolingSettings:
    """Pooling: convolutional/geometry.py, sides.py."""

    # sides and distances of windows, the tightest first
    max_windows: tuple[tuple[int, int], ...] = ((2, 2), (3, 3), (2, 1), (3, 2), (4, 4), (3, 1))
    # likewise of averages, the widest first: a narrow one explains nothing that a wide one does not
    average_windows: tuple[tuple[int, int], ...] = ((4, 4), (3, 3), (2, 2))
    # of a max pooling behind the last layer
    last_windows: tuple[tuple[int, int], ...] = ((2, 2), (3, 3))


@dataclass(frozen=True)
class ConvSidesSettings:
    """Active sides of channels, and what is behind them: convolutional/sides.py."""

    # kinks of which the largest box must be seen twice
    twice: int = 2
    # and so often, beside the size that is seen most
    often: float = 0.3
    # random sides to start from
    starts: int = 12
    # steps towards the slope of leaky units, the difference that tells which way, and the largest slope
    newton: int = 12
    # likewise
    difference: float = 1e-6
    # likewise
    steepest: float = 0.9
    # kinks used at a time, and at most: each of a depthwise layer tells one side, and those of some channels
    # are rare
    at_once: int = 8
    # likewise
    most: int = 64
    # equations more than unknowns beyond one for each channel
    margin: int = 8
    # sums of entries that are 0 where max pooling changes over, from which on none is so by chance
    chains: int = 3


@dataclass(frozen=True)
class ConvRowsSettings:
    """The channels of the next layer: convolutional/rows.py, next_layer.py."""

    # equations more than unknowns that make an agreement none of chance
    margin: int = 4
    # part of an entry in what is not determined
    open: float = 1e-7
    # entries two pieces of a channel must share
    overlap: int = 4
    # of these, entries that are not 0: one number alone is the same as any other up to a factor
    not_zero: int = 2
    # size of these, of all, below which they are rounding
    slight: float = 1e-3
    # windows that may be the one of which a kink shows a part
    around: int = 36
    # crossings of known channels of the layer with no new entry among them
    quiet: int = 40
    # windows that were seen from which on stride and padding are read: 8 in steps of 2 by chance, 1 %
    places: int = 8
    # steps without a crossing, a bound
    patience: int = 400
    # of a channel's entries, known from one unit that is followed, from which on it is followed no more, and
    # those without which it is not taken for a channel
    most_known: float = 0.8
    # likewise
    least_known: float = 0.4


@dataclass(frozen=True)
class ConvLastSettings:
    """The last layer: convolutional/last_layer.py."""

    # equations for each unknown
    equations: float = 1.3
    # answers where these are of single precision, at least, and times those that double precision needs: one
    # at which all of 72 features were on left weights 50 times too large. Chosen with seeds 0 to 2 of one
    # kind of network; of three fresh ones two come out whole
    coarse: int = 24
    # likewise
    coarser: int = 10
    # and where answers are chosen for units that few of them show: a part of each answer's, drawn at random
    most_equations: float = 3.0
    # corners of an image, their sides in steps from unit to unit: 9 units of a channel see the first
    corners: tuple[int, ...] = (3, 5)
    # answers of which gradients in a corner are taken: 36 equations each for some 200 weights
    answers: int = 40
    # share of a channel's units that are on, or off, on the walk, up to which it may be taken for seldom so
    seldom: float = 0.02
    # and beside them answers far apart: at 40 of a walk half of the units never switch. With 8 the sides of
    # five MNIST classifiers were read as with 16
    apart: int = 8
    # units that may be on, or off, at all answers that sides are read from: each is an unknown
    constant: float = 0.2
    # singular value, of the largest, of a combination that is none
    null: float = 1e-11
    # size of what a channel leaves in beta, of the largest, up to which it tells nothing
    faint: float = 1e-9
    # slope below which a unit is not leaky
    leak: float = 1e-7
    # rounds of asking more where weights are not unique, and points in each
    rounds: int = 3
    # likewise
    more: int = 4
    # units that are climbed to at a time, and how far beyond 0, of a usual point
    tries: int = 8
    # likewise
    beyond: float = 0.05
    # points to which something that is missing contributes, or after which no fewer weights are undecided,
    # before no more are asked for
    failures: int = 4
    # steps in which a point is moved to where more units are on; the first and the last one's length, of the
    # point; what of a step is kept in the next; the level from which on a unit counts no more, of its
    # numbers. With these 4 or 5 points decide all 1,024 weights of MNIST classifiers, with half as many steps
    # and starts 5 or 6; three times as long first steps make images so even that more than 9 did not
    raises: int = 200
    # likewise
    raised: tuple[float, float] = (0.1, 0.01)
    # likewise
    momentum: float = 0.8
    # likewise
    above: float = 0.02
    # points of noise among which ones to move are chosen; how many of these, and of images: a channel that
    # noise hardly turns on took 5 points more of an MNIST classifier where noise alone was moved
    noise: int = 64
    # likewise
    starts: int = 8
    # points looked at to find one where units are on that never were
    candidates: int = 512
    # powers of ten that their sizes span
    powers: tuple[float, float] = (-1.0, 1.0)
    # steps uphill towards one
    climb: int = 100
    # points added at most
    most: int = 60


@dataclass(frozen=True)
class ConvFollowedSettings:
    """A unit along its bent hyperplane: convolutional/followed.py, followed_sides.py."""

    # kinks of one unit at most: 40 of 9 pixels are 320 equations
    most: int = 40
    # kinks after which it is looked whether they tell of sides: for 400 features that costs more than they do
    every: int = 3
    # units that are followed until all sides are told: in a depthwise layer each tells of one channel
    units: int = 24
    # units that switch on the way from a kink to the next, of the numbers of its window: the more, the more
    # is told, but their gradients must leave some of the window free; and after a failure, of that
    share: float = 0.12
    # likewise
    shorter: float = 0.6
    # likewise
    tries: int = 6
    # how far the nearest units are taken, of the way to where they switch
    beyond: float = 1.1
    # how far across the hyperplane it is looked for, of the way, and how much farther each time, how often:
    # units that have hardly switched hardly bend it
    across: float = 0.02
    # likewise
    growth: float = 4.0
    # likewise
    wider: int = 2
    # numbers of a window more than gradients: two kinks that agree in so many are of one unit
    margin: int = 2
    # of a jump that known units make up alone, of all: it is none of an unknown one
    apart: float = 1e-5
    # weights, of the largest, of a channel that a unit does not depend on
    faint: float = 1e-5
    # singular value, of the largest, of a combination that is none
    rank: float = 1e-9


@dataclass(frozen=True)
class ConvAimedSettings:
    """Where unknown entries show: convolutional/aimed.py, next_layer.py."""

    # answers, the last ones, and random points among which one near a hyperplane is looked for
    answers: int = 64
    # likewise
    samples: int = 64
    # places that are tried
    tries: int = 4
    # of all unknown entries: a place where so few count is worth twice the way of one where all do
    share: float = 0.05
    # steps to the hyperplane; how near to it, of what features that are just on may move it by; how near
    # these come to their level; singular value, of the largest, of a direction that is none
    newton: int = 20
    # likewise
    near: float = 0.1
    # likewise
    slack: float = 0.3
    # likewise
    rank: float = 1e-9
    # features that are turned on at a time, fewer where so many are not on together
    most: tuple[int, ...] = (64, 16, 4)
    # by how much, of the size of the point's numbers, one after the other
    levels: tuple[float, ...] = (1e-4, 1e-3)
    # ways across the hyperplane, of what unknown entries may move it by, one after the other
    wide: tuple[float, ...] = (1.5, 8.0)
    # times that a channel is looked at in a row
    rounds: int = 40
    # times that this may teach nothing before it is left to the walk: a look in vain costs some 50 queries
    failures: int = 1


@dataclass(frozen=True)
class ConvMissesSettings:
    """Where a copy is wrong: convolutional/misses.py."""

    # how far beyond the place where a missing unit switches, of the way there
    beyond: float = 2.0
    # a bound on the way, of the size of the point
    longest: float = 2.0
    # step from one wrong answer to the next that is looked behind, of all in order: spreads any number
    golden: float = 0.6180339887498949
    # times that the way from a wrong answer to a right one is halved: some 1,000 units switch on all of it
    cuts: int = 9
    # wrong answers that are looked behind before the last layer is solved for again
    answers: int = 6


@dataclass(frozen=True)
class ConvJudgeSettings:
    """Fresh answers: convolutional/judge.py."""

    # points at which a copy of the first output is looked at before other outputs are asked. Channels of
    # trained networks that hardly any input turns on show in no noise and in 4 to 24 % of images of blocks
    images: int = 24
    # images that those are chosen from, and the others that a finished copy is tested at: of eight networks,
    # one such channel struck out, 24 images as they came lacked it with a chance of 6.6 % (up to 29 %),
    # 24 chosen of 128 with 1.4 %, of 256 with 0.7 %, of 1,000 with less than 0.05 %
    drawn: int = 1000
    # features of so many images are computed at a time: of maps of 16 x 32 x 32 some 13 MB
    at_once: int = 100
    # likewise
    noise: int = 8
    # of these so many at a time: a wrong copy is seen by the first of them as often as not
    part: int = 8
    # powers of ten of their sizes, of usual ones
    powers: tuple[float, float] = (-0.5, 2.0)
    # points of each kind that a finished copy is tested at, beside those
    fresh: int = 12
    # points drawn for each that is asked about where answers are of single precision: sides of all of 472
    # units were certain at 48 of 60, of 2,904 at 24 to 35 in 100
    spare: int = 16
    # and of one that ends in dense layers at one for so many queries: a unit of 16 that was missing was on at
    # 1.7 % of far images alone, which 12 of each kind lack as often as not
    share: int = 20
    # points up combinations of features, of a copy that ends in dense layers, that many features at most and
    # steps: a unit on at 1 in 300 inputs of a box is on at 1 in 8 of these, and 32 lack it with some 1 %
    up: int = 32
    # likewise
    few: int = 4
    # likewise
    climbs: int = 4
    # points where few features are up alone, of such a copy: a unit of three that 1 in 2,000 inputs of a box
    # and 2 % of the points up combinations turn on is on at 4.5 % of these, and 96 lack it with some 1 %
    alone: int = 96
    # and of one that ends in a convolution, or one for so many queries as above: of 20 dense units behind it
    # that noise hardly ever switched 16 lack a quarter, 28 a tenth
    alone_last: int = 16


@dataclass(frozen=True)
class ConvAttackSettings:
    """Layer after layer: convolutional/attack.py."""

    # a bound
    deepest: int = 12
    # rounds of walking for more kinks until sides are read, kinks in each, and a bound on its steps
    rounds: int = 12
    # likewise
    kinks: int = 6
    # likewise
    steps: int = 150
    # rounds after which channels are doubted, and the one in which units are followed
    doubts: int = 1
    # likewise
    followed: int = 3
    # times that the search goes on from an answer that refutes a finished copy
    refutations: int = 12
    # times that a copy's wrong answers are looked behind before it is walked on
    misses: int = 4
    # sizes of the points that are walked to while channels are missing, and crossings of known channels with
    # no new one among them: near and far, short and long
    searches: tuple[tuple[float, int], ...] = (
        (1.0, 0),
        (1.0, 40),
        (3.0, 40),
        (1.0, 80),
        (0.3, 80),
        (10.0, 160),
        (1.0, 320),
    )


CONV_LAYERS = ConvLayersSettings()
CONV_WALK = ConvWalkSettings()
CONV_FIRST = ConvFirstSettings()
CONV_POOLING = ConvPoolingSettings()
CONV_SIDES = ConvSidesSettings()
CONV_ROWS = ConvRowsSettings()
CONV_LAST = ConvLastSettings()
CONV_AIMED = ConvAimedSettings()
CONV_FOLLOWED = ConvFollowedSettings()
CONV_MISSES = ConvMissesSettings()
CONV_JUDGE = ConvJudgeSettings()
CONV_ATTACK = ConvAttackSettings()
