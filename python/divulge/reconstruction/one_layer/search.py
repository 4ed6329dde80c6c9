"""What every search for one hidden layer has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.network.fit import Fit

Report = Callable[[Fit], None]


@dataclass(frozen=True)
class Found:
    """What a search ended with.

    Attributes:
        fit: units and affine part over all answers.
        certificate: largest relative residual on fresh queries, infinite where none was asked.
        solved: whether the fit explains every answer, the fresh ones too.
        deeper: whether jumps were found to be others elsewhere: this is no single hidden layer.
        unexplained: a sentence on what noise hides, empty where there is nothing to say.
        stopped: why the oracle could be asked no further, empty where it could.
    """

    fit: Fit
    certificate: float
    solved: bool
    deeper: bool = False
    unexplained: str = ""
    stopped: str = ""


class Search(ABC):
    """A search for the units of one hidden layer behind one output.

    Args:
        transcript: whom to ask, and the answers so far.
        lines: along which lines.
        report: called with the best fit whenever there is a new one.

    Attributes:
        best: the best fit so far.
    """

    def __init__(self, transcript: Transcript, lines: Lines, report: Report) -> None:
        self.transcript = transcript
        self.lines = lines
        self.report = report
        self.best = Fit.nothing(lines.input_size)

    def run(self) -> Found:
        """Search to the end, or until the oracle can be asked no further."""
        return until_stopped(self.rounds, lambda why: Found(self.best, np.inf, solved=False, stopped=why))

    @abstractmethod
    def rounds(self) -> Found:
        """Search to the end.

        Raises:
            Stopped: the oracle can be asked no further.
        """
