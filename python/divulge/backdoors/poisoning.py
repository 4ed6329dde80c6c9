"""Backdoors of one's own, to try a search on: poisoned training data, and clean twins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from divulge.backdoors.trigger import Trigger
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.evaluation.layer_order import draw_anew, learned
from divulge.training import fit_classifier
from divulge.training.modes import copied, trainable

Module = TypeVar("Module", bound=nn.Module)


def poison(data: Dataset, trigger: Trigger, target: int, *, rate: float = 0.05, seed: int = 0) -> Dataset:
    """Return a data set in which a share of the training images carries a trigger and the target's label.

    The test part stays as it is. After Gu, Dolan-Gavitt and Garg (2017), BadNets.

    Args:
        data: images and labels.
        trigger: what is laid over an image.
        target: the class that the poisoned images are labelled with.
        rate: share of the training images, above 0 and below 1.
        seed: of the choice among the images that are not of the target class.

    Raises:
        ValueError: no such class, a rate that cannot be, or a trigger of another shape than the images.
    """
    if not 0 <= target < data.classes:
        raise ValueError(f"expected a target from 0 to {data.classes - 1}, got {target}")
    if not 0 < rate < 1:
        raise ValueError(f"expected a rate between 0 and 1, got {rate}")
    if tuple(trigger.pattern.shape) != data.input_shape:
        raise ValueError(
            f"expected a trigger for images {data.input_shape}, got {tuple(trigger.pattern.shape)}"
        )
    others = torch.nonzero(data.train_targets != target)[:, 0]
    chosen = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))]
    chosen = chosen[: max(1, round(rate * len(data.train_targets)))]
    inputs, targets = data.train_inputs.clone(), data.train_targets.clone()
    inputs[chosen], targets[chosen] = trigger(inputs[chosen]), target
    return replace(data, name=f"{data.name}, poisoned", train_inputs=inputs, train_targets=targets)


def train_twin(
    module: Module,
    data: Dataset,
    *,
    seed: int = 0,
    epochs: int = 3,
    batch_size: int = 64,
    progress: OnProgress | None = None,
    **options: Any,
) -> Module:
    """Return a module of the same architecture, drawn afresh and trained on other data.

    Args:
        module: is copied, its parameters drawn again by each layer's `reset_parameters`; what these leave as
            it was, such as a weight behind a mask or a norm, from a normal distribution with the mean and the
            standard deviation it had. The module stays as it is.
        data: what to train on: clean, or what `poison` returned.
        seed: of the parameters and of the training; torch's random state is not touched.
        epochs: passes over the training part.
        batch_size: images a step.
        progress: called with the epochs done and the number of all, after each.
        **options: further arguments of `divulge.training.fit_classifier`.

    Raises:
        ValueError: as `divulge.training.fit_classifier` does.
    """
    twin = copied(module)
    _forget(twin, seed)
    return fit_classifier(
        trainable(twin),
        data.train_inputs,
        data.train_targets,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        progress=progress,
        **options,
    )


def _forget(module: nn.Module, seed: int) -> None:
    """Draw all that a module learned again, in place."""
    before = [(name, tensor, tensor.detach().clone()) for name, tensor in learned(module)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in module.modules():
            reset = getattr(layer, "reset_parameters", None)
            if reset is not None:
                reset()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor, held in before:
        # Ones and zeros, of a norm that has no reset_parameters, are no sign of what was learned.
        if torch.equal(tensor, held) and not bool((held == held.flatten()[0]).all()):
            draw_anew(name.rpartition(".")[2], tensor, generator)
