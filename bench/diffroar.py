"""Do gradients point at what models use? BlockMNIST, its simplified form, and DiffROAR.

    python bench/diffroar.py blockmnist [--seeds 1]
    python bench/diffroar.py simplified [--seeds 1]
    python bench/diffroar.py roar [--data fashion-mnist|cifar10] [--runs 2] [--folder FOLDER] [--plot FILE]

blockmnist: share of the 10% largest gradients that lies in the null block, on all test images.
simplified: mean |gradient| relative to that of the signal's own coordinate.
roar: test accuracy of networks trained on what the ranking by the gradient puts first, minus that of what it
puts last. The tables of the documentation are those of --seeds 5 and --runs 6. A line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from itertools import product

import torch
from torch import nn

from divulge.attributions import attribute
from divulge.datasets import (
    BlockData,
    Dataset,
    block_mnist,
    cifar10,
    fashion_mnist,
    simplified_block_mnist,
    subset,
)
from divulge.evaluation import AdamTrainer, diffroar, leakage
from divulge.evaluation.figures import plot_roar
from divulge.evaluation.recipes import BLOCK_RADIUS, fit_block_model
from divulge.training import Pgd, accuracy, mlp, strided_cnn
from divulge.training.class_scores import ClassScores

BLOCK_IMAGES = {"patch_cnn": 6000, "mlp:512": None}


def blockmnist(seeds: int) -> None:
    """Print the leakage of each model and seed."""
    for kind, images in BLOCK_IMAGES.items():
        for position, seed in product(("random", "top"), range(seeds)):
            train = block_mnist(position=position, images=images, seed=seed)
            test = block_mnist(position=position, part="test", seed=seed)
            for radius in (0.0, BLOCK_RADIUS[kind]) if position == "random" else (0.0,):
                module = fit_block_model(kind, train, radius, seed)
                row: dict[str, object] = {"model": kind, "position": position, "radius": radius, "seed": seed}
                row["test_accuracy"] = accuracy(module, test.inputs, test.targets)
                row["top_10_percent"] = float(leakage(module, test, levels=(0.1,)).mean[0])
                print(json.dumps(row), flush=True)


# The training set's size, noise, width and steps of simplified BlockMNIST.
POINTS, ETA, WIDTH, STEPS = 300, 0.1, 2000, 1000


def full_batch(module: nn.Module, data: BlockData, rate: float, attack: Pgd | None = None) -> nn.Module:
    """Train one logit by gradient descent on the mean logistic loss, plainly or against an adversary."""
    y = 2 * data.targets - 1
    optimiser = torch.optim.SGD(module.parameters(), lr=rate)
    two = ClassScores(module)
    for step in range(STEPS):
        x = data.inputs if attack is None else attack(two, data.inputs, data.targets, step / STEPS)
        optimiser.zero_grad()
        nn.functional.softplus(-y * module(x)[:, 0]).mean().backward()
        optimiser.step()
    return module.eval()


def simplified(seeds: int) -> None:
    """Print mean |gradient| on other signal coordinates and on noise, relative to the own coordinate."""
    for seed in range(seeds):
        train, test = (simplified_block_mnist(n, eta=ETA, seed=s) for n, s in ((POINTS, seed), (2000, 99)))
        for name, hidden, rate, attack in (
            ("linear", [], 1.0, None),
            ("mlp", [WIDTH], 0.3, None),
            ("mlp, robust", [WIDTH], 0.3, Pgd(0.4, norm="linf", steps=3, bounds=None, warm_up=0.3)),
        ):
            module = full_batch(mlp((10,), hidden, 1, seed=seed), train, rate, attack)
            print(json.dumps({"model": name, "seed": seed, **ratios(module, test)}), flush=True)


def ratios(module: nn.Module, data: BlockData) -> dict[str, float]:
    """Return the figures of one model."""
    g = attribute(module, data.inputs).abs()
    own = data.signal_mask
    other = ~own & ~data.null_mask
    size = float(g[own].mean())
    return {
        "accuracy": float(((module(data.inputs)[:, 0] > 0) == (data.targets == 1)).double().mean()),
        "other_signal": float(g[other].mean()) / size,
        "noise": float(g[data.null_mask].mean()) / size,
        "top_1_is_signal": float(own.gather(1, g.argmax(1)[:, None]).double().mean()),
    }


# Small networks on part of the data, so that all trainings of a table take minutes on one core.
ROAR = {
    "fashion-mnist": (
        fashion_mnist,
        4000,
        AdamTrainer(epochs=5),
        AdamTrainer(epochs=8, perturb=Pgd(0.1, norm="linf", steps=4, warm_up=0.5)),
    ),
    "cifar10": (
        cifar10,
        4000,
        AdamTrainer(epochs=5),
        AdamTrainer(epochs=8, perturb=Pgd(8 / 255, norm="linf", steps=4, warm_up=0.5)),
    ),
}


def network(shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    return strided_cnn(shape, classes, seed=seed)


def roar(name: str, runs: int, folder: str | None, plot: str | None) -> None:
    """Print the table of standard and robust networks."""
    load, images, standard, robust = ROAR[name]
    data: Dataset = subset(load(), train=images, test=2000)
    factory = partial(network, data.input_shape, data.classes)
    frames = {}
    for label, trainer in (("standard", standard), ("robust", robust)):
        frames[label] = diffroar(factory, data, runs=runs, trainer=trainer, retrainer=standard, folder=folder)
        for row in frames[label].to_dict("records"):
            print(json.dumps({"data": name, "trained": label, **row}), flush=True)
    if plot is not None:
        plot_roar(frames).figure.savefig(plot, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=("blockmnist", "simplified", "roar"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", choices=tuple(ROAR), default="fashion-mnist")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--folder", help="keep finished trainings of roar here, and go on from them")
    parser.add_argument("--plot", help="draw the table of roar into this file")
    arguments = parser.parse_args()
    if arguments.table == "roar":
        roar(arguments.data, arguments.runs, arguments.folder, arguments.plot)
    else:
        {"blockmnist": blockmnist, "simplified": simplified}[arguments.table](arguments.seeds)


if __name__ == "__main__":
    main()
