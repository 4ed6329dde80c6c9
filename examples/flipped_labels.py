"""Find flipped labels by self-influence, by loss and at random, and see what setting them right is worth.

    python examples/flipped_labels.py [--data digits|mnist|fashion-mnist] [--share 0.2] [--plot FILE]

A network with 64 hidden units is trained on labels of which a share is flipped. The labels are checked in the
order of EK-FAC self-influence, of loss and at random; those found wrong are set right, and the network is
trained again.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from divulge import Influence
from divulge.datasets import DATASETS, load
from divulge.influence import fix_curve, flip_labels, mislabel_curve
from divulge.influence.figures import plot_mislabels
from divulge.training import accuracy, train_classifier

WEIGHT_DECAY = 1e-4


def main() -> None:
    """Print what is found, and the accuracy after each share of the labels was checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", choices=tuple(DATASETS), default="digits")
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = load(arguments.data)
    true = data.train_targets.numpy()
    given = flip_labels(true, arguments.share, seed=arguments.seed)

    def trained(labels: np.ndarray) -> torch.nn.Module:
        noisy = replace(data, train_targets=torch.from_numpy(labels))
        return train_classifier(
            64,
            noisy,
            dtype=torch.float32,
            seed=arguments.seed,
            epochs=arguments.epochs,
            weight_decay=WEIGHT_DECAY,
        )

    def measure(labels: np.ndarray) -> float:
        return accuracy(trained(labels), data.test_inputs, data.test_targets)

    module = trained(given)
    influence = Influence(module, (data.train_inputs, given), curvature="ekfac", weight_decay=WEIGHT_DECAY)
    orders = {
        "self-influence": influence.self_influence(),
        "loss": influence.losses(influence.train),
        "random": np.random.default_rng(arguments.seed).random(len(true)),
    }
    found = {name: mislabel_curve(order, given != true) for name, order in orders.items()}
    shares = (0, 0.1, 0.2, 0.3)
    fixed = {name: fix_curve(measure, given, true, order, shares=shares) for name, order in orders.items()}
    for name, curve in found.items():
        accuracies = ", ".join(f"{a:.3f}" for a in fixed[name].accuracy)
        print(
            f"{name}: {curve.found_at(arguments.share):.0%} of the flips in the first {arguments.share:.0%}, "
            f"area {curve.area:.3f}; test accuracy at {', '.join(f'{s:.0%}' for s in shares)} "
            f"checked: {accuracies}"
        )
    if arguments.plot:
        plot_mislabels(found, fixed)[0].figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
