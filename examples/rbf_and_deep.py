"""What a model like an RBF kernel machine and a deep one look at.

    python examples/rbf_and_deep.py [--data digits|mnist] [--plot FILE]

Two classes, two models, one test image: softmax regression on exp(-gamma |x - c|^2) for centres c drawn
from the training images, and a convolutional network whose last layer is trained to convergence. The
influence of each training image is set against its distance from the test image. The RBF model leans on
near images, the deep one hardly at all; for it nearly all images of the other class are helpful, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from divulge import Influence
from divulge.datasets import load
from divulge.influence import fit_linear, influence_by_distance
from divulge.training import cnn, fit_classifier

CLASSES, WEIGHT_DECAY = (4, 9), 1e-3


class RadialBasis(nn.Module):
    """exp(-gamma |x - c|^2) (n, k) for centres c (k, d), gamma one over their median squared distance."""

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres.flatten(1))
        squares = torch.pdist(self.centres) ** 2
        self.gamma = float(4 / squares.median())

    def forward(self, x: Tensor) -> Tensor:
        """Return the features (n, k) of images."""
        return torch.exp(-self.gamma * torch.cdist(x.flatten(1), self.centres) ** 2)


def convolutional(inputs: Tensor, targets: Tensor, epochs: int) -> nn.Module:
    """Return a trained convolutional network without its last layer."""
    module = cnn(inputs.shape[1:], classes=2)
    return fit_classifier(module, inputs, targets, epochs=epochs, learning_rate=1e-3)[:-1]


def main() -> None:
    """Print how the size of influence falls with distance, for both models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--train", type=int, default=2000, help="training images at most")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = load(arguments.data)
    rows = torch.flatten(torch.isin(data.train_targets, torch.tensor(CLASSES)).nonzero())[: arguments.train]
    inputs, targets = data.train_inputs[rows], (data.train_targets[rows] == CLASSES[1]).long()
    one = int(torch.flatten((data.test_targets == CLASSES[1]).nonzero())[0])
    test = data.test_inputs[one : one + 1], torch.ones(1, dtype=torch.int64)
    models = {
        "RBF features": RadialBasis(inputs[:200]),
        "convolutional network": convolutional(
            inputs, targets, epochs=10 if arguments.data == "digits" else 2
        ),
    }
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for axis, (name, features) in zip(figure.subplots(1, 2), models.items(), strict=True):
        features = features.double().eval().requires_grad_(False)
        with torch.no_grad():
            matrix = features(inputs.double())
        head = fit_linear(matrix, targets, 2, weight_decay=WEIGHT_DECAY)
        influence = Influence(
            nn.Sequential(features, head),
            (inputs, targets),
            parameters=["1"],
            solver="direct",
            damping=0,
            weight_decay=WEIGHT_DECAY,
        )
        distances, scores = influence_by_distance(influence, inputs, test)
        d, s = distances[0], scores[0]
        near = d <= np.quantile(d, 0.2)
        share = np.abs(s[near]).sum() / np.abs(s).sum()
        helpful = (s[targets == 0] < 0).mean()
        print(
            f"{name}: the nearest fifth holds {share:.0%} of the influence; "
            f"{helpful:.0%} of the images of the other class help"
        )
        for target, colour in ((1, "#2a9d8f"), (0, "#d1495b")):
            chosen = (targets == target).numpy()
            axis.plot(d[chosen], -s[chosen] / len(s), ".", color=colour, markersize=3,
                      label=f"class {CLASSES[target]}")  # fmt: skip
        axis.set(
            title=name, xlabel="distance from the test image", ylabel="change of the test loss without it"
        )
        axis.legend(fontsize=8)
    if arguments.plot:
        figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
