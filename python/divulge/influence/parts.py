"""Inputs of one array, or of several by name or in a row: what holds for each holds for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["is_plain", "leaves", "mapped", "rows_of"]


def is_plain(inputs: Any) -> bool:
    """Whether there is one array, and no dict or tuple of them."""
    return not isinstance(inputs, (Mapping, tuple))


def mapped(function: Callable[[Any], Any], inputs: Any) -> Any:
    """Return inputs of the same form, a function applied to each array."""
    if isinstance(inputs, Mapping):
        return {name: function(part) for name, part in inputs.items()}
    return tuple(map(function, inputs)) if isinstance(inputs, tuple) else function(inputs)


def leaves(inputs: Any) -> Iterator[tuple[str, Any]]:
    """Yield each array with what to call it in a message: " 'mask'", " number 1", or nothing."""
    if isinstance(inputs, Mapping):
        yield from ((f" {name!r}", part) for name, part in inputs.items())
    elif isinstance(inputs, tuple):
        yield from ((f" number {i}", part) for i, part in enumerate(inputs))
    else:
        yield "", inputs


def rows_of(inputs: Any) -> int:
    """Return the number of samples."""
    return len(next(leaves(inputs))[1])
