"""What an attack that fits the kind of model and what is told comes to, beside copies that learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.from_values import Shap
from divulge.datasets import Dataset
from divulge.errors import DivulgeError
from divulge.oracles import Budget, Oracle
from divulge.reconstruction import reconstruct
from divulge.reconstruction.asking.stopped import INTERRUPTED
from divulge.surrogate import additive_copy, linear_copy, tree_copy
from divulge.surrogate.linear_session import CHECKS
from divulge.surrogate.measure_numbers import explained_share
from divulge.training.class_scores import named_classes
from divulge.victims import Victim
from divulge.victims.trees import leaves_of, single_tree

SAME = 1e-5  # relative difference of outputs that are the same in float32
NOTES = 2  # that are said of an attack; others are counted
MARGIN = 2  # times the queries that an exact linear copy needs


@dataclass(frozen=True)
class Attacked:
    """What an attack on the answers themselves came to, beside copies that learn.

    Attributes:
        attack: the function that was tried, such as "linear_copy"; "" where none fits.
        queries: answers asked; NaN where there is no copy.
        exact: whether the copy calls itself complete, names the model's class of all test inputs and of fresh
            ones, and of trees, or where numbers are predicted, gives its outputs there.
        agreement: share of the test inputs on which it names the model's class, or of the variance of the
            model's numbers there that it explains; NaN where it tells none.
        note: what kept the copy from being exact; "" where it is or none fits.
    """

    attack: str = ""
    queries: float = float("nan")
    exact: bool = False
    agreement: float = float("nan")
    note: str = ""

    def until(self, level: float) -> float:
        """Return the queries at which an agreement was reached, NaN where it was not."""
        return self.queries if self.agreement >= level else float("nan")

    def words(self) -> str:
        """Return the attack and what it came to; "" where none fits."""
        if not self.attack or self.exact:
            return f"{self.attack} is exact" if self.exact else ""
        return f"{self.attack} is not exact: {self.note}"


def attacked(oracle: Oracle, victim: Victim, data: Dataset, budget: int, seed: int) -> Attacked:
    """Try the attack that fits the model, and return what it came to.

    A chain of linear layers and ReLUs falls to `reconstruct` where gradients are told; a linear model to
    `linear_copy`, a sum of trees whose SHAP values each depend on one number to `additive_copy`, a
    single tree to `tree_copy`. Which of them is tried, and whether trees read float32, is told by the model,
    as if whoever asks knew its kind or tried them all; what the attack finds is told by answers alone.

    Args:
        oracle: what is told, behind a defence or not.
        victim: the model behind it.
        data: inputs like those it is for.
        budget: the most queries.
        seed: of every random choice.

    Raises:
        KeyboardInterrupt: the user interrupted the attack.
    """
    attack = _attack(oracle, victim)
    if attack is None:
        return Attacked()
    case = _Case(Budget(oracle, budget), victim, data, seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # that values are rounded: the notes say it
            return attack(case)
    except (DivulgeError, ValueError, TypeError) as error:
        return Attacked(_NAMES[attack], note=str(error))


@dataclass(frozen=True)
class _Case:
    """One attack: what it asks, and what its copy is compared with."""

    oracle: Oracle
    victim: Victim
    data: Dataset
    seed: int

    @cached_property
    def test(self) -> Array:
        """The test inputs (n, d)."""
        return np.asarray(self.data.test_inputs.flatten(1), np.float64)

    @cached_property
    def fresh(self) -> Array:
        """As many inputs as there are test inputs, (n, d), each number drawn from those of all of them."""
        return np.random.default_rng(self.seed).permuted(self.test, axis=0)

    @cached_property
    def numbers(self) -> bool:
        """Whether numbers are predicted, and no classes named."""
        return self.victim.predicts_numbers or self.data.numbers

    def compared(self, copy: _Copy, told: Callable[[Array], Array | Index], same: bool = True) -> Attacked:
        """Compare what a copy tells of inputs, classes or numbers (n, K), with what the model does.

        Args:
            copy: the copy.
            told: what it tells.
            same: whether outputs are alike.
        """
        said = [str(note) for note in copy.notes]
        try:
            mine: list[Any] = [told(inputs) for inputs in (self.test, self.fresh)]
        except ValueError as error:  # as where offsets are not known
            return Attacked(copy.attack, float(copy.queries), note="; ".join([*said, str(error)]))
        truth = self.victim.values if self.numbers else self.victim.classes
        true: list[Any] = [truth(inputs) for inputs in (self.test, self.fresh)]
        if self.numbers:
            agreement = explained_share(mine[0], true[0])
            alike = same and same_values(np.concatenate(mine), np.concatenate(true), numbers=True)
        else:
            agreement = float((mine[0] == true[0]).mean())
            alike = same and all((named == known).all() for named, known in zip(mine, true, strict=True))
        if not alike:
            said.insert(0, "inputs that were not asked about refute it")
        exact = copy.complete and alike
        if len(said) > NOTES:  # one for each output, mostly
            said[NOTES:] = [f"and {len(said) - NOTES} notes more"]
        note = "" if exact else "; ".join(said) or "fresh answers refute it"
        return Attacked(copy.attack, float(copy.queries), exact, agreement, note)


def same_values(told: Array, true: Array, numbers: bool = False) -> bool:
    """Whether outputs (n, K) are the same in float32; predicted numbers beside how far they differ."""
    off, largest = np.abs(told - true).max(axis=0), np.abs(true).max(axis=0)
    if not numbers:
        return bool(off.max() <= SAME * max(1.0, float(largest.max())))
    rounding = 2 * np.finfo(np.float32).eps * largest
    return bool((off <= SAME * np.ptp(true, axis=0) + rounding).all())


@dataclass(frozen=True)
class _Copy:
    """What all attacks tell of their copies."""

    attack: str
    queries: int
    complete: bool
    notes: Sequence[object]


Attack = Callable[[_Case], Attacked]


def _attack(oracle: Oracle, victim: Victim) -> Attack | None:
    """What is worth trying."""
    rules = oracle.kind == "rule"
    explained = oracle.has_explanations or rules or getattr(_inner(oracle), "nearest", False)
    shap = oracle.has_explanations and isinstance(oracle.attribution, Shap)
    linear = victim.lowered and victim.layers is not None and len(victim.layers.weights) == 1
    if linear and explained:
        return _linear
    if victim.lowered and oracle.has_gradients:
        return _reconstructed
    if single_tree(victim) is not None and explained:
        return _tree
    return _additive if shap and leaves_of(victim) is not None else None


def _reconstructed(case: _Case) -> Attacked:
    found = _whole(reconstruct(case.oracle, seed=case.seed))
    mine = Victim(found.module, (case.victim.input_size,))
    copy = _Copy("reconstruct", found.queries, found.complete, found.notes)
    return case.compared(copy, mine.values if case.numbers else mine.classes)


def _linear(case: _Case) -> Attacked:
    if case.oracle.has_gradients:
        with suppress(DivulgeError, ValueError):  # `linear_copy` is tried then
            if (found := _reconstructed(case)).exact:
                return found
    least = (1 + CHECKS) * case.victim.output_size
    copy = linear_copy(case.oracle, case.data, queries=MARGIN * least, seed=case.seed)
    told = copy.values if case.numbers else copy.classes
    return case.compared(_Copy("linear_copy", copy.queries, copy.complete, copy.notes), told)


def _additive(case: _Case) -> Attacked:
    return _of_all_outputs(case, "additive_copy", partial(additive_copy, case.oracle, case.data))


def _tree(case: _Case) -> Attacked:
    if _inner(case.oracle).kind not in ("counterfactual", "rule"):
        return _of_all_outputs(case, "tree_copy", partial(tree_copy, case.oracle, case.data))
    leaves = leaves_of(case.victim)
    assert leaves is not None
    copy = _whole(tree_copy(case.oracle, case.data, single=leaves.single, seed=case.seed))
    told = _Copy("tree_copy", copy.queries, copy.complete, copy.notes)
    return case.compared(told, lambda points: copy.values(points).astype(np.intp))


_NAMES: dict[Attack, str] = {
    _reconstructed: "reconstruct",
    _linear: "linear_copy",
    _additive: "additive_copy",
    _tree: "tree_copy",
}


def _of_all_outputs(case: _Case, attack: str, copied: Callable[..., Any]) -> Attacked:
    """Copies of every output of a sum of trees; probabilities of two classes are told by one."""
    victim, leaves = case.victim, leaves_of(case.victim)
    assert leaves is not None
    pair = victim.tells_probabilities and victim.output_size == 2
    outputs = range(1 if pair else victim.output_size)
    copies = [_whole(copied(output=output, single=leaves.single, seed=case.seed)) for output in outputs]

    def values(points: Array) -> Array:
        told = np.column_stack([copy.values(points) for copy in copies])
        return np.column_stack([told, 1 - told]) if pair else told

    inputs = np.concatenate([case.test, case.fresh])
    true = victim.values(inputs)
    same = same_values(values(inputs), true, case.numbers)
    notes = list(dict.fromkeys(note for copy in copies for note in copy.notes))
    queries = sum(copy.queries for copy in copies)
    told = _Copy(attack, queries, all(copy.complete for copy in copies), notes)
    if case.numbers:
        return case.compared(told, values, same)
    return case.compared(told, lambda points: named_classes(values(points), victim.threshold), same)


def _whole(found: Any) -> Any:
    """Return what an attack found; where the user ended it raise KeyboardInterrupt, which ends the report."""
    if any(INTERRUPTED in str(note) for note in found.notes):
        raise KeyboardInterrupt
    return found


def _inner(oracle: Oracle) -> Any:
    """The oracle behind all defences."""
    while hasattr(oracle, "oracle"):
        oracle = oracle.oracle
    return oracle
