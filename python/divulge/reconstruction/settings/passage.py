"""Numbers of layers that hand on what comes into them, and of what units are called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassageSettings:
    """Whether the input is handed on beside the first layer: deep/passage.py."""

    # whose gradients the rows span, or not, before anything is concluded
    answers: int = 30
    # of rows that show on both sides, or of gradients that the rows do not span. Of plain networks none does
    # where the first layer is known, of networks with a passage all but those of dead units
    share: float = 0.5


@dataclass(frozen=True)
class NamedSettings:
    """What units are called: network/named.py."""

    # numbers of a matrix that is decomposed for it: half a GiB
    largest: int = 2**26
    # singular value, relative to the largest, of units that cannot be told apart
    rank: float = 1e-8
    # 1 - cosine of rows that are parallel: both are known to 1e-9 or so
    parallel: float = 1e-12
    # units of one slope that are no coincidence where equations are as many as slopes
    alike: int = 3
    # of a slope that somebody wrote down
    decimals: int = 6
    # distance from one at which it is that: slopes are told to 1e-14
    written: float = 1e-12
    # at which the module of named units is compared with the copy, of each scale
    points: int = 100
    # of these
    scales: tuple[float, ...] = (1.0, 1000.0)


@dataclass(frozen=True)
class SlopesBelowSettings:
    """Slopes of units below 0: deep/slopes_below.py."""

    # beside a unit's hyperplane whose two answers must agree about the slope; asked about at once
    places: int = 4
    # that tell something, of these or more: one alone is no evidence that the ratio is one slope
    least: int = 2
    # in which units that too few places told of are asked about: behind most places something is alive
    rounds: int = 4
    # share of answers that hold more than the rows, beyond which units of the layer are missing, or its input
    # is handed on: points that rounding puts on the wrong side of a deeper hyperplane are some in a hundred
    beyond: float = 0.2
    # share of a row, relative to the largest there, below which its ratio is known to less than 1e-8
    weak: float = 1e-6
    # slope that is rounding
    none: float = 1e-10
    # slope below which a feature that is below 0 counts as not seen: what it shows of a row is lost
    seen: float = 1e-3
    # points from which the usual sizes of features are read
    samples: int = 200


PASSAGE = PassageSettings()
SLOPES_BELOW = SlopesBelowSettings()
NAMED = NamedSettings()
