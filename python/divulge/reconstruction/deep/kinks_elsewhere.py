"""Tells kinks of the second layer's units among positive features from those of a deeper layer's."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.deep.positive_features import PositiveLines
from divulge.reconstruction.one_layer.is_deeper import jump_errors
from divulge.reconstruction.settings import DEEPER, POSITIVE


class KinksElsewhere:
    """Whether kinks' jumps are others elsewhere on their hyperplanes, as those of deeper units are.

    A first line may show one kink or two: so many are looked at in all, whatever lines they are on. Those of
    weak units are not: they are placed too roughly to be met elsewhere. A kink differs that does so at every
    place: at one, far out, a strong unit's hyperplane may be within the step.

    Args:
        transcript: whom to ask about features.
        lines: where places are drawn.
    """

    def __init__(self, transcript: Transcript, lines: PositiveLines) -> None:
        self.transcript, self.lines = transcript, lines
        self.looked = self.differ = 0

    def shown_by(self, kinks: Kinks) -> bool:
        """Ask about these kinks if too few were looked at; return whether several differ by now.

        Raises:
            Stopped: the oracle can be asked no further.
        """
        strong = np.linalg.norm(kinks.jumps, axis=1) > DEEPER.weak * self.transcript.scale
        some = kinks.take(np.flatnonzero(strong)[: POSITIVE.kinks - self.looked])
        if not len(some):
            return False
        places = self.lines.on_hyperplanes(some.points, some.jumps, DEEPER.places)
        wrong = jump_errors(self.transcript, places, some.jumps) > DEEPER.same
        self.looked += len(some)
        self.differ += int(wrong.all(axis=0).sum())
        return self.differ > 1
