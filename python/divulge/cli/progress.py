"""What is shown while the attack runs, and what is noted of it on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.markup import escape

from divulge.conventions import OnProgress
from divulge.progress_bar import terminal_bars
from divulge.victims import Victim

if TYPE_CHECKING:
    from divulge.points import Points
    from divulge.reconstruction import Progress

# The error on the way is measured on few points, and only when the queries have grown by this factor.
_CURVE_POINTS = 1000
_CURVE_STEP = 1.05


class Curve:
    """The error of the unfinished copy against the number of queries.

    Args:
        victim: the model under study.
        points: where to measure, shape (n, ...), or None for standard normal points.

    Attributes:
        points: (queries, units, max|f - f^|), in the order in which they were noted.
    """

    def __init__(self, victim: Victim, points: Points | None) -> None:
        if points is None:
            points = np.random.default_rng(0).standard_normal((_CURVE_POINTS, victim.input_size))
        self._inputs = victim.as_points(points[:_CURVE_POINTS])  # type: ignore[index]
        self._true = victim.values(self._inputs)
        self._input_shape = (victim.input_size,)
        self.points: list[tuple[int, int, float]] = []

    def note(self, progress: Progress) -> None:
        """Measure the copy as it is now, unless it is empty or little has happened since the last time."""
        if not progress.units or (self.points and progress.queries < _CURVE_STEP * self.points[-1][0]):
            return
        copy = progress.copy()
        if copy is None:
            return
        values = Victim(copy, self._input_shape, lower=False).values(self._inputs)
        if values.shape == self._true.shape:
            error = float(np.abs(values - self._true).max())
            self.points.append((progress.queries, progress.units, error))


def _counts(units: int, queries: int) -> str:
    """Say how far a search has come."""
    found = f"{units} unit{'' if units == 1 else 's'} found" if units else "none found yet"
    return f": {found}, {queries:,} quer{'y' if queries == 1 else 'ies'}"


class ProgressDisplay:
    """A line on standard error that says what is going on; plain lines where that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = terminal_bars(self._console)
        self._task = self._live.add_task("", total=None)
        self._said = ""

    def __enter__(self) -> ProgressDisplay:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, stage: str, counts: str = "") -> None:
        """Show a stage with its counts; without a terminal each stage is printed once."""
        if stage != self._said:
            self._live.remove_task(self._task)
            self._task = self._live.add_task("", total=None)
            if self._live.disable:
                self._console.print(f"{stage}{counts}")
        self._live.update(self._task, description=escape(f"{stage}{counts}"))
        self._said = stage

    def tell(self, sentence: str) -> None:
        """Write a line that stays above what goes on."""
        self._console.print(escape(sentence), soft_wrap=True)

    def steps(self, stage: str) -> OnProgress:
        """Say a stage, and return what draws its bar, called with the steps done and how many there are."""
        self.say(stage)

        def note(done: int, total: int) -> None:
            self._live.update(self._task, completed=done, total=total)

        return note

    def attack(self, curve: Curve | None) -> Callable[[Progress], None]:
        """Return what the attack calls as it goes on."""

        def note(progress: Progress) -> None:
            self.say(progress.stage, _counts(progress.units, progress.queries))
            if curve is not None:
                curve.note(progress)

        return note


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Note each Ctrl-C in a list, besides raising KeyboardInterrupt as usual."""
    noted: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
