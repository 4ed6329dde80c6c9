"""What defences cost honest users and attacks: `python bench/defence_prices.py [--seeds 3]`.

A model of breast cancer (30 numbers) is explained by SHAP values; perceptrons of 64 and 32 units learn from
20 and 100 answers, and the attack that fits the model is tried, as `leak_report` does. Honest users have
the rank correlation of told and true explanations, and the share of test rows whose told label is the
model's. Epsilon is that of 100 answers together. Medians over the seeds of split, victim and copies.
"""

from __future__ import annotations

import argparse

import numpy as np

import divulge
from divulge.oracles import defence_by_name, oracle_by_name
from table_leaks import SURROGATE, VICTIMS, table_and_victim

ANSWER = "shap"
BUDGETS = (20, 100)
STEPS = 200
EXACT_BUDGET = 2000
# The limit is about the median length of a SHAP vector of these models' logits.
DEFENCES = (
    "none",
    "rounded:bits=3",
    "private:8,limit=3",
    "private:2,limit=3",
)


def told_labels(data: divulge.datasets.Dataset, victim: divulge.Victim, defence: str) -> float:
    """Return the share of test rows about which the label told behind a defence is the model's."""
    points = data.test_inputs.numpy()
    told = defence_by_name(defence, oracle_by_name("probability", victim, data=data)).explain(points)
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
        reports.append(
            divulge.leak_report(
                victim,
                data,
                oracles=[ANSWER],
                defences=DEFENCES,
                budgets=BUDGETS,
                surrogate=SURROGATE,
                steps=STEPS,
                exact_budget=EXACT_BUDGET,
                seed=seed,
            )
        )
        labels.append([told_labels(data, victim, defence) for defence in DEFENCES])
    print("| defence | 95% | exact | agreement at 20, 100 | honest users | labels told | epsilon |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for place, defence in enumerate(DEFENCES):
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
