"""A bar for whatever takes `progress=`: in notebooks, in terminals, and as one line in a log."""

from __future__ import annotations

from html import escape
from numbers import Integral
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from divulge.reconstruction import Progress

__all__ = ["ProgressBar"]


class ProgressBar:
    """Shows how far a work has come: pass it as `progress=`.

    In a notebook it is one line of HTML that changes in place, and needs no widgets; in a terminal it is a
    line on standard error that goes away when the work is done; elsewhere the stage is printed once. It ends
    by itself where the number of parts is known, else with the `with` block.

    Args:
        stage: what is being done.

    Example: `divulge.leak_report(victim, data, progress=divulge.ProgressBar("learning copies"))`.

    Raises:
        TypeError: the stage is no text.
    """

    def __init__(self, stage: str = "working") -> None:
        if not isinstance(stage, str):
            raise TypeError(f"expected a stage as text, got {type(stage).__name__}")
        self.stage = stage
        self._shown: Any = None

    def __call__(self, done: int | Progress, total: int | None = None) -> None:
        """Show the parts done and the number of all, where it is known, or a `divulge.Progress`."""
        if isinstance(done, (int, Integral)):
            of = "" if total is None else f" of {int(total):,}"
            self._show(f"{self.stage}: {int(done):,}{of}", int(done), total)
            if done == total:
                self.close()
        else:
            self._show(f"{done.stage}: {done.units:,} units, {done.queries:,} queries", None, None)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the line; the next call begins another."""
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _show(self, text: str, done: int | None, total: int | None) -> None:
        if self._shown is None:
            self._shown = _InNotebook() if in_notebook() else _InTerminal(self.stage)
        self._shown.show(text, done, total)


def in_notebook() -> bool:
    """Return whether this runs in a kernel whose output is a notebook."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class _InNotebook:
    """A line of HTML that is replaced as it changes."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, done: int | None, total: int | None) -> None:
        share = "" if done is None or not total else f' value="{done}" max="{total}"'
        html = f'<progress{share} aria-hidden="true"></progress> {escape(text)}'
        line = {"text/html": html, "text/plain": text}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(line, raw=True, display_id=True)
        else:
            self._handle.update(line, raw=True)

    def close(self) -> None:
        self._handle = None


def terminal_bars(console: Console) -> Bars:
    """Return bars that go away when the work is done, and draw nothing where the console is no terminal.

    One whose end is not known shows no share and no time left, and moves to and fro.
    """
    from rich import progress

    columns = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    )
    return progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _InTerminal:
    """A bar on standard error, or one printed line where that is no terminal."""

    def __init__(self, stage: str) -> None:
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        self._bars = terminal_bars(console)
        if self._bars.disable:
            console.print(stage, markup=False)
        self._task = self._bars.add_task("", total=None)
        self._bars.start()

    def show(self, text: str, done: int | None, total: int | None) -> None:
        from rich.markup import escape as plain

        self._bars.update(self._task, description=plain(text), completed=done, total=total)

    def close(self) -> None:
        self._bars.stop()
