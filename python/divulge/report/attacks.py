"""What an attack that fits the kind of model and what is told comes to, beside copies that learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from divulge.arrays import Index
from divulge.attributions.from_values import Shap
from divulge.datasets import Dataset
from divulge.errors import DivulgeError
from divulge.oracles import Budget, Oracle
from divulge.reconstruction import reconstruct
from divulge.surrogate import additive_copy, linear_copy, tree_copy
from divulge.surrogate.linear_session import CHECKS
from divulge.training.class_scores import named_classes
from divulge.victims import Victim
from divulge.victims.trees import leaves_of, single_tree

SAME = 1e-5  # relative difference of outputs that are the same in float32
MARGIN = 2  # times the queries that an exact linear copy needs


@dataclass(frozen=True)
class Attacked:
    """What an attack on the answers themselves came to, beside copies that learn.

    Attributes:
        queries: answers asked; NaN where no attack fits.
        exact: whether the copy calls itself complete, and gives the model's outputs on the test inputs.
        agreement: share of the test inputs on which it names the model's class; NaN where it names none.
    """

    queries: float = float("nan")
    exact: bool = False
    agreement: float = float("nan")

    def until(self, level: float) -> float:
        """Return the queries at which an agreement was reached, NaN where it was not."""
        return self.queries if self.agreement >= level else float("nan")


def attacked(oracle: Oracle, victim: Victim, data: Dataset, budget: int, seed: int) -> Attacked:
    """Try the attack that fits the model, and return what it came to.

    A chain of linear layers and ReLUs falls to `reconstruct` where gradients are told; a linear model to
    `linear_copy`, a sum of trees whose SHAP values each depend on one number to `additive_copy`, a
    single tree to `tree_copy`. Which of them is tried is told by the model; what it finds is not.

    Args:
        oracle: what is told, behind a defence or not.
        victim: the model behind it.
        data: inputs like those it is for.
        budget: the most queries.
        seed: of every random choice.
    """
    attack = _attack(oracle, victim)
    if attack is None:
        return Attacked()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that values are rounded: the notes say it
            return attack(Budget(oracle, budget), victim, data, seed)
    except (DivulgeError, ValueError, TypeError):
        return Attacked()


Attack = Callable[[Oracle, Victim, Dataset, int], Attacked]


def _attack(oracle: Oracle, victim: Victim) -> Attack | None:
    """What is worth trying."""
    explained = oracle.has_explanations or getattr(_inner(oracle), "nearest", False)
    shap = oracle.has_explanations and isinstance(oracle.attribution, Shap)
    linear = victim.lowered and victim.layers is not None and len(victim.layers.weights) == 1
    if linear and explained:
        return _linear
    if victim.lowered and oracle.has_gradients:
        return _reconstructed
    if single_tree(victim) is not None and explained:
        return _tree
    return _additive if shap and leaves_of(victim) is not None else None


def _reconstructed(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> Attacked:
    result = reconstruct(oracle, seed=seed)
    return Attacked(float(result.queries), exact=True, agreement=1.0) if result.complete else Attacked()


def _linear(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> Attacked:
    if oracle.has_gradients:
        with suppress(DivulgeError, ValueError):
            if (found := _reconstructed(oracle, victim, data, seed)).exact:
                return found
    least = (1 + CHECKS) * victim.output_size
    copy = linear_copy(oracle, data, queries=MARGIN * least, seed=seed)
    test = data.test_inputs.flatten(1)
    return _compared(copy.queries, copy.complete, copy.classes(test), victim.classes(test))


def _additive(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> Attacked:
    return _of_all_outputs(victim, data, partial(additive_copy, oracle, data, seed=seed))


def _tree(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> Attacked:
    if _inner(oracle).kind == "counterfactual":
        copy, test = tree_copy(oracle, data, seed=seed), data.test_inputs.flatten(1)
        return _compared(copy.queries, copy.complete, copy.values(test).astype(np.intp), victim.classes(test))
    return _of_all_outputs(victim, data, partial(tree_copy, oracle, data, seed=seed))


def _of_all_outputs(victim: Victim, data: Dataset, copied: Callable[..., Any]) -> Attacked:
    """Copies of every output of a sum of trees; probabilities of two classes are told by one."""
    test, leaves = data.test_inputs.flatten(1), leaves_of(victim)
    assert leaves is not None
    true = victim.values(test)
    pair = victim.tells_probabilities and victim.output_size == 2
    copies = []
    for output in range(1 if pair else victim.output_size):
        copies.append(copied(output=output, single=leaves.single))
    mine = np.column_stack([copy.values(test) for copy in copies])
    mine = np.column_stack([mine, 1 - mine]) if pair else mine
    same = np.abs(mine - true).max() <= SAME * max(1.0, float(np.abs(true).max()))
    complete = bool(same) and all(copy.complete for copy in copies)
    queries = sum(copy.queries for copy in copies)
    named = (named_classes(outputs, victim.threshold) for outputs in (mine, true))
    return _compared(queries, complete, *named)


def _compared(queries: int, complete: bool, mine: Index, true: Index) -> Attacked:
    agreement = float(np.mean(mine == true))
    return Attacked(float(queries), complete and agreement == 1, agreement)


def _inner(oracle: Oracle) -> Any:
    """The oracle behind all defences."""
    while hasattr(oracle, "oracle"):
        oracle = oracle.oracle
    return oracle
