"""A handful of training images from another scanner decide a prediction: find them.

    python examples/domain_mismatch.py [--plot FILE]

Softmax regression on the digits. A second scanner delivers negatives (dark on light), 24 for training: 21
threes and 3 eights. Twenty of the threes get lost, so that of the four that are left three are eights, and
negative threes are taken for eights. The influences say which training images did it, and which pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from divulge import Influence
from divulge.datasets import digits
from divulge.influence import DomainInfluence, domain_influence, fit_linear

WEIGHT_DECAY = 0.001


def scanners(lost: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images, classes, and the scanner (0 or 1) that each image comes from."""
    data = digits()
    x, y = data.train_inputs.numpy(), data.train_targets.numpy()
    threes, eights = np.flatnonzero(y == 3)[: 21 - lost], np.flatnonzero(y == 8)[:3]
    second = np.r_[threes, eights]
    inputs = x.copy()
    inputs[second] = 1 - inputs[second]
    kept = np.delete(np.arange(len(x)), np.flatnonzero(y == 3)[21 - lost : 21])
    scanner = np.zeros(len(x), np.int64)
    scanner[second] = 1
    return inputs[kept], y[kept], scanner[kept]


def threes_to_test() -> tuple[np.ndarray, np.ndarray]:
    """Return the test threes as the second scanner delivers them."""
    data = digits()
    rows = data.test_targets == 3
    return 1 - data.test_inputs[rows].numpy(), data.test_targets[rows].numpy()


def trained(inputs: np.ndarray, targets: np.ndarray) -> nn.Module:
    """Return softmax regression."""
    return nn.Sequential(nn.Flatten(), fit_linear(inputs, targets, 10, weight_decay=WEIGHT_DECAY)).eval()


def draw(path: Path, result: DomainInfluence, scanner: np.ndarray, pixels: np.ndarray) -> None:
    """Draw the scores by size, and the pixels' influence of the strongest training image."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    order = np.argsort(-np.abs(result.scores[0]))[:40]
    colours = np.where(scanner[order] == 1, "#d1495b", "#9aa5b1")
    left.bar(range(len(order)), result.scores[0][order], color=colours)
    left.set(xlabel="training image, by size of influence", ylabel="influence on the test loss")
    left.bar(0, 0, color="#d1495b", label="second scanner")
    left.bar(0, 0, color="#9aa5b1", label="first scanner")
    left.legend(fontsize=8)
    limit = np.abs(pixels).max()
    right.imshow(pixels, cmap="RdBu_r", vmin=-limit, vmax=limit)
    right.set_title("influence of the strongest image's pixels", fontsize=8)
    right.axis("off")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the strongest influences on the worst negative three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    x, y = threes_to_test()
    for lost in (0, 20):
        inputs, targets, scanner = scanners(lost)
        module = trained(inputs, targets)
        influence = Influence(
            module, (inputs, targets), solver="direct", damping=0, weight_decay=WEIGHT_DECAY
        )
        wrong = influence.losses((x, y)) > np.log(2)
        print(f"{24 - lost} negatives for training: {wrong.mean():.0%} of {len(x)} negative threes doubted")
    worst = int(influence.losses((x, y)).argmax())
    test = x[worst : worst + 1], y[worst : worst + 1]
    result = domain_influence(influence, test, scanner)
    strongest = np.argsort(-np.abs(result.scores[0]))[:6]
    print(f"the {len(scanner[strongest])} strongest training images (class, scanner, influence):")
    for row in strongest:
        print(
            f"  {row}: {targets[row]}, {'second' if scanner[row] else 'first'}, {result.scores[0][row]:+.1f}"
        )
    print(f"one image of the second scanner weighs as much as {result.ratio(1)[0]:.0f} of the first")
    if arguments.plot:
        pixels = influence.perturbation(test, strongest[:1])[0, 0, 0]
        draw(arguments.plot, result, scanner, pixels)


if __name__ == "__main__":
    main()
