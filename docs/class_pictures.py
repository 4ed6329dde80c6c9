"""Draw the galleries of saliency.md, standard beside robust, and let other models name the maps.

python docs/class_pictures.py [mnist|cifar10 ...]
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn

from divulge.datasets import Dataset, load
from divulge.saliency import SaliencyMaps, agnostic_saliency
from divulge.saliency.views import comparison
from divulge.training import Pgd, accuracy, cnn, fit_classifier, strided_cnn
from divulge.victims.published import resnet20

HERE = Path(__file__).parent
# Training images, epochs, network and adversary of the robust model.
ROBUST = {
    "mnist": (
        15_000,
        4,
        partial(cnn, channels=(16, 32), hidden=64),
        Pgd(2.0, norm="l2", steps=4, warm_up=0.5),
    ),
    "cifar10": (
        10_000,
        5,
        partial(strided_cnn, channels=(32, 64, 128), hidden=128),
        Pgd(0.5, norm="l2", steps=2, warm_up=0.3),
    ),
}
STANDARD = {"mnist": (20_000, 3), "cifar10": (10_000, 5)}
RADIUS = {"mnist": 10.0, "cifar10": 12.0}


def trained(data: Dataset, robust: bool, seed: int = 0) -> nn.Module:
    """Train a classifier, plainly or against an adversary."""
    images, epochs, network, adversary = ROBUST[data.name]
    if not robust:
        images, epochs = STANDARD[data.name]
    module = network(data.input_shape, 10, seed=seed)
    inputs, targets = data.train_inputs[:images], data.train_targets[:images]
    return fit_classifier(
        module, inputs, targets, seed=seed, epochs=epochs, perturb=adversary if robust else None
    )


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


def judges(data: Dataset) -> dict[str, nn.Module]:
    """Return models that were trained apart from those whose maps they name."""
    if data.name == "mnist":
        return {"a standard network": trained(data, robust=False, seed=1)}
    return {"a published ResNet-20": resnet20(), "a robust network": trained(data, robust=True, seed=1)}


def draw(
    data: Dataset, standard: nn.Module, robust: nn.Module, others: dict[str, nn.Module], path: Path
) -> None:
    """Draw both models' maps and print how many of them the other models name."""
    both = [maps(module, data) for module in (standard, robust)]
    comparison(*both, names=("standard", "robust")).flat[0].figure.savefig(path, dpi=110)
    for name, found in zip(("standard", "robust"), both, strict=True):
        for judge, module in others.items():
            print(f"{data.name}, {name}: {judge} names {named(module, found)} of 10 maps", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ROBUST:
        data = load(name)
        models = trained(data, robust=False), trained(data, robust=True)
        for module in models:
            print(
                f"{data.name}: {accuracy(module, data.test_inputs, data.test_targets):.1%} right", flush=True
            )
        draw(data, *models, judges(data), HERE / f"classes_{name}.png")
