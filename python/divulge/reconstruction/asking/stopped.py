"""What ends an attack before its end: the budget, a failing oracle, Ctrl-C. All are caught here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERRUPTED = "interrupted by the user"


class Stopped(Exception):
    """The oracle can be asked no further."""


def until_stopped(work: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """Return what `work` comes to, or `otherwise(why)` where the attack is stopped in the middle of it."""
    try:
        return work()
    except Stopped as stop:
        return otherwise(str(stop))
    except KeyboardInterrupt:
        return otherwise(INTERRUPTED)
