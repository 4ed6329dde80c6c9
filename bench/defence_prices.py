"""What defences cost honest users and attacks: `python bench/defence_prices.py [--seeds 3]`.

A model of breast cancer (30 numbers) is explained by SHAP values; perceptrons of 64 and 32 units learn from
100 answers, and the attack that fits the model is tried, as `leak_report` does. Honest users have
the rank correlation of told and true explanations, and the share of test rows whose told label is the
model's. Epsilon is that of 100 answers together. Medians over the seeds of split, victim and copies.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

import divulge
from divulge import Cached, Grouped, Oracle, Private
from divulge.datasets import Dataset
from divulge.oracles import correlated_groups, defence_by_name, oracle_by_name
from table_leaks import SURROGATE, VICTIMS, table_and_victim

Defend = Callable[[Oracle], Oracle]
ANSWER = "shap"
BUDGETS = (100,)
STEPS = 100
EXACT_BUDGET = 200
# 4 is the median length of a SHAP vector of the logistic models.
NAMED = (
    "none",
    "rounded:bits=3",
    "private:1000,limit=4",
    "private:100,limit=4",
    "grouped:5",
)


def defences_of(data: Dataset) -> dict[str, Defend]:
    """Return all defences: those by name, and a grid and groups made for the data."""
    inputs = data.train_inputs.numpy()
    step, groups = inputs.std(axis=0), correlated_groups(inputs, 5)
    return {name: partial(defence_by_name, name) for name in NAMED} | {
        "5 correlated": lambda oracle: Grouped(oracle, 5, groups=groups),
        "cached, step .5 deviations": lambda oracle: Cached(oracle, 0.5 * step),
        "cached, step 2 deviations": lambda oracle: Cached(oracle, 2 * step),
        "private:100 in a cache of .5": lambda oracle: Cached(Private(oracle, 100, limit=4), 0.5 * step),
    }


def told_labels(data: Dataset, victim: divulge.Victim, defend: Defend) -> float:
    """Return the share of test rows about which the label told behind a defence is the model's."""
    points = data.test_inputs.numpy()
    told = defend(oracle_by_name("probability", victim, data=data)).explain(points)
    return float(np.mean(told.labels == victim.classes(points)))


def main() -> None:
    """Print a row for each defence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--victim", choices=VICTIMS, default="logistic")
    options = parser.parse_args()
    reports, labels = [], []
    for seed in range(options.seeds):
        data, victim = table_and_victim("breast cancer", options.victim, seed)
        made = defences_of(data)
        reports.append(
            divulge.leak_report(
                victim,
                data,
                oracles=[ANSWER],
                defences=made,
                budgets=BUDGETS,
                surrogate=SURROGATE,
                steps=STEPS,
                exact_budget=EXACT_BUDGET,
                seed=seed,
            )
        )
        labels.append([told_labels(data, victim, defend) for defend in made.values()])
    print("| defence | 95% | exact | agreement at 100 | honest users | labels told | epsilon |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for place, defence in enumerate(made):
        rows = [report.table.iloc[place] for report in reports]
        curves = [report.curves[report.curves.defence == defence]["agreement"] for report in reports]
        reached = ", ".join(f"{share:.3f}" for share in np.median(curves, axis=0))
        print(
            f"| `{defence}` | {queries(rows, 'queries_95')} | {queries(rows, 'exact')} | {reached} "
            f"| {np.median([row.rank_correlation for row in rows]):.2f} "
            f"| {np.median([share[place] for share in labels]):.3f} | {rows[0].epsilon:.3g} |",
            flush=True,
        )


def queries(rows: list, column: str) -> str:
    """The median over seeds, of those that reached it."""
    found = np.median([np.inf if np.isnan(row[column]) else row[column] for row in rows])
    return f"{found:,.0f}" if np.isfinite(found) else "-"


if __name__ == "__main__":
    main()
