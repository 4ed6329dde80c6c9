"""What extraction-aware training costs, and what it keeps: `python bench/extraction_aware.py [--seeds 3]`.

Classifiers of breast cancer (30-16-2, one unit for all columns) and digits (64-32-10) are trained with the
penalty `AlikeUnits` of several strengths. A row for each: accuracy on test rows, the largest share of hidden
units that are the same but for 1% (the cosine of their weights), the queries until `reconstruct` from
gradients is complete, and from values alone, and how far outputs differ then, and the agreement of a copy
that learned from 100 gradients and from 100 labels; inf where a copy was not complete. Medians over the
seeds with their ranges.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from divulge import Oracle, Victim, reconstruct, steal
from divulge.datasets import Dataset, read_data
from divulge.oracles import GradientOracle, LabelOracle, ValueOracle
from divulge.training import AlikeUnits, accuracy, fit_classifier, mlp
from leak_tables import spread

CASES = {"breast cancer": (load_breast_cancer, 16, 2), "digits": (load_digits, 32, 10)}
STRENGTHS = (0.0, 0.01, 0.1, 1.0, 10.0)
ALIKE = 0.99
QUERIES, STEPS = 100, 400
MOST = {"gradients": 20_000, "values": 300_000}  # answers that an attack may take


def standardised(name: str, seed: int) -> Dataset:
    """Return a data set whose columns have mean 0 and deviation 1."""
    x, y = CASES[name][0](return_X_y=True)
    scale = x.std(axis=0)
    return read_data(((x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0), y), test_share=0.3, seed=seed)


def rebuilt(oracle: Oracle, victim: Victim, data: Dataset) -> tuple[float, float]:
    """Return the queries of a complete copy, infinite where it is not, and its largest error of outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = reconstruct(oracle, seed=0)
    points = data.test_inputs.numpy()
    with torch.no_grad():
        mine = found.module(torch.from_numpy(points)).numpy()
    true = victim.values(points)
    off = float(np.abs(mine - true).max() / np.abs(true).max())
    return (float(found.queries) if found.complete else np.inf), off


def row(name: str, strength: float, seed: int, told: list[str]) -> dict[str, Any]:
    """Train one victim and attack it."""
    _, hidden, classes = CASES[name]
    data = standardised(name, seed)
    module = mlp(data.input_shape, [hidden], classes, seed=seed, dtype=torch.float64)
    inputs, targets = data.train_inputs, data.train_targets
    fit_classifier(module, inputs, targets, seed=seed, epochs=60, penalty=AlikeUnits(strength))
    weights = next(layer.weight for layer in module.modules() if isinstance(layer, torch.nn.Linear)).detach()
    unit = torch.nn.functional.normalize(weights)
    alike = float(((unit @ unit.T) > ALIKE).sum(dim=1).max()) / hidden
    victim = Victim(module, data.input_shape)
    found: dict[str, Any] = {
        "accuracy": accuracy(module, data.test_inputs, data.test_targets),
        "alike": alike,
    }
    oracles = {"gradients": GradientOracle, "values": ValueOracle}
    for kind in told:
        exact = rebuilt(oracles[kind](victim, budget=MOST[kind]), victim, data)
        found[f"exact from {kind}"], found[f"off, {kind}"] = exact
    learn = partial(steal, surrogate="mlp:64", queries=QUERIES, data=data, steps=STEPS, seed=seed)
    for answers, make in {"gradients": GradientOracle, "labels": LabelOracle}.items():
        found[f"{QUERIES} {answers}"] = float(learn(make(victim)).leak_curve["agreement"].iloc[0])
    return found


def main() -> None:
    """Print a row for each data set and strength."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default=",".join(CASES))
    parser.add_argument("--told", default="gradients,values")
    options = parser.parse_args()
    headed = False
    for name in options.data.split(","):
        for strength in STRENGTHS:
            found = [row(name, strength, seed, options.told.split(",")) for seed in range(options.seeds)]
            if not headed:
                print(f"| data | strength | {' | '.join(found[0])} |")
                print("| --- | ---: |" + " ---: |" * len(found[0]))
                headed = True
            cells = []
            for what in found[0]:
                style = ",.0f" if "exact" in what else ".0e" if "off" in what else ".3f"
                cells.append(spread([part[what] for part in found], style))
            print(f"| {name} | {strength:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
