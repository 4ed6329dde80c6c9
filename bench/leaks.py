"""Leak curves of trained classifiers: `python bench/leaks.py [--data mnist] [--victim mlp] [--store FOLDER]`.

A victim is trained on the training part; copies are trained on so many answers about training images and
normal inputs of their mean and covariance, by turns, and compared on the test part, which chooses nothing.
Each row is trained from the start, with the usual weights of the loss. The seed is that of the copy: its
initial weights, its queries, the order of its training; the victim is the same. The explanation is of the top
logit; a linear copy names the outputs in turn. With a store rows are kept as they are finished, and the same
command goes on where it stopped; `bench/leak_tables.py FOLDER` prints what several commands kept in one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import divulge
from divulge.datasets import DATASETS, Dataset, load
from divulge.names import QUERIES
from divulge.oracles import oracle_by_name
from divulge.surrogate.figures import plot_leaks
from divulge.surrogate.losses import usual_weights
from divulge.sweep.experiment import key_of
from divulge.sweep.results import KEY, Results, as_table
from divulge.training import accuracy, cnn, fit_classifier, mlp
from leak_tables import curve_lines

# What tables call an answer, and its name with parameters.
ORACLES = {
    "label": "label",
    "probability": "probability",
    "gradient": "gradient",
    "smoothgrad": "smoothgrad:samples=16",
    "saliency": "saliency",
    "heat_map": "heat_map",
    "grad_cam": "grad_cam",
}
FULL = "1,2,5,10,20,50,100,200,500,1000,2000,5000,10000,20000"
SMALL_TEST = 2000  # test images of half the size: a copy's comparison is not to outweigh its training
IMAGES = {"linear": 300_000, "mlp": 480_000, "cnn": 120_000}  # that a victim is trained on, in epochs


def trained(kind: str, data: Dataset, folder: Path | None) -> nn.Module:
    """Return the victim, from the folder where it lies there."""
    path = None if folder is None else folder / f"{data.name}-{kind}.pt"
    if kind == "linear":
        module: nn.Module = mlp(data.input_shape, [], data.classes)
    elif kind == "mlp":
        module = mlp(data.input_shape, [128, 64], data.classes)
    else:
        module = cnn(data.input_shape, data.classes)
    if path is not None and path.is_file():
        module.load_state_dict(torch.load(path, weights_only=True))
        return module.eval()
    epochs = IMAGES[kind] // len(data.train_inputs)
    fit_classifier(module, data.train_inputs, data.train_targets, epochs=epochs, batch_size=128)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(module.state_dict(), path)
    return module


def halved(data: Dataset) -> Dataset:
    """Return images of half the height and width, means of four pixels, of which `SMALL_TEST` are to test."""
    train, test = (nn.functional.avg_pool2d(x, 2) for x in (data.train_inputs, data.test_inputs[:SMALL_TEST]))
    targets = data.test_targets[:SMALL_TEST]
    return replace(
        data, name=f"{data.name} halved", train_inputs=train, test_inputs=test, test_targets=targets
    )


def cells(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the settings of every row, all those of one seed before the next."""
    counts = [int(count) for count in options.queries.split(",")]
    same = {
        "data": f"{options.data} halved" if options.halved else options.data,
        "victim": options.victim,
        "surrogate": options.surrogate or options.victim,
    }
    same |= {"inputs": options.inputs, "steps": options.steps}
    return [
        {**same, "oracle": name, "queries": count, "seed": seed}
        for seed, name, count in product(range(options.seeds), options.oracles.split(","), counts)
    ]


class Thieves:
    """Copies of one victim; the images are converted once."""

    def __init__(self, victim: divulge.Victim, data: Dataset) -> None:
        self.victim = victim
        self.pool = data.train_inputs.flatten(1).double().numpy()
        self.test: tuple[np.ndarray[Any, Any], Any] = (
            data.test_inputs.flatten(1).double().numpy(),
            data.test_targets,
        )

    def row(self, cell: dict[str, Any]) -> dict[str, Any]:
        """Train a copy and compare it."""
        oracle = oracle_by_name(ORACLES[cell["oracle"]], self.victim)
        stolen = divulge.steal(
            oracle,
            cell["surrogate"],
            queries=cell["queries"],
            data=self.pool,
            test=self.test,
            inputs=cell["inputs"],
            steps=cell["steps"],
            weights=usual_weights(oracle.attribution if oracle.has_explanations else None),
            seed=cell["seed"],
        )
        return {KEY: key_of(cell), **cell, **stolen.leak_curve.iloc[0].to_dict()}


def main() -> None:
    """Print a line for every row, and then their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=tuple(DATASETS), default="mnist")
    parser.add_argument("--victim", choices=("linear", "mlp", "cnn"), default="mlp")
    parser.add_argument("--surrogate", choices=("linear", "mlp", "cnn"), help="the victim's kind by default")
    parser.add_argument("--oracles", default="label,probability,gradient,smoothgrad")
    parser.add_argument("--queries", default="20,100,500")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--inputs", choices=QUERIES, default="mixed")
    parser.add_argument("--full", action="store_true", help=f"5 seeds, 3,000 steps, {FULL} queries")
    parser.add_argument("--halved", action="store_true", help=f"half the size, {SMALL_TEST} test images")
    parser.add_argument("--store", type=Path, help="folder that keeps finished rows")
    parser.add_argument("--victims", type=Path, help="folder that keeps trained victims")
    parser.add_argument("--picture", type=Path, help="where the curves are drawn")
    options = parser.parse_args()
    if options.full:
        options.queries, options.seeds, options.steps = FULL, 5, 3000
    data = halved(load(options.data)) if options.halved else load(options.data)
    module = trained(options.victim, data, options.victims)
    right = accuracy(module, data.test_inputs, data.test_targets)
    print(f"{data.name} {options.victim}, accuracy {right:.4f}")
    thieves = Thieves(divulge.Victim(module, data.input_shape), data)
    store = None if options.store is None else Results(options.store)
    kept = {} if store is None else store.read()
    rows = []
    print("     answers  queries seed   agree  cosine  s a row  victim")
    for cell in cells(options):
        row = kept.get(key_of(cell))
        if row is None:
            row = thieves.row(cell)
            if store is not None:
                store.write([row])
        rows.append(row)
        print(
            f"{row['oracle']:>12} {row['queries']:>8} {row['seed']:>4} {row['agreement']:>7.4f} "
            f"{row['gradient_cosine']:>7.3f} {row['seconds']:>8.1f} "
            f"{row['victim_seconds'] / row['seconds']:>7.1%}",
            flush=True,
        )
    table = as_table(rows)
    print("\n".join(curve_lines(table)))
    if options.picture is not None:
        curves = dict(list(table.groupby("oracle", sort=False)))
        plot_leaks(curves, f"{data.name}, {options.victim}").figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
