"""Flip predictions by changing one or two training images by less than half a grey level.

    python examples/invisible_training.py [--data digits|mnist] [--train 20] [--plot FILE]

A convolutional network is trained on the classes 0 to 7, its features are frozen, and softmax regression on
them tells 8 from 9. For each test image that it gets right, the training images with the largest influence
of their pixels are moved within the box that rounding to the data's grey levels maps to the image itself
(16 levels for the digits, 255 for MNIST), the regression is trained again, and so on until the test image
is classified wrongly.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from divulge.datasets import Dataset, load
from divulge.influence import TrainingAttack, perturb_training_images
from divulge.influence.figures import plot_images
from divulge.training import cnn, fit_classifier

LEVELS = {"digits": 16, "mnist": 255}
CLASSES = 8, 9
WEIGHT_DECAY = 1e-4


def features(data: Dataset, images: int = 6000, epochs: int = 10) -> nn.Sequential:
    """Train on the classes 0 to 7 and return all layers but the last."""
    known = torch.flatten((data.train_targets < CLASSES[0]).nonzero())[:images]
    inputs, targets = data.train_inputs[known], data.train_targets[known]
    module = cnn(data.input_shape, CLASSES[0])
    fit_classifier(module, inputs, targets, epochs=epochs, learning_rate=1e-3)
    return module[:-1].eval().requires_grad_(False)


def two_classes(inputs: torch.Tensor, targets: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images of the two classes, numbered 0 and 1."""
    rows = torch.flatten((targets >= CLASSES[0]).nonzero())[:most]
    return inputs[rows], targets[rows] - CLASSES[0]


def draw(path: Path, attack: TrainingAttack, train: torch.Tensor, test: torch.Tensor, radius: float) -> None:
    """Draw the flipped test images, the training images that did it, and what was added to these."""
    which = attack.flipped.nonzero()[0][:8]
    before = train[attack.rows[which, 0]].numpy()
    after = attack.inputs[which, 0]
    captions = [f"{p:.2f} to {q:.2f}" for p, q in attack.probability[which]]
    rows = [
        ("test image", test[attack.attacked[which]], captions),
        ("training image", before, [""] * len(which)),
        ("changed", after, [""] * len(which)),
        ("difference", (after - before) / (2 * radius) + 0.5, [""] * len(which)),
    ]
    axes = plot_images(rows, "probability of the right class,\nbefore and after")
    axes.flat[0].figure.savefig(path, dpi=110)


def main() -> None:
    """Print the share of test images that one and two training images flip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", choices=LEVELS, default="digits")
    parser.add_argument("--train", type=int, default=20, help="training images of the two classes at most")
    parser.add_argument("--test", type=int, default=25, help="test images at most")
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data, radius = load(arguments.data), 0.5 / LEVELS[arguments.data]
    phi = features(data)
    train = two_classes(data.train_inputs, data.train_targets, arguments.train)
    test = two_classes(data.test_inputs, data.test_targets, arguments.test)
    for images in (1, 2):
        attack = perturb_training_images(
            phi, train, test, radius, images=images, weight_decay=WEIGHT_DECAY, steps=arguments.steps
        )
        print(
            f"{images} of {len(train[0])} training images changed: "
            f"{attack.flipped.sum()} of {len(attack.attacked)} test images flipped ({attack.share:.0%}), "
            f"mean probability of the right class from {attack.probability[:, 0].mean():.3f} "
            f"to {attack.probability[:, 1].mean():.3f}"
        )
    if arguments.plot and attack.flipped.any():
        draw(arguments.plot, attack, train[0], test[0], radius)


if __name__ == "__main__":
    main()
