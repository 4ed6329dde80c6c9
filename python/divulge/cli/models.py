"""The models whose training data the commands ask about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from divulge.cli.options import DAMPING, MODELS
from divulge.cli.progress import ProgressDisplay
from divulge.datasets import Dataset
from divulge.influence import Influence
from divulge.influence.regression import fit_linear
from divulge.training import train_classifier
from divulge.training.scaled import in_one_unit, one_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from divulge.victims import Victim

HIDDEN = 64
# Passes over the training part and images a step, by data set: about 96% on the digits, 98% on MNIST.
TRAINING = {"digits": (30, 64), "mnist": (8, 128), "fashion-mnist": (8, 128), "cifar10": (20, 64)}
_STEPS, _BATCH = 3000, 64
_WEIGHT_DECAY = {"logistic": 0.01, "mlp": 1e-4}


def training_of(data: Dataset) -> tuple[int, int]:
    """Return passes over the training part and inputs a step; of data of one's own some 3,000 steps."""
    if data.name in TRAINING:
        return TRAINING[data.name]
    return min(200, max(5, _STEPS * _BATCH // len(data.train_targets))), _BATCH


def train(
    kind: str, data: Dataset, seed: int, progress: Callable[[int, int], None] | None = None
) -> nn.Module:
    """Train softmax regression to convergence, or a network with one hidden layer."""
    if kind == "logistic":
        inputs = one_unit(data).train_inputs
        linear = fit_linear(inputs, data.train_targets, data.classes, weight_decay=_WEIGHT_DECAY[kind])
        return in_one_unit(nn.Sequential(nn.Flatten(), linear).eval(), data)
    epochs, batch_size = training_of(data)
    return train_classifier(
        HIDDEN,
        data,
        dtype=torch.float32,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        weight_decay=_WEIGHT_DECAY[kind],
        progress=progress,
    )


def model(name: str, data: Dataset, seed: int, display: ProgressDisplay) -> nn.Module:
    """Return the trained module that --model names.

    Raises:
        ValueError: a file whose model does not take the data's images, or answers with probabilities, which
            would be taken for class scores.
        OSError: a file that is not there.
    """
    if name in MODELS:
        return train(name, data, seed, display.steps(f"training on {data.name}"))
    path = Path(name)
    from divulge.victims import Victim

    victim = Victim.from_file(path)
    check_fits(victim, data, path.name)
    if victim.tells_probabilities:
        raise ValueError(
            f"expected a model of class scores, {path.name} answers with probabilities: export it without "
            "its last softmax or sigmoid"
        )
    return _parametrised(victim)


def check_fits(victim: Victim, data: Dataset, name: str) -> None:
    """Raise ValueError where a model does not take the data's inputs, or has other classes."""
    victim.as_points(data.test_inputs[:1].reshape(1, -1))
    if victim.class_names is not None:
        data.with_classes(victim.class_names)
    elif victim.predicts_numbers or (data.numbers and victim.output_size == 1):
        return
    elif data.numbers:
        raise ValueError(f"{name} has {victim.output_size} outputs, and {data.name} has one number a row")
    elif victim.output_size != data.classes and (victim.output_size, data.classes) != (1, 2):
        raise ValueError(
            f"{name} has {victim.output_size} outputs, and {data.name} has {data.classes} classes"
        )


def influence(
    name: str, module: nn.Module, data: Dataset, damping: float | None, **options: Any
) -> Influence:
    """Return the influence functions of a trained module."""
    kind = name if name in MODELS else "mlp"
    return Influence(
        module,
        data,
        damping=DAMPING[kind] if damping is None else damping,
        weight_decay=_WEIGHT_DECAY[kind] if name in MODELS else 0.0,
        **options,
    )


def _parametrised(victim: Victim) -> nn.Module:
    """Return a module with parameters: the layers of a chain, else the one that was read."""
    if victim.layers is None:
        return Reshaped(victim.module, victim.input_shape)
    parts: list[nn.Module] = [nn.Flatten()]
    for weight, bias in zip(victim.layers.weights, victim.layers.biases, strict=True):
        linear = nn.utils.skip_init(nn.Linear, *weight.T.shape, dtype=victim.dtype)  # type: ignore[no-untyped-call]
        linear.weight.data, linear.bias.data = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1]).to(victim.dtype).eval()


class Reshaped(nn.Module):
    """A module that is fed images in the shape that it was exported with."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.shape = module, shape
        self.training = False  # an exported module's mode is fixed in its file
        for parameter in module.parameters():
            parameter.requires_grad_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the module's outputs for images (n, ...)."""
        outputs: torch.Tensor = self.module(x.reshape(len(x), *self.shape))
        return outputs
