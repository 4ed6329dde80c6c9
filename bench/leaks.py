"""Leak curves of trained classifiers: `python bench/leaks.py [--data mnist] [--victim mlp] [--full]`.

A victim is trained on the training part; copies are trained on so many answers about training images and
normal inputs of their mean and covariance, by turns, and compared on the test part. Each row is trained from
the start, with the usual weights of the loss. The explanation is of the top logit; a linear copy names the
outputs in turn. Printed are the share of test images on which copy and victim agree, mean and spread (largest
less smallest) over the seeds, the cosine of their gradients, the seconds of a row and the share of them that
the victim took.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import nn

import divulge
from divulge.datasets import Dataset, load
from divulge.surrogate import Weights
from divulge.surrogate.figures import leak_figure
from divulge.training import accuracy, cnn, fit_classifier, mlp

ORACLES = {
    "label": divulge.LabelOracle,
    "probability": divulge.ProbabilityOracle,
    "gradient": divulge.GradientOracle,
    "smoothgrad": lambda victim: divulge.SmoothGradOracle(victim, n_samples=16, sigma=0.15),
}
FULL = "1,2,5,10,20,50,100,200,500,1000,2000,5000,10000,20000"


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
    epochs = {"linear": 5, "mlp": 8, "cnn": 2}[kind]
    fit_classifier(module, data.train_inputs, data.train_targets, epochs=epochs, batch_size=128)
    if path is not None:
        torch.save(module.state_dict(), path)
    return module


def main() -> None:
    """Print one line for every kind of answer and number of queries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("digits", "mnist", "fashion-mnist", "cifar10"), default="mnist")
    parser.add_argument("--victim", choices=("linear", "mlp", "cnn"), default="mlp")
    parser.add_argument("--surrogate", choices=("linear", "mlp", "cnn"), help="the victim's kind by default")
    parser.add_argument("--oracles", default=",".join(ORACLES))
    parser.add_argument("--queries", default="20,100,500")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--inputs", choices=("data", "gaussian", "mixed", "adaptive"))
    parser.add_argument("--full", action="store_true", help=f"5 seeds, 3,000 steps, {FULL} queries")
    parser.add_argument("--victims", type=Path, help="folder that keeps trained victims")
    parser.add_argument("--picture", type=Path, help="where the curves are drawn")
    options = parser.parse_args()
    if options.full:
        options.queries, options.seeds, options.steps = FULL, 5, 3000
    data = load(options.data)
    module = trained(options.victim, data, options.victims)
    right = accuracy(module, data.test_inputs, data.test_targets)
    print(f"{data.name} {options.victim}, accuracy {right:.4f}")
    victim = divulge.Victim(module, data.input_shape)
    counts = [int(count) for count in options.queries.split(",")]
    print("     answers  queries   agree  spread  cosine  s a row  victim")
    curves: dict[str, pd.DataFrame] = {}
    for name in options.oracles.split(","):
        for count in counts:
            rows = pd.concat(
                divulge.steal(
                    ORACLES[name](victim),
                    options.surrogate or options.victim,
                    queries=count,
                    data=data,
                    inputs=options.inputs,
                    steps=options.steps,
                    weights=Weights(),
                    seed=seed,
                ).leak_curve
                for seed in range(options.seeds)
            )
            curves[name] = pd.concat([curves.get(name), rows])
            print(
                f"{name:>12} {count:>8} {rows.agreement.mean():>7.4f} "
                f"{rows.agreement.max() - rows.agreement.min():>7.4f} {rows.gradient_cosine.mean():>7.3f} "
                f"{rows.seconds.mean():>8.1f} {rows.victim_seconds.sum() / rows.seconds.sum():>7.1%}",
                flush=True,
            )
    if options.picture is not None:
        leak_figure(curves, f"{data.name}, {options.victim}").savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
