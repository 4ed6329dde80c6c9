"""Whether the window that sides were read with is one unit's: two kinks in one step pass for one."""

from __future__ import annotations

from collections.abc import Sequence

from divulge.reconstruction.convolutional.sides import Frame, origin_of
from divulge.reconstruction.convolutional.walk import Kink, Walk


def certified_window(walk: Walk, frame: Frame, kinks: Sequence[Kink]) -> tuple[bool, list[Kink]]:
    """Return whether a kink that covers a whole window is one alone; if not, the kinks without such.

    Two kinks in one step, taken for one, cover the windows of both, and features of these explain them.

    Args:
        walk: whom to ask: two points for each kink, until one is.
        frame: what is supposed behind the last known layer.
        kinks: of the next layer.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    if frame.whole:
        return True, list(kinks)
    depth = len(walk.known.layers)
    covers = [origin_of(walk.known, depth, frame, kink) is not None for kink in kinks]
    for kink, whole in zip(kinks, covers, strict=True):
        if whole and walk.certified(kink):
            return True, list(kinks)
    return False, [kink for kink, whole in zip(kinks, covers, strict=True) if not whole]
