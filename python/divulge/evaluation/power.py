"""What a ranking leaves a model to learn from (Shah, Jain, Netrapalli 2021, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from divulge.datasets import Dataset
from divulge.evaluation.unmasking import fill_image, unmask
from divulge.training import Perturb, accuracy, evaluating, fit_classifier
from divulge.training.class_scores import ClassScores, class_scores, precision

__all__ = ["AdamTrainer", "ModuleFactory", "Trainer", "check_classes", "check_fit", "predictive_power"]


class ModuleFactory(Protocol):
    """Makes an untrained classifier, such as functools.partial(divulge.training.cnn, (1, 28, 28), 10)."""

    def __call__(self, *, seed: int) -> nn.Module:
        """Return a classifier with the parameters that a seed draws."""


class Trainer(Protocol):
    """Trains a module and never sees test data, such as `AdamTrainer` or `fit_classifier`."""

    def __call__(self, module: nn.Module, inputs: Tensor, targets: Tensor, /, *, seed: int) -> nn.Module:
        """Return the module, trained on inputs (n, ...) and classes (n,)."""


@dataclass(frozen=True, kw_only=True)
class AdamTrainer:
    """A training recipe: Adam, the learning rate falling along a cosine, nothing chosen by a held-out score.

    Args:
        epochs: passes over the inputs.
        batch_size: inputs a step.
        learning_rate: at the start.
        weight_decay: adds (weight_decay / 2) |theta|^2 to the loss.
        perturb: such as `divulge.training.Pgd`, makes the training adversarial.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    perturb: Perturb | None = None

    def __call__(self, module: nn.Module, inputs: Tensor, targets: Tensor, *, seed: int) -> nn.Module:
        """Train a module in place on inputs (n, ...) and classes (n,), and return it."""
        fit_classifier(
            ClassScores(module),
            inputs,
            targets,
            seed=seed,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            perturb=self.perturb,
        )
        return module


def predictive_power(
    module_factory: ModuleFactory,
    data: Dataset,
    attributions: tuple[Tensor, Tensor],
    k: int | float,
    *,
    keep: str = "top",
    trainer: Trainer | None = None,
    fill: str | float | Tensor = "zero",
    channels: str = "grouped",
    seed: int = 0,
) -> float:
    """Return the test accuracy of a module trained on what is left of the inputs, tested on the like.

    Args:
        module_factory: makes an untrained classifier from a seed.
        data: training and test inputs.
        attributions: of the training inputs and of the test inputs, of their shapes.
        k: coordinates kept, see `unmask`.
        keep: "top" or "bottom".
        trainer: called with a module, inputs, targets and seed=; `AdamTrainer()` by default. Test data
            never reach it.
        fill: see `unmask`; "mean" is that of the training inputs in both parts.
        channels: see `unmask`.
        seed: of the module, of the training, and of the order of equal attributions.

    Raises:
        ValueError: one of these cannot be, or a class without a training image.
    """
    check_classes(data)
    filling = fill_image(fill, data.train_inputs)
    train, test = (
        unmask(inputs, attribution, k, keep=keep, fill=filling, channels=channels, seed=seed)
        for inputs, attribution in zip((data.train_inputs, data.test_inputs), attributions, strict=True)
    )
    module = module_factory(seed=seed)
    check_fit(module, data)
    trained = (trainer or AdamTrainer())(module, train, data.train_targets, seed=seed)
    return accuracy(ClassScores(trained), test, data.test_targets)


def check_classes(data: Dataset) -> None:
    """Raise ValueError for a class without a training image, and for a test class that is not trained."""
    counts = torch.bincount(data.train_targets, minlength=data.classes)
    for c in (counts == 0).nonzero()[:, 0].tolist():
        raise ValueError(f"expected classes from 0 to {data.classes - 1}, class {c} has no training image")
    if not len(data.test_targets):
        raise ValueError(f"expected at least one test image in {data.name}, got none")
    if int(data.test_targets.max()) >= data.classes:
        raise ValueError(f"test class {int(data.test_targets.max())} has no training image")


def check_fit(module: nn.Module, data: Dataset) -> None:
    """Raise ValueError for a module that has not a score for each class."""
    x = data.train_inputs[:2].to(precision(module, data.train_inputs))
    with evaluating(module), torch.no_grad():
        scores = class_scores(module(x))
    if scores.shape[1] < data.classes:
        raise ValueError(f"expected a module with {data.classes} class scores, got {scores.shape[1]}")
