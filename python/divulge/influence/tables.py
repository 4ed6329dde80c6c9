"""Numbers that are looked up in tables: those without a row, by the table's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["NumberOutOfRange", "tables_checked"]


class NumberOutOfRange(ValueError):
    """A token number without a row in a module's table."""


@contextmanager
def tables_checked(module: nn.Module) -> Iterator[None]:
    """Raise NumberOutOfRange where the module looks up a number that its table has no row for."""
    handles = [
        part.register_forward_pre_hook(_check(name, part.num_embeddings), with_kwargs=True)
        for name, part in module.named_modules()
        if isinstance(part, (nn.Embedding, nn.EmbeddingBag))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check(name: str, rows: int) -> Callable[..., None]:
    def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
        numbers = args[0] if args else kwargs.get("input")
        if not isinstance(numbers, Tensor) or numbers.is_floating_point():
            return
        wrong = numbers[(numbers < 0) | (numbers >= rows)]
        if len(wrong):
            raise NumberOutOfRange(
                f"expected token numbers from 0 to {rows - 1}, for the {rows} rows of {name!r}, "
                f"got {int(wrong[0])}"
            )

    return hook
