"""Does the gradient point at what a model uses? Digits 0 and 1 above or below a block that says nothing.

python examples/truth_of_gradients.py [--epochs 15] [--plot FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from divulge.attributions import attribute
from divulge.datasets import blockify, digits
from divulge.evaluation import leakage
from divulge.training import Pgd, accuracy, cnn, fit_classifier


def main() -> None:
    """Print how much of the largest gradients lies in the block, for a standard and a robust network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = digits()
    train, test = (blockify(data, signal=(0, 1), part=part) for part in ("train", "test"))
    figure = Figure(figsize=(6, 3), layout="constrained")
    rows = figure.subplots(2, 6)
    for row, (name, perturb) in zip(
        rows, {"standard": None, "robust": Pgd(1.0, norm="l2")}.items(), strict=True
    ):
        module = cnn(train.input_shape, 2, channels=(16,), hidden=32)
        fit_classifier(module, train.inputs, train.targets, epochs=arguments.epochs, perturb=perturb)
        share = float(leakage(module, test, levels=(0.1,)).mean)
        right = accuracy(module, test.inputs, test.targets)
        print(f"{name}: {right:.1%} right, {share:.1%} of the largest tenth of the gradient where nothing is")
        for axis, part in zip(row, attribute(module, test.inputs[:6]).abs().numpy(), strict=True):
            axis.imshow(part[0], cmap="cividis")
            axis.set_axis_off()
    if arguments.plot:
        figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
