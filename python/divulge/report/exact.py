"""How many queries an exact copy takes: by the attack that fits the kind of model and what is told."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from divulge.attributions.from_values import Shap
from divulge.datasets import Dataset
from divulge.errors import DivulgeError
from divulge.oracles import Budget, Oracle
from divulge.reconstruction import reconstruct
from divulge.surrogate import additive_copy, linear_copy, tree_copy
from divulge.surrogate.linear_session import CHECKS
from divulge.victims import Victim
from divulge.victims.trees import leaves_of, single_tree

SAME = 1e-5  # relative difference of outputs that are the same in float32
MARGIN = 2  # times the queries that an exact linear copy needs


def exact_queries(oracle: Oracle, victim: Victim, data: Dataset, budget: int, seed: int) -> float:
    """Return how many queries an exact copy takes, NaN where none is reached.

    A chain of linear layers and ReLUs falls to `reconstruct` where gradients are told; a linear model to
    `linear_copy`, a sum of trees whose SHAP values each depend on one number to `additive_copy`, a
    single tree to `tree_copy`. Which of them is tried is told by the model; what it finds is not: a copy
    counts that calls itself complete, and that gives the model's outputs on the data's test inputs.

    Args:
        oracle: what is told, behind a defence or not.
        victim: the model behind it.
        data: inputs like those it is for.
        budget: the most queries.
        seed: of every random choice.
    """
    told = float("nan")
    for attack in _attacks(oracle, victim):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # that values are rounded: the notes say it
                told = attack(Budget(oracle, budget), victim, data, seed)
        except (DivulgeError, ValueError, TypeError):
            continue
        if not np.isnan(told):
            break
    return told


Attack = Callable[[Oracle, Victim, Dataset, int], float]


def _attacks(oracle: Oracle, victim: Victim) -> list[Attack]:
    """What is worth trying."""
    explained = oracle.has_explanations or getattr(_inner(oracle), "nearest", False)
    shap = oracle.has_explanations and isinstance(oracle.attribution, Shap)
    linear = victim.lowered and victim.layers is not None and len(victim.layers.weights) == 1
    if linear and explained:
        return [_linear]
    if victim.lowered and oracle.has_gradients:
        return [_reconstructed]
    if single_tree(victim) is not None and explained:
        return [_tree]
    return [_additive] if shap and leaves_of(victim) is not None else []


def _reconstructed(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> float:
    result = reconstruct(oracle, seed=seed)
    return float(result.queries) if result.complete else float("nan")


def _linear(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> float:
    least = (1 + CHECKS) * victim.output_size
    copy = linear_copy(oracle, data, queries=MARGIN * least, seed=seed)
    if not copy.complete:
        return float("nan")
    test = data.test_inputs.flatten(1)
    same = bool((copy.classes(test) == victim.classes(test)).all())
    return float(copy.queries) if same else float("nan")


def _additive(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> float:
    return _of_all_outputs(victim, data, partial(additive_copy, oracle, data, seed=seed))


def _tree(oracle: Oracle, victim: Victim, data: Dataset, seed: int) -> float:
    if _inner(oracle).kind == "counterfactual":
        copy = tree_copy(oracle, data, seed=seed)
        test = data.test_inputs.flatten(1)
        same = bool((copy.values(test) == victim.classes(test)).all())
        return float(copy.queries) if copy.complete and same else float("nan")
    return _of_all_outputs(victim, data, partial(tree_copy, oracle, data, seed=seed))


def _of_all_outputs(victim: Victim, data: Dataset, copied: Callable[..., Any]) -> float:
    """Queries for every output of a sum of trees; probabilities of two classes are told by one."""
    test, leaves = data.test_inputs.flatten(1), leaves_of(victim)
    assert leaves is not None
    true = victim.values(test)
    pair = victim.tells_probabilities and victim.output_size == 2
    queries = 0
    for output in range(1 if pair else victim.output_size):
        copy = copied(output=output, single=leaves.single)
        off = np.abs(copy.values(test) - true[:, output]).max()
        if not copy.complete or off > SAME * max(1.0, float(np.abs(true).max())):
            return float("nan")
        queries += copy.queries
    return float(queries)


def _inner(oracle: Oracle) -> Any:
    """The oracle behind all defences."""
    while hasattr(oracle, "oracle"):
        oracle = oracle.oracle
    return oracle
