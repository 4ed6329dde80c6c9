"""The report: what each explanation gives away, behind each defence, and what the defence costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from divulge.conventions import OnProgress, check_jobs
from divulge.datasets import Dataset
from divulge.oracles import Oracle
from divulge.oracles.ledger import check_price, whole
from divulge.report.in_parallel import Unit, by_names, in_processes
from divulge.report.live import BY_VALUES, LiveVictim, live_victim
from divulge.report.pairs import Makers, pairs_of, usual_defences, usual_oracles
from divulge.report.result import LeakReport
from divulge.report.runs import Curve, Runs, frame_of, summarised
from divulge.report.study import Study
from divulge.victims import Victim

INSIDE = "exact reconstruction and what an honest user loses, which need the model itself beside the API"
EXACT_BUDGET = 20_000


def leak_report(
    victim: Victim | Oracle | Mapping[str, Oracle],
    data: Dataset,
    *,
    oracles: Makers | None = None,
    defences: Makers | None = None,
    budgets: Sequence[int] = (20, 100, 500),
    surrogate: str | nn.Module = "mlp",
    steps: int = 1000,
    bits: float | None = None,
    exact_budget: int = EXACT_BUDGET,
    seeds: int = 1,
    price: float | None = None,
    jobs: int = 1,
    seed: int = 0,
    progress: OnProgress | None = None,
    partial: Callable[[LeakReport], None] | None = None,
) -> LeakReport:
    """Measure how fast copies learn from each explanation, behind each defence.

    Args:
        victim: the model that is to be offered; copies are compared with it, whatever is asked. Or what a
            live API answers: an oracle, or several by their names, of which one tells labels, probabilities
            or values; it names the classes of the test inputs first, which its ledger counts. What needs
            the model itself is left out then: exact reconstruction, and what an honest user loses.
        data: inputs like those it is for, with classes from 0 on, or the numbers that a regression predicts:
            the share of their variance that copies explain takes the place of agreement then; copies ask
            about the training part and are compared on the test part. Arrays or tensors.
        oracles: by name, such as "label", "gradient", "smoothgrad:samples=10", or a mapping of names to
            functions of the victim, which may return an oracle of another kind, such as a `CallableOracle`.
            By default label and probability, and gradient and smoothgrad; of a table, or a model without
            input gradients, shap, lime and counterfactual, beside gradient where there is one. Of numbers
            that are predicted value, shap and lime, beside gradient where there is one.
        defences: by name, such as "none", "rounded:3", "noisy:0.01", "rounded:3+top:20", "sign", or a mapping
            of names to functions of an oracle. By default none, rounded:2 and the 20 largest numbers, a third
            of them where an input has fewer than 60.
        budgets: numbers of queries at which copies are compared.
        surrogate: of what kind the copies are.
        steps: of each copy's training.
        bits: an agreement, such as .95, at which the curves also say how many bits the model holds and how
            many the copies tell, see `steal`. None leaves these columns out.
        exact_budget: the most queries for an exact copy; it is tried of chains of linear layers and ReLUs
            whose gradients are told, and of linear models, single trees and boosted stumps behind SHAP
            values, LIME or nearest counterfactuals. 0 leaves it out.
        seeds: how many seeds to measure with, `seed` and those after it.
        price: money for one query; by default what an oracle's ledger says.
        jobs: explanations measured at a time, in this process and others, which begin after the first where
            the rest promises to take more than 20 seconds; -1: one a processor. One at a time where processes
            cannot be told what to measure: a live API, oracles or defences that are functions, a model that
            does not pickle. The figures are the same, but for seconds; `progress` goes by explanations.
        seed: of every random choice.
        progress: called with the copies done and the number of all, after each.
        partial: called with the report so far after each explanation behind a defence. Answers without a
            defence come first.

    Returns:
        The report. Where the user interrupts, of the pairs that were measured by then, which it says.

    Raises:
        TypeError: what is to be offered is no victim, the data no data set, or classes no whole numbers.
        ValueError: an unknown name, a defence or price with a senseless number, no budget, seed, job or test
            input, or a class that the victim does not have.
        KeyboardInterrupt: before any pair was measured.
    """
    if whole("a number of seeds", seeds) < 1:
        raise ValueError(f"expected at least one seed, got {seeds}")
    check_jobs(jobs)
    if price is not None:
        check_price(price)
    data = _as_tensors(data)
    studied, oracles = _studied(victim, oracles, data)
    if defences is None:
        defences = usual_defences(studied.input_size)
    oracles, defences = ([given] if isinstance(given, str) else given for given in (oracles, defences))
    if studied.class_names is not None:
        data = data.with_classes(studied.class_names)
    elif isinstance(studied, Victim) and studied.predicts_numbers:
        data = data.with_numbers()
    made, left_out = pairs_of(studied, oracles, defences, data)
    if isinstance(studied, LiveVictim):
        left_out += (INSIDE,)
        if studied.by_values and not data.numbers:
            left_out += (BY_VALUES,)
    study = Study(studied, data, oracles, defences, tuple(budgets), surrogate, steps, bits, exact_budget)
    reference: Any = studied
    if isinstance(studied, LiveVictim):
        inputs = data.test_inputs.flatten(1)
        reference = studied.numbers(inputs) if data.numbers else studied.classes(inputs)
    # Undefended answers first: what a first glance is for.
    order = sorted(range(len(made)), key=lambda place: made[place][1] != "none")
    runs = Runs(order, price)

    def report(more: tuple[str, ...] = ()) -> LeakReport:
        table, curves = summarised(runs)
        return LeakReport(table, curves, repr(studied), seed, left_out + more, frame_of(runs))

    steps_done = _Steps(progress, len(made) * seeds * len(set(budgets)))
    units = [(own, place) for own in range(seed, seed + seeds) for place in order]
    together = jobs != 1 and by_names(study)

    def curves() -> Iterator[tuple[Unit, Curve]]:
        if together:
            for found in in_processes(study, made, units, jobs):
                steps_done(len(set(budgets)))
                yield found
            return
        for own, place in units:
            fresh = made if own == seed else pairs_of(studied, oracles, defences, data)[0]
            yield (own, place), study.measured(*fresh[place], reference, own, lambda *_: steps_done())

    try:
        for (own, place), curve in curves():
            runs.add(place, own, curve)
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

    def __call__(self, more: int = 1) -> None:
        self.done += more
        if self.told is not None:
            self.told(self.done, self.all)


def _studied(
    victim: Victim | Oracle | Mapping[str, Oracle], oracles: Makers | None, data: Dataset
) -> tuple[Victim | LiveVictim, Makers]:
    """Return what is to be offered, and the oracles to compare; a live API's are its own."""
    if isinstance(victim, Mapping) or (isinstance(victim, Oracle) and not hasattr(victim, "victim")):
        return live_victim(victim)
    if isinstance(victim, Victim):
        return victim, usual_oracles(victim, data) if oracles is None else oracles
    hint = (
        "; an oracle is named in oracles={name: function of the victim}" if isinstance(victim, Oracle) else ""
    )
    raise TypeError(
        f"expected a victim such as Victim(module, input_shape=...), got {type(victim).__name__}{hint}"
    )


def _as_tensors(data: Dataset) -> Dataset:
    """Return a data set with tensors of its inputs; classes are checked where copies are compared.

    Raises:
        TypeError: it is no data set.
        ValueError: it has no test input.
    """
    if not isinstance(data, Dataset):
        raise TypeError(
            "expected data such as Dataset(name, train_inputs, train_targets, test_inputs, test_targets), "
            f"or what read_data(source, target) makes of data of your own, got {type(data).__name__}"
        )
    if not len(data.test_inputs):
        raise ValueError(f"expected test inputs in {data.name}, to compare copies on, got none")
    train, test = (torch.as_tensor(part) for part in (data.train_inputs, data.test_inputs))
    return replace(data, train_inputs=train, test_inputs=test)
