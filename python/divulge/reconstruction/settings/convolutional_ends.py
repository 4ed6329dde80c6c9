"""Numbers of the search for where units of convolutions are cut off above."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvEndsSettings:
    """Units that are cut off above: convolutional/ends.py."""

    # images of one colour drawn, and asked about until one has a gradient: one query, as a rule
    drawn: int = 64
    # likewise
    bright: int = 6
    # their size, and noise, of it: known filters are some thousand times as far up as they need to be
    brightness: float = 1e5
    # likewise
    grain: float = 1e-3
    # size of the points walked to for ends: filters of norm .6, as torch draws them, are cut off at 10 times
    # what usual noise makes of them
    reach: float = 10.0
    # steps of such a walk, a bound
    steps: int = 400
    # and for ends of the next layer, until so many steps have shown no more
    wide: float = 3.0
    # likewise
    patience: int = 20
    # ways on which a channel's end is looked for, and steps up to the beginning of each
    tries: int = 2
    # likewise
    climb: int = 60
    # features of a window that are not constant, so that a jump is a channel's and no other's
    features: int = 4


CONV_ENDS = ConvEndsSettings()
