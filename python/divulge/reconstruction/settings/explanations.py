"""Numbers of attacks through explanations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeanGradientSettings:
    """Of networks behind integrated gradients and SmoothGrad."""

    # how far out slopes are those at infinity: of the whole way a part of 1e-18 lies before a kink at 1
    far: float = 2.0**60
    # how near to the baseline all steps share its piece
    near: float = 2.0**-30
    # level at which kinks are first looked for; doubled until they lie within
    first: float = 1.0
    # halvings of a bracket until rounding, and as many doublings before
    most_queries: int = 110
    # width of a bracket, in roundings of a level, that is as narrow as can be
    rounding: float = 1.0
    # part of one step that a count of steps may be off by at most: half a step is as far as two counts
    step: float = 0.25
    # roundings of the gradients that a share is read from by which it may be off: at most 11 in 2700 answers,
    # and 1e11 where one of two parallel units was on
    counted: float = 100.0
    # share of the whole way behind a kink from which on it is read: nearer to it rounding counts more
    behind: float = 0.1
    # distances from kinks, relative, at which the whole way is asked about once more: two parallel units pass
    # for one where they lie nearer to each other
    beside: tuple[float, ...] = (1e-2, 1e-4, 1e-6, 1e-8)
    # steps, as shares of all, beside which explanations without values are asked: places of other rules, such
    # as Gauss', differ most from the middles at the first
    steps_tried: tuple[float, ...] = (0.0, 1 / 3, 2 / 3)
    # relative distance from a kink so: nearer than the next of 1000 steps, farther than rounding in float32
    beside_step: float = 1e-3
    # answers from which the number of steps is read, where it is not the one that is said: of 8 units 100
    # shares, which seldom miss a divisor
    draws: int = 16
    # powers of 2 between which their levels lie: kinks of networks that learned are of sizes 0.1 to 10
    drawn: tuple[float, float] = (-6.0, 10.0)
    # steps up to which so: papers take 20 to 300
    most_steps: int = 1000
    # part of a step by which a number of them may be off whole at most, then: a tenth tells ten steps apart
    whole: float = 0.1
    # levels beyond all kinks, from which values tell offsets, tried in turn: rounding grows with them
    reaches: tuple[float, ...] = (2.0**8, 2.0**16, 2.0**24)
    # how far beyond the farthest kink values are asked once more: noise of 15% of the range ends before it
    # where kinks lie as far as inputs
    beyond: float = 4.0
    # values more than unknowns, which must be explained
    surplus: int = 8


@dataclass(frozen=True)
class SpanSettings:
    """Of networks behind explanations that lie in the span of the first layer's rows."""

    # answers beyond the span's rank that must lie in it
    surplus: int = 8
    # rank, relative to the inputs, up to which asking in the span pays: r + 1 queries for a gradient there,
    # d + 1 in all inputs
    share: float = 0.5
    # answers that are asked first
    first: int = 16
    # how much farther every second point lies: units that are seldom on near the origin show there
    far: float = 30.0
    # values at fresh inputs, beyond the span, that a copy is compared with, and as many far out
    checks: int = 16


MEAN_GRADIENTS = MeanGradientSettings()
SPANNED = SpanSettings()
