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
    # images that a copy with such units is tested at beside others, and their sizes: a channel of a trained
    # classifier, on at 4 to 5 % of images whatever their size, was missing from a copy called complete
    # that 48 had tested; so many more lack it with a chance of 3 %, all together with one of 0.4 %
    fresh: int = 72
    # likewise
    sizes: tuple[float, float] = (1.0, 10.0)
    # features of a window that are not constant, so that a jump is a channel's and no other's
    features: int = 4


CONV_ENDS = ConvEndsSettings()
