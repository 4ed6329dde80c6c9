"""Draw the galleries of saliency.md, standard beside robust, and let another model name the maps.

python docs/class_pictures.py [mnist|cifar10 ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from divulge.agnostic import SaliencyMaps, agnostic_saliency
from divulge.agnostic.views import comparison
from divulge.datasets import Dataset, load
from divulge.datasets.published import resnet20
from divulge.training import Pgd, cnn, fit_classifier

HERE = Path(__file__).parent
# Training images, epochs, channels, hidden units and adversary of the robust model.
ROBUST = {
    "mnist": (15_000, 4, (16, 32), 64, Pgd(2.0, "l2", 4, warm_up=0.5)),
    "cifar10": (10_000, 8, (32, 64, 64), 128, Pgd(0.75, "l2", 3, warm_up=0.3)),
}
STANDARD = {"mnist": (20_000, 3), "cifar10": (10_000, 8)}
RADIUS = {"mnist": 10.0, "cifar10": 12.0}


def trained(data: Dataset, robust: bool, seed: int = 0) -> nn.Module:
    """Train a classifier, plainly or against an adversary."""
    images, epochs, channels, hidden, adversary = ROBUST[data.name]
    if not robust:
        images, epochs = STANDARD[data.name]
    module = cnn(data.input_shape, 10, seed, channels=channels, hidden=hidden)
    inputs, targets = data.train_inputs[:images], data.train_targets[:images]
    return fit_classifier(module, inputs, targets, seed, epochs=epochs, perturb=adversary if robust else None)


def maps(module: nn.Module, data: Dataset) -> SaliencyMaps:
    """Return the maps of all classes, from samples that are all but black, or grey for photographs."""
    middle = 0.0 if data.name == "mnist" else 0.5

    def sampler(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
        return middle + 0.05 * torch.randn(n, *shape, generator=generator)

    return agnostic_saliency(
        module, range(10), data.input_shape, samples=8, steps=60, reach=None, radius=RADIUS[data.name],
        sampler=sampler,
    )  # fmt: skip


def named(judge: nn.Module, found: SaliencyMaps) -> int:
    """Return how many of the maps another model assigns to their class."""
    with torch.no_grad():
        return int((judge(found.images).argmax(1) == torch.tensor(found.targets)).sum())


def draw(data: Dataset, standard: nn.Module, robust: nn.Module, judge: nn.Module, path: Path) -> None:
    """Draw both models' maps and print how many of them the other model names."""
    both = [maps(module, data) for module in (standard, robust)]
    comparison(*both, names=("standard", "robust")).savefig(path, dpi=110)
    for name, found in zip(("standard", "robust"), both, strict=True):
        print(f"{data.name}, {name}: another model names {named(judge, found)} of 10 maps")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ROBUST:
        data = load(name)
        judge = resnet20() if name == "cifar10" else trained(data, robust=False, seed=1)
        models = trained(data, robust=False), trained(data, robust=True)
        draw(data, *models, judge, HERE / f"classes_{name}.png")
