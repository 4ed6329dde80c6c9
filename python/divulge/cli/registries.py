"""The names that the library's registries know; they import torch, so they are asked when a name is read."""

from __future__ import annotations

from collections.abc import Iterable

_LARGEST = 2**31 - 1


def attributions() -> Iterable[str]:
    """Return the attributions that `--attribution` may name."""
    from divulge.evaluation import METHODS

    return METHODS


def answers() -> Iterable[str]:
    """Return the kinds of answers that `--oracle` may name."""
    from divulge.oracles.named import ORACLES

    return ORACLES


def check_defence(name: str, inputs: int = _LARGEST) -> None:
    """Raise ValueError for a defence that there is not, or with a number that cannot be.

    Args:
        name: such as rounded:2, several joined by +.
        inputs: numbers in an input, where they are known.
    """
    from divulge.oracles import CallableOracle
    from divulge.oracles.named import named_defence

    named_defence(name, CallableOracle(lambda point, output: point, inputs))
