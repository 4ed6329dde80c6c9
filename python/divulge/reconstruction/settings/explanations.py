"""Numbers of attacks through explanations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeanGradientSettings:
    """Of networks behind integrated gradients and SmoothGrad."""

    # how far out slopes are those at infinity: offsets of size 1 and 300 steps blur a hyperplane by 6e-7
    # there, and a random point seldom falls into that
    far: float = 2.0**30
    # how near to the baseline all steps share its piece
    near: float = 2.0**-30
    # level at which kinks are first looked for; doubled until they lie within
    first: float = 1.0
    # halvings of a bracket until rounding, and as many doublings before
    most_queries: int = 110
    # width of a bracket, in roundings of a level, that is as narrow as can be
    rounding: float = 1.0
    # part of one step that a count of steps may be off by: half a step is as far as two counts
    step: float = 0.25
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
