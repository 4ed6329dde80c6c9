"""Defences by name."""

from __future__ import annotations

from typing import Any

from divulge.oracles.base import Oracle
from divulge.oracles.defences.budget import Budget
from divulge.oracles.defences.cached import Cached
from divulge.oracles.defences.grouped import Grouped
from divulge.oracles.defences.numbers import Noisy, Rounded
from divulge.oracles.defences.partial import Clipped, Normalized, SignOnly, TopK
from divulge.oracles.defences.prada import Prada
from divulge.oracles.defences.private import Private
from divulge.registry import Entry, Registry

__all__ = ["DEFENCES", "check_defence", "defence_by_name"]


def undefended(oracle: Oracle) -> Oracle:
    """Return an oracle as it is."""
    return oracle


DEFENCES: Registry[Oracle] = Registry(
    "a defence",
    {
        "none": Entry(undefended),
        "rounded": Entry(Rounded, ("decimals", "bits")),
        "noisy": Entry(Noisy, ("sigma", "fixed_per_input", "seed")),
        "private": Entry(Private, ("epsilon", "limit", "delta", "seed")),
        "top": Entry(TopK, ("k", "numbers")),
        "clipped": Entry(Clipped, ("limit",)),
        "cached": Entry(Cached, ("step",)),
        "grouped": Entry(Grouped, ("k",)),
        "sign": Entry(SignOnly),
        "normalized": Entry(Normalized),
        "budget": Entry(Budget, ("queries",)),
        "prada": Entry(Prada, ("threshold", "least")),
    },
)


def defence_by_name(text: str, oracle: Oracle) -> Oracle:
    """Return an oracle behind the defences that a text names: "none", "rounded:6", "rounded:bits=8+top:10".

    The first is the innermost.

    Args:
        text: names of `DEFENCES` with their parameters, joined by +.
        oracle: what is defended.

    Raises:
        ValueError: there is none of that name, or a parameter is unknown, missing or makes no sense.
    """
    for part in check_defence(text):
        oracle = DEFENCES.make(part, oracle)
    return oracle


def check_defence(text: Any) -> list[str]:
    """Return the texts of the single defences, innermost first.

    Raises:
        ValueError: there is none of that name, or a parameter is unknown, missing or no number.
    """
    parts: list[Any] = text.split("+") if isinstance(text, str) else [text]
    for part in parts:
        DEFENCES.parse(part)
    return parts
