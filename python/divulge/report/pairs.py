"""What a report compares: every explanation behind every defence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from divulge.datasets import Dataset
from divulge.errors import UnsupportedModel
from divulge.oracles import Oracle, defence_by_name, oracle_by_name
from divulge.report.live import LiveVictim
from divulge.victims import Victim

Makers = Sequence[str] | Mapping[str, Callable[[Any], Oracle]]
OF_TABLES = ("label", "probability", "shap", "lime", "counterfactual")
OF_NUMBERS = ("value", "shap", "lime")
OF_NETWORKS = ("label", "probability", "gradient", "smoothgrad")


def usual_oracles(victim: Victim, data: Dataset) -> tuple[str, ...]:
    """Return the explanations that are compared where none are named."""
    if victim.predicts_numbers or data.numbers:
        return (*OF_NUMBERS, "gradient") if victim.differentiable else OF_NUMBERS
    if not victim.differentiable:
        return OF_TABLES
    return (*OF_TABLES, "gradient") if data.columns else OF_NETWORKS


def usual_defences(inputs: int, most: int = 20) -> tuple[str, ...]:
    """Return the defences that are compared where none are named, for inputs of so many numbers."""
    return ("none", "rounded:2", f"top:{max(1, min(most, inputs // 3))}")


Pairs = list[tuple[str, str, Oracle]]


def pairs_of(
    victim: Victim | LiveVictim, oracles: Makers, defences: Makers, data: Dataset
) -> tuple[Pairs, tuple[str, ...]]:
    """Every explanation behind every defence, and what was left out, with the reason.

    Defences that change nothing of an answer are left out without a word, and explanations that ask for
    gradients which the model does not have with one.
    """
    made, left_out = [], []
    for name in oracles:
        try:
            oracle_of(name, victim, oracles, data)
        except UnsupportedModel as error:
            left_out.append(f"{name}, {error}")
            continue
        for defence in defences:
            oracle = oracle_of(name, victim, oracles, data)
            if isinstance(defences, Mapping):
                oracle = defences[defence](oracle)
            else:
                oracle = defence_by_name(defence, oracle)
            if defence == "none" or _touches(oracle):
                made.append((name, defence, oracle))
    if not made:
        reason = f"; {left_out[0]}" if left_out else ""
        raise ValueError(
            f"expected at least one oracle with a defence that concerns it, or the defence none{reason}"
        )
    return made, tuple(left_out)


def _touches(oracle: Oracle) -> bool:
    """Whether a defence changes anything that is told: labels of points have no number, a value no part."""
    from divulge.oracles.defences.cached import Cached
    from divulge.oracles.defences.partial import PartialDefence

    inner = oracle
    while hasattr(inner, "oracle"):
        if isinstance(inner, Cached):
            return True
        if isinstance(inner, PartialDefence) and not inner.has_explanations:
            return False
        inner = inner.oracle
    return inner.kind not in ("label", "counterfactual", "rule")


def oracle_of(name: str, victim: Victim | LiveVictim, oracles: Makers, data: Dataset) -> Oracle:
    """Return an oracle of the victim by its name."""
    if isinstance(oracles, Mapping):
        return oracles[name](victim)
    assert isinstance(victim, Victim)
    return oracle_by_name(name, victim, data=data)
