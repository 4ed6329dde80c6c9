"""Trees and sums of trees rebuilt from what an oracle tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from divulge.arrays import Array
from divulge.oracles import CounterfactualOracle, Oracle
from divulge.oracles.ledger import whole
from divulge.points import as_matrix
from divulge.surrogate.boxes import ToldLeaves
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.shap_session import Ranges, box_of, finite_rows, shap_session
from divulge.surrogate.threshold_search import ThresholdSearch
from divulge.surrogate.thresholds import Thresholds
from divulge.surrogate.tree_from_counterfactuals import BordersOfTree
from divulge.surrogate.tree_from_regions import RegionsOfTree
from divulge.surrogate.tree_from_rules import RulesOfTree
from divulge.surrogate.tree_from_values import RebuiltFromValues, told_by
from divulge.surrogate.tree_terms import Terms

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.points import Points


@dataclass(frozen=True)
class TreeCopy:
    """A tree, or a sum of trees, as SHAP values told it.

    Attributes:
        known: the thresholds of each number.
        model: a `GrownTree` or `ToldLeaves` over their bins, a polynomial (`Terms`) in what lies right of
            them; None where nothing was told.
        base: what SHAP values add up from; NaN where no values are told with the explanations.
        output: which output of the model.
        queries: answers asked.
        complete: whether fresh answers are explained; of a tree that classes or values alone tell among them
            those at both sides of each border of each leaf. A leaf inside of these is not excluded.
        notes: sentences on what is left open.
        single: whether inputs are compared in float32.
    """

    known: Thresholds
    model: GrownTree | ToldLeaves | Terms | None
    base: float
    output: int
    queries: int
    complete: bool
    notes: tuple[str, ...]
    single: bool

    @property
    def thresholds(self) -> tuple[Array, ...]:
        """For each number of an input its thresholds: the first number right of each, rising."""
        return tuple(self.known.right)

    def values(self, points: Points) -> Array:
        """Return values f(x), shape (n,), of points (n, d)."""
        x = as_matrix(points, len(self.known.low))
        held = x.astype(np.float32).astype(np.float64) if self.single else x
        if self.model is None:
            return np.full(len(x), self.base)
        return self.base + told_by(self.model, self.known, self.known.bins(held))


def tree_copy(
    oracle: Oracle,
    data: Dataset | None = None,
    *,
    ranges: Ranges | None = None,
    output: int | None = None,
    single: bool = True,
    regions: bool = False,
    most: int = 5000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TreeCopy:
    """Rebuild a decision tree, or a sum of trees, from its SHAP values.

    One number is moved at a time, and every jump of the SHAP values is bisected to neighbouring numbers;
    inputs between the same thresholds that are told apart show others. Where few values occur a single tree
    is grown, and answers asked for where they run out. Else f is a polynomial in the bits "x_i is right of
    t", with a term for each set of thresholds on one path: crossing each of them changes the SHAP values of
    the others' numbers. Its coefficients are solved for, and a few more terms looked for in what is left.

    Of counterfactuals that are the nearest inputs of another class each lies at thresholds of a single tree,
    which it tells; inputs between the same thresholds that are told apart are brought nearer to each other
    until what parts them is the nearest. The tree is grown of classes then, which are its values.

    Of rules in words, "because income > 3 and age <= 40", each tells a whole leaf: what no rule covers is
    asked about, an answer for each leaf, and the two sides of each threshold at last. Classes are the values.

    Args:
        oracle: tells SHAP values, path-dependent ones or against any background, counterfactuals, or rules;
            or values beside another explanation, such as LIME, which tell a single tree.
        data: whose training inputs' ranges are asked about, between which thresholds are looked for first.
        ranges: the box that is asked about, (low, high), numbers or shape (d,); by default the data's.
        output: which output; None for the oracle's own.
        single: whether the model reads its inputs in float32, as scikit-learn's and XGBoost's trees do; False
            for float64, as LightGBM and boosting on histograms do.
        regions: whether counterfactuals may be asked for inside of a box, which takes far fewer answers:
            what they then show is certain if they are right (`CounterfactualOracle.within`, of a single
            tree), which fresh inputs check.
        most: thresholds from which on the search is given up, as SHAP values that are rounded or noisy look
            like so many.
        seed: of random inputs.
        progress: called after each answer with the answers so far and the thresholds found.

    Returns:
        The copy. Where the budget ends, the oracle fails or the user interrupts, it holds what is known, with
        `complete` False and the reason in `notes`.

    Raises:
        TypeError: the oracle is none, or tells neither SHAP values nor values beside explanations nor
            counterfactuals nor rules.
        ValueError: neither data nor ranges, or ranges that are empty, not finite, of another length or
            outside the oracle's domain; or an output that there is not, or of which it does not tell.
    """
    if regions and getattr(oracle, "kind", None) != "counterfactual":
        raise TypeError(f"expected a CounterfactualOracle where regions are asked for, got {oracle!r}")
    if isinstance(oracle, Oracle) and oracle.kind == "counterfactual":
        if regions:
            return _from_regions(oracle, data, ranges, single, whole("a seed", seed), progress)
        return _from_counterfactuals(oracle, data, ranges, single, whole("a seed", seed), progress)
    if isinstance(oracle, Oracle) and oracle.kind == "rule":
        return _from_rules(oracle, data, ranges, single, whole("a seed", seed), progress)
    session = shap_session(oracle, data, ranges, output, single, values=True)
    hints = finite_rows(oracle, data)
    if hints is not None:
        hints = session.read(np.clip(hints, session.low, session.high))
    rng = np.random.default_rng(whole("a seed", seed))
    search = ThresholdSearch(session, rng, hints, whole("a number of thresholds", most), progress)
    told = RebuiltFromValues(session, search, rng)
    complete = told.run()
    return TreeCopy(
        search.known, told.model, session.base, session.output, session.queries,
        complete, tuple(told.notes), session.single,
    )  # fmt: skip


def _from_counterfactuals(
    oracle: Oracle,
    data: Dataset | None,
    ranges: Ranges | None,
    single: bool,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> TreeCopy:
    """Rebuild one tree from the nearest inputs of other classes."""
    low, high = _held_box(oracle, data, ranges, single)
    rows = _held_rows(oracle, data, low, high)
    told = BordersOfTree(oracle, Thresholds(low, high), single, rows, np.random.default_rng(seed), progress)
    complete = told.run()
    return TreeCopy(told.began, told.tree, 0.0, 0, told.asked, complete, tuple(told.notes), single)


def _from_regions(
    oracle: Oracle,
    data: Dataset | None,
    ranges: Ranges | None,
    single: bool,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> TreeCopy:
    """Rebuild one tree from the nearest inputs of other classes in boxes."""
    if not isinstance(oracle, CounterfactualOracle):
        raise TypeError(f"expected a CounterfactualOracle where regions are asked for, got {oracle!r}")
    low, high = _held_box(oracle, data, ranges, single)
    rows = _held_rows(oracle, data, low, high)
    told = RegionsOfTree(oracle, low, high, single, rows, np.random.default_rng(seed), progress)
    complete = told.run()
    known = told.found.thresholds()
    return TreeCopy(known, told.found.leaves(known), 0.0, 0, told.asked, complete, tuple(told.notes), single)


def _from_rules(
    oracle: Oracle,
    data: Dataset | None,
    ranges: Ranges | None,
    single: bool,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> TreeCopy:
    """Rebuild one tree from the rules of its leaves."""
    low, high = _held_box(oracle, data, ranges, single)
    told = RulesOfTree(oracle, low, high, single, np.random.default_rng(seed), progress)
    complete = told.run()
    known = told.found.thresholds()
    return TreeCopy(known, told.found.leaves(known), 0.0, 0, told.asked, complete, tuple(told.notes), single)


def _held_box(
    oracle: Oracle, data: Dataset | None, ranges: Ranges | None, single: bool
) -> tuple[Array, Array]:
    """The box that is asked about, in the precision in which inputs are compared."""
    low, high = box_of(oracle, data, ranges)
    if single:
        low, high = (end.astype(np.float32).astype(np.float64) for end in (low, high))
    return low, high


def _held_rows(oracle: Oracle, data: Dataset | None, low: Array, high: Array) -> Array | None:
    """Rows of data that can be asked about, moved into a box."""
    rows = finite_rows(oracle, data)
    return None if rows is None else np.clip(rows, low, high)
