"""Far out, where a mean gradient is the gradient of the network without its offsets."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.one_layer.by_gradients_alone import GradientSearch
from divulge.reconstruction.settings import MEAN_GRADIENTS


class FarOutput(AskedOutput):
    """One output, asked so far out that only directions count; gradients alone are told.

    Args:
        asked: the output, as it is asked near the origin.
    """

    def __init__(self, asked: AskedOutput) -> None:
        super().__init__(asked._oracle, asked._output)
        self.tells_values = False

    def native(self) -> None:
        """Return None: the compiled core asks as near as it is told."""

    def query(self, points: Array) -> tuple[None, Array | None]:
        """Return the gradients (n, d) far out in the direction of points (n, d).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        return None, super().query(MEAN_GRADIENTS.far * points)[1]


class FarSearch(GradientSearch):
    """Finds the rows and sides of the units; their hyperplanes all pass through the origin."""

    def bisect_offsets(self) -> None:
        """Read sides from the ends of the edges that show the units; offsets do not show so far out."""
        jumps = self.best.units.jumps[:, :-1]
        left, right = (np.einsum("hd,hd->h", jumps, self.transcript.points[end, :-1]) for end in self.ends)
        sides = np.where(right < left, -1.0, 1.0)
        units = Units(np.column_stack([jumps, np.zeros(len(jumps))]), sides)
        self.best = Fit(units, self.best.base, 0.0)


def far_units(asked: AskedOutput, lines: Lines, noise: float) -> Fit | None:
    """Return the jumps (h, d) and the base of one output, all offsets 0; None where rows are not independent.

    Args:
        asked: the output.
        lines: what draws.
        noise: relative error of an answer.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    transcript = Transcript(FarOutput(asked))
    transcript.noise = max(transcript.noise, noise)
    search = FarSearch(transcript, lines.anew(), lambda fit: None)
    found = search.rounds()
    return found.fit if found.solved else None
