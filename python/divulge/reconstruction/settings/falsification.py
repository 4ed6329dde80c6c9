"""Numbers of the tests that a copy must pass to be called complete: falsification/."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FalsifyingSettings:
    """What a finished copy is tested on: falsification/.

    Counts are for a group of units, as many as half the inputs: so many can be put beside their hyperplanes
    at once, and the fewer inputs there are for a unit the more easily a sum of units passes for one.
    """

    # usual inputs for a group of units
    usual: int = 16
    # or one for so many queries of the search, whichever is more: with seven times as many of other kinds,
    # behind several layers, that is a tenth in all
    share: int = 64
    # cells of a first layer that hands on its input, far out in which a copy is tested: all those of 12
    # units. One behind clipped units may switch in one of them alone; such searches take 20,000 queries
    passed_on: int = 4096
    # how far, in usual sizes of pre-activations, and so far again at most
    corner: float = 30.0
    # a bound: with 95 % confidence fewer than 1.2 % of usual inputs are then off
    most: int = 256
    # behind several layers, how many times as far as usual inputs: further out slopes hardly change any more
    farthest: float = 1e3
    # groups that a copy without units counts for: all of it is what was not found
    nothing: int = 2
    # directions for one group, both ends of each: a unit that was missed is on at one of them
    far: int = 2
    # distance of these from the origin, in standard deviations: further than hyperplanes lie, near enough
    # that values keep ten digits
    reach: float = 1e6
    # the same in single precision, where values keep three
    single_reach: float = 1e4
    # distances from hyperplanes at which whole groups of units are put, the least first: two units taken for
    # one are wrong between their hyperplanes, one missing beside another is wrong beyond its own
    distances: tuple[float, ...] = (1e-5, 1e-3, 1e-1, 1e1)
    # more of them where there are several groups: of two units with opposite weights, taken for one, the
    # hyperplanes lie on one side of the copy's, often half a decade apart
    more_distances: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1e0, 1e1)
    # the same in single precision, where a hyperplane is known to 1e-5 of a point's length
    single_distances: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1e1)
    # share of the inputs that a group has units: its hyperplanes then meet well within reach
    group: float = 0.5
    # singular value below which rows count as dependent when a group is put beside its hyperplanes
    dependent: float = 1e-6
    # distances from predicted kinks on lines, in parts of the way to the next one
    beside: tuple[float, float] = (1e-4, 0.3)
    # behind one hidden layer one in so many points is asked of an output that is not the first: its units are
    # known by then, its weights are tested; behind several every point is asked of one of these, for a unit
    # that the first output hides shows at nothing else
    other_outputs: int = 8
    # and no more than so many of one kind: ten outputs of 784-256-256-10 took 2,400 more queries without
    of_others: int = 2
    # of the logarithm of the least number of a precision, part that logits may differ by in a copy: what is
    # wrong about it may add to that
    unsaturated: float = 1.5
    # how often points are moved for that: offsets count for less each time
    inwards: int = 8
    # of the coordinates of a point on a face of a box
    on_face: float = 0.5
    # points that are moved towards a group's hyperplanes within a box, so often
    projections: int = 20
    # searches from what was found wrong
    rounds: int = 6
    # the same behind first layers wider than their input: each shows one state of one unit
    rounds_followed: int = 40
    # as often a copy is tested again that keeps a linear part: it may be that of a missing unit. Of 136 made
    # copies with such a unit, most of them off near the origin alone, two more were caught than by once
    again: int = 4
    # of 1 - .95, the natural logarithm: answers without an error, times the share that may have one
    confidence: float = 3.0


@dataclass(frozen=True)
class VerticesSettings:
    """Inputs where hyperplanes of the first layer meet, and between: deep/vertices.py."""

    # one for so many queries of the search: on a trained 3-32-32-3 a unit that is off at 8 in 100,000 points
    # shows at none of 2,400 others
    share: int = 10
    # least number of them
    least: int = 64
    # sets of units that are listed whole: a second's work
    most: int = 50_000
    # sets times the cube of the inputs: a second's work; above 20 inputs few of all vertices are asked anyhow
    work: int = 300_000_000
    # share of the points that are the nearest vertices
    nearest: float = 0.5
    # for each point, sets that are drawn where there are more
    drawn: int = 2
    # least singular value of rows of length 1 below which they do not meet in a point
    dependent: float = 1e-9
    # distance from a vertex, in usual ones
    beside: float = 1e-5


@dataclass(frozen=True)
class FewFeaturesSettings:
    """Inputs with few features on: falsification/few_features.py.

    Of three trained 6-8-8-1 networks, each copied without a unit that is on at 7, 120 and 200 of 100,000
    inputs ten times as far out as usual, copies are wrong at 2.3, 5.2 and 0 % of such points with one or two
    features on, and at .5, 1.3 and .09 % of those with any number.
    """

    # features on at every other point
    few: int = 2
    # how many times as far out as usual points are, at most
    farthest: float = 100.0
    # distance from hyperplanes to reach, in parts of a coordinate's usual size
    clear: float = 0.3
    # of what is missing, taken in one step: rows that oppose each other share it
    step: float = 0.5
    # by then seven points in ten are where they were wanted, with eight features over six inputs
    steps: int = 30


@dataclass(frozen=True)
class ExtremeRaysSettings:
    """Inputs far out on extreme rays of the known layers' cones: falsification/extreme_rays.py."""

    # one for so many queries of the search behind two known layers or more, where rays are many: of 35 units
    # that are on, or off, at fewer than 1 in 500 points 32 show on the 60 that tell most, and of 67 others 57
    # on 300 drawn at random
    share: int = 32
    # a bound: a second's work
    at_most: int = 1024
    # features on, at most: rays of more are few, as all must be positive where their units are between on
    # and off
    most: int = 8
    # walks, a tenth of a second's work: of those that end on one ray all but one are dropped
    drawn: int = 4096
    # of a layer's features, of each of which the ray counts where it is the largest: rays that tell a unit on
    # in one direction in 1,000
    combinations: int = 4096
    # two rays are one that agree to so many decimals, at length 1
    digits: int = 6
    # slope, and share of the largest singular value, below which rows of length 1 count as dependent
    dependent: float = 1e-9
    # distance from a ray, in parts of the coordinates' size
    beside: float = 1e-5


@dataclass(frozen=True)
class BatchSettings:
    """Many victims in one call: batch.py."""

    # victims in one call of the core, which Ctrl-C loses: enough for all threads, some tenths of a second
    at_a_time: int = 256


FALSIFYING = FalsifyingSettings()
FEW_FEATURES = FewFeaturesSettings()
EXTREME_RAYS = ExtremeRaysSettings()
BATCH = BatchSettings()
VERTICES = VerticesSettings()
