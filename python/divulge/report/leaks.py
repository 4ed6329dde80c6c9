"""The report: what each explanation gives away, behind each defence, and what the defence costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array, Index
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.errors import DivulgeError, UnsupportedModel
from divulge.evaluation import rank_correlation
from divulge.files import replacing
from divulge.html import ShownAsTable
from divulge.oracles import Budget, Oracle, defence_by_name, oracle_by_name
from divulge.oracles.ledger import check_price, whole
from divulge.reconstruction import reconstruct
from divulge.report.live import LiveVictim, live_victim
from divulge.report.runs import Curve, Runs, frame_of, summarised
from divulge.surrogate import steal
from divulge.surrogate.losses import usual_weights
from divulge.victims import Victim

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

INSIDE = "exact reconstruction and what an honest user loses, which need the model itself beside the API"
HONEST = 100  # test inputs on which told and true explanations are compared
EXACT_BUDGET = 20_000

Makers = Sequence[str] | Mapping[str, Callable[[Any], Oracle]]


@dataclass(frozen=True)
class LeakReport(ShownAsTable):
    """What each explanation gives away.

    Attributes:
        table: a row for each explanation and defence, with the columns explanation, defence, queries_90,
            queries_95, queries_99 (interpolated on a logarithmic scale; NaN where the budgets do not reach
            so far), exact (queries of an exact reconstruction; NaN where none was reached), best (the
            largest agreement), rank_correlation (of the told with the true explanation, as an honest user
            sees it; NaN without explanations), risk (critical, high, medium or low, by the rule that
            `summary` ends with), cost_90, cost_95, cost_99, cost_exact (money for the queries; NaN where they
            have no price). Of several seeds the medians; one that did not reach so far counts as
            infinite, and of two in the middle best is the lower one's.
        curves: the leak curves, with the columns explanation and defence before those of `Stolen`.
        victim: a line on the victim.
        seed: of every random choice; the first of several.
        left_out: explanations that the model cannot give, each with the reason, a sentence.
        runs: a row for each seed, explanation and defence: what the table has the medians of.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    victim: str
    seed: int
    left_out: tuple[str, ...] = ()
    runs: pd.DataFrame | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"of": self.victim, "seed": self.seed}

    def _remarks(self) -> list[str]:
        """Return what is shown beneath the table."""
        return self.summary()

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the leak curves, one for each explanation behind each defence, and return the Axes."""
        from divulge.surrogate.figures import plot_leaks

        groups = self.curves.groupby(["explanation", "defence"], sort=False)
        return plot_leaks({", ".join(pair): curve for pair, curve in groups}, self.victim, ax=ax)

    def plot_leaked(self, *, ax: Axes | None = None) -> Axes:
        """Draw the share of the model's bits that copies tell, with `bits=`, and return the Axes."""
        from divulge.surrogate.figures import plot_leaked

        groups = self.curves.groupby(["explanation", "defence"], sort=False)
        return plot_leaked({", ".join(pair): curve for pair, curve in groups}, self.victim, ax=ax)

    def summary(self) -> list[str]:
        """Return what the table says, in plain sentences."""
        from divulge.report.verdict import RISK_RULE, recommendation
        from divulge.report.words import sentences

        said = [recommendation(self.table), *sentences(self.table, self.curves)]
        said += [f"Left out: {reason}." for reason in self.left_out]
        return [*said, f"{RISK_RULE}."]

    def html(self) -> str:
        """Return the page: one file without scripts that needs nothing from anywhere else."""
        from divulge.report.page import page

        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            OSError: it cannot be written.
        """
        with replacing(path) as file:
            file.write(self.html().encode())


def leak_report(
    victim: Victim | Oracle | Mapping[str, Oracle],
    data: Dataset,
    *,
    oracles: Makers = ("label", "probability", "gradient", "smoothgrad"),
    defences: Makers | None = None,
    budgets: Sequence[int] = (20, 100, 500),
    surrogate: str | nn.Module = "mlp",
    steps: int = 1000,
    bits: float | None = None,
    exact_budget: int = EXACT_BUDGET,
    seeds: int = 1,
    price: float | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
    partial: Callable[[LeakReport], None] | None = None,
) -> LeakReport:
    """Measure how fast copies learn from each explanation, behind each defence.

    Args:
        victim: the model that is to be offered; copies are compared with it, whatever is asked. Or what a
            live API answers: an oracle, or several by their names, of which one tells labels or
            probabilities; it names the classes of the test inputs first, which its ledger counts. What needs
            the model itself is left out then: exact reconstruction, and what an honest user loses.
        data: inputs like those it is for, with classes from 0 on; copies ask about the training part and are
            compared on the test part. Arrays or tensors.
        oracles: by name, such as "label", "gradient", "smoothgrad:samples=10", or a mapping of names to
            functions of the victim, which may return an oracle of another kind, such as a `CallableOracle`.
        defences: by name, such as "none", "rounded:3", "noisy:0.01", "rounded:3+top:20", "sign", or a mapping
            of names to functions of an oracle. By default none, rounded:2 and the 20 largest numbers, a third
            of them where an input has fewer than 60.
        budgets: numbers of queries at which copies are compared.
        surrogate: of what kind the copies are.
        steps: of each copy's training.
        bits: an agreement, such as .95, at which the curves also say how many bits the model holds and how
            many the copies tell, see `steal`. None leaves these columns out.
        exact_budget: the most queries for an exact reconstruction; it is tried where answers hold gradients
            and the victim is a chain of linear layers and ReLUs. 0 leaves it out.
        seeds: how many seeds to measure with, `seed` and those after it.
        price: money for one query; by default what an oracle's ledger says.
        seed: of every random choice.
        progress: called with the copies done and the number of all, after each.
        partial: called with the report so far after each explanation behind a defence. Answers without a
            defence come first.

    Returns:
        The report. Where the user interrupts, of the pairs that were measured by then, which it says.

    Raises:
        TypeError: what is to be offered is no victim, the data no data set, or classes no whole numbers.
        ValueError: an unknown name, a defence or price with a senseless number, no budget, no seed, no test
            input, or a class that the victim does not have.
        KeyboardInterrupt: before any pair was measured.
    """
    if whole("a number of seeds", seeds) < 1:
        raise ValueError(f"expected at least one seed, got {seeds}")
    if price is not None:
        check_price(price)
    studied, oracles = _studied(victim, oracles)
    data = _as_tensors(data)
    if defences is None:
        defences = usual_defences(studied.input_size)
    oracles, defences = ([given] if isinstance(given, str) else given for given in (oracles, defences))
    if studied.class_names is not None:
        data = data.with_classes(studied.class_names)
    made, left_out = _pairs(studied, oracles, defences, data)
    if isinstance(studied, LiveVictim):
        left_out += (INSIDE,)
    study = _Study(studied, data, oracles, defences, tuple(budgets), surrogate, steps, bits, exact_budget)
    reference = studied if isinstance(studied, Victim) else studied.classes(data.test_inputs.flatten(1))
    # Undefended answers first: what a first glance is for.
    order = sorted(range(len(made)), key=lambda place: made[place][1] != "none")
    runs = Runs(order, price)

    def report(more: tuple[str, ...] = ()) -> LeakReport:
        table, curves = summarised(runs)
        return LeakReport(table, curves, repr(studied), seed, left_out + more, frame_of(runs))

    steps_done = _Steps(progress, len(made) * seeds * len(set(budgets)))
    try:
        for own in range(seed, seed + seeds):
            fresh = made if own == seed else _pairs(studied, oracles, defences, data)[0]
            for place in order:
                runs.add(place, own, study.measured(*fresh[place], reference, own, steps_done))
                if partial is not None:
                    partial(report())
    except KeyboardInterrupt:
        if not runs.curves:
            raise
        return report((f"what was not measured when the user interrupted, after {len(runs.curves)} pairs",))
    return report()


@dataclass
class _Steps:
    """Counts copies."""

    told: OnProgress | None
    all: int
    done: int = 0

    def __call__(self, *_: int) -> None:
        self.done += 1
        if self.told is not None:
            self.told(self.done, self.all)


@dataclass(frozen=True)
class _Study:
    """What is the same for all pairs."""

    victim: Victim | LiveVictim
    data: Dataset
    oracles: Makers
    defences: Makers
    budgets: tuple[int, ...]
    surrogate: str | nn.Module
    steps: int
    bits: float | None
    exact_budget: int

    def measured(
        self,
        name: str,
        defence: str,
        oracle: Oracle,
        reference: Victim | Index,
        seed: int,
        progress: Callable[[int, int], None],
    ) -> Curve:
        """Return the leak curve of one explanation behind a defence, and what else there is to know of it."""
        curve = steal(
            oracle,
            self.surrogate,
            queries=self.budgets,
            data=self.data,
            victim=reference,
            steps=self.steps,
            bits=self.bits,
            weights=usual_weights(oracle.attribution),
            seed=seed,
            progress=progress,
        ).leak_curve
        return Curve(
            str(name),
            str(defence),
            curve,
            exact=_exact(oracle, self.victim, self.exact_budget, seed),
            rank_correlation=_honest(oracle, self.victim, name, self.oracles, self.data),
            price=oracle.ledger.price,
        )


def _studied(
    victim: Victim | Oracle | Mapping[str, Oracle], oracles: Makers
) -> tuple[Victim | LiveVictim, Makers]:
    """Return what is to be offered, and the oracles to compare; a live API's are its own."""
    if isinstance(victim, Mapping) or (isinstance(victim, Oracle) and not hasattr(victim, "victim")):
        return live_victim(victim)
    if isinstance(victim, Victim):
        return victim, oracles
    hint = (
        "; an oracle is named in oracles={name: function of the victim}" if isinstance(victim, Oracle) else ""
    )
    raise TypeError(
        f"expected a victim such as Victim(module, input_shape=...), got {type(victim).__name__}{hint}"
    )


def usual_defences(inputs: int, most: int = 20) -> tuple[str, ...]:
    """Return the defences that are compared where none are named, for inputs of so many numbers."""
    return ("none", "rounded:2", f"top:{max(1, min(most, inputs // 3))}")


def _as_tensors(data: Dataset) -> Dataset:
    """Return a data set with tensors of its inputs; classes are checked where copies are compared.

    Raises:
        TypeError: it is no data set.
        ValueError: it has no test input.
    """
    if not isinstance(data, Dataset):
        raise TypeError(
            f"expected data such as Dataset(name, train_inputs, train_targets, test_inputs, test_targets), "
            f"got {type(data).__name__}"
        )
    if not len(data.test_inputs):
        raise ValueError(f"expected test inputs in {data.name}, to compare copies on, got none")
    train, test = (torch.as_tensor(part) for part in (data.train_inputs, data.test_inputs))
    return replace(data, train_inputs=train, test_inputs=test)


Pairs = list[tuple[str, str, Oracle]]


def _pairs(
    victim: Victim | LiveVictim, oracles: Makers, defences: Makers, data: Dataset
) -> tuple[Pairs, tuple[str, ...]]:
    """Every explanation behind every defence, and what was left out, with the reason.

    Defences that change nothing of an answer are left out without a word, and explanations that ask for
    gradients which the model does not have with one.
    """
    made, left_out = [], []
    for name in oracles:
        try:
            _oracle(name, victim, oracles, data)
        except UnsupportedModel as error:
            left_out.append(f"{name}, {error}")
            continue
        for defence in defences:
            oracle = _oracle(name, victim, oracles, data)
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
    from divulge.oracles.defences.partial import PartialDefence

    inner = oracle
    while hasattr(inner, "oracle"):
        if isinstance(inner, PartialDefence) and not inner.has_explanations:
            return False
        inner = inner.oracle
    return inner.kind not in ("label", "counterfactual")


def _oracle(name: str, victim: Victim | LiveVictim, oracles: Makers, data: Dataset) -> Oracle:
    """Return an oracle of the victim by its name."""
    if isinstance(oracles, Mapping):
        return oracles[name](victim)
    assert isinstance(victim, Victim)
    return oracle_by_name(name, victim, data=data)


def _exact(oracle: Oracle, victim: Victim | LiveVictim, budget: int, seed: int) -> float:
    """Return how many queries an exact reconstruction takes, NaN where it is not reached."""
    if not (budget and isinstance(victim, Victim) and victim.lowered and oracle.has_gradients):
        return float("nan")
    try:
        result = reconstruct(Budget(oracle, budget), seed=seed)
    except (DivulgeError, ValueError):
        return float("nan")
    return float(result.queries) if result.complete else float("nan")


def _honest(oracle: Oracle, victim: Victim | LiveVictim, name: str, oracles: Makers, data: Dataset) -> float:
    """Return the mean rank correlation of told and true explanations on test inputs."""
    if not oracle.has_explanations or isinstance(victim, LiveVictim):
        return float("nan")
    points = data.test_inputs[:HONEST].flatten(1)
    told = oracle.explain(points).explanations
    true = _oracle(name, victim, oracles, data).explain(points).explanations
    assert told is not None
    assert true is not None
    return faithfulness(told, true)


def faithfulness(told: Array, true: Array) -> float:
    """Mean over inputs of the rank correlation of |told| and |true|, both (n, d): what an honest user has."""
    sizes = (torch.from_numpy(np.abs(part)) for part in (told, true))
    return float(rank_correlation(*sizes).mean())
