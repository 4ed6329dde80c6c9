"""Training the classifiers that are then taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.training.class_scores import class_scores, precision
from divulge.training.modes import evaluating, own_modes_after_errors
from divulge.training.networks import mlp
from divulge.training.scaled import in_one_unit, one_unit

Module = TypeVar("Module", bound=nn.Module)
# Returns what a step trains on in place of its inputs: (module, inputs, targets, share of the training done).
Perturb = Callable[[nn.Module, Tensor, Tensor, float], Tensor]
Penalty = Callable[[nn.Module], Tensor]  # what is added to the loss for a module, a number


def train_classifier(
    hidden: int | Sequence[int],
    data: Dataset,
    *,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    epochs: int = 30,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.0,
    penalty: Penalty | None = None,
    progress: OnProgress | None = None,
) -> nn.Sequential:
    """Train a ReLU classifier with Adam on the cross-entropy of a data set's training part.

    The same arguments give the same network for any number of threads; torch's random state is not touched.

    Args:
        hidden: units of the hidden layer, or of each hidden layer.
        data: what to train on.
        dtype: precision of parameters and training, torch.float32 or torch.float64.
        seed: of the initial weights and of the order of the images.
        epochs: passes over the training part; the learning rate falls to zero over them along a cosine.
        batch_size: images a step.
        learning_rate: at the start.
        weight_decay: adds (weight_decay / 2) |theta|^2 to the loss.
        penalty: of the module, added to each step's loss, such as `divulge.training.AlikeUnits`.
        progress: called with the epochs done and the number of all, after each.

    Returns:
        Flatten, then Linear and ReLU by turns, ending with the Linear of the K class scores; in evaluation
        mode. Of a table behind a layer that brings its columns to one unit.

    Raises:
        ValueError: a layer without units, or less than one epoch.
    """
    sizes = [hidden] if isinstance(hidden, int) else list(hidden)
    if not sizes:
        raise ValueError(f"expected at least one unit in each hidden layer, got {hidden}")
    generator = torch.Generator().manual_seed(seed)
    module = mlp(data.input_shape, sizes, data.classes, seed=generator, dtype=dtype)
    fit_classifier(
        module,
        one_unit(data).train_inputs,
        data.train_targets,
        seed=generator,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        penalty=penalty,
        progress=progress,
    )
    return in_one_unit(module, data)


def fit_classifier(
    module: Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    seed: int | torch.Generator = 0,
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.0,
    perturb: Perturb | None = None,
    penalty: Penalty | None = None,
    progress: OnProgress | None = None,
) -> Module:
    """Train any classifier in place with Adam on the cross-entropy, and return it in evaluation mode.

    The same arguments give the same network for any number of threads; torch's random state is not touched.

    Args:
        module: maps inputs (n, ...) to class scores (n, K), or to the log-odds of class 1, (n,) or (n, 1);
            all its parts are put into training mode first.
        inputs: shape (n, ...); converted to the precision of the module's parameters.
        targets: classes, int64, shape (n,).
        seed: of the order of the inputs, and of dropout.
        epochs: passes over the inputs; the learning rate falls to zero over them along a cosine.
        batch_size: inputs a step.
        learning_rate: at the start.
        weight_decay: adds (weight_decay / 2) |theta|^2 to the loss.
        perturb: called with the module, a step's inputs and targets, and the share of the steps that is done;
            the step trains on what it returns. `divulge.training.Pgd` makes training adversarial.
        penalty: of the module, added to each step's loss; `divulge.training.AlikeUnits` makes units alike.
        progress: called with the epochs done and the number of all, after each.

    Raises:
        ValueError: less than one epoch.
    """
    if epochs < 1:
        raise ValueError(f"expected at least one epoch, got {epochs}")
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(targets) // batch_size)
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    inputs = inputs.to(next(module.parameters()).dtype)
    with (
        own_modes_after_errors(module),
        torch.enable_grad(),
        one_thread(),
        torch.random.fork_rng(devices=[]),
    ):
        module.train()
        torch.manual_seed(generator.initial_seed())
        for epoch in range(epochs):
            for batch in _batches(len(inputs), batch_size, generator):
                x, y = inputs[batch], targets[batch]
                if perturb is not None:
                    x = perturb(module, x, y, schedule.last_epoch / steps)
                optimiser.zero_grad()
                loss = F.cross_entropy(class_scores(module(x)), y)
                if penalty is not None:
                    loss = loss + penalty(module)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
            if progress is not None:
                progress(epoch + 1, epochs)
    return module.eval()


def accuracy(module: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """Return the share of inputs that a module names the class of, run in evaluation mode.

    The class is that of the largest output; of one output, 1 where it is above 0 and 0 elsewhere.
    """
    dtype = precision(module, inputs)
    with evaluating(module), torch.no_grad():
        parts = [class_scores(module(part.to(dtype))).argmax(dim=1) for part in torch.split(inputs, 2048)]
    return float((torch.cat(parts) == targets).double().mean())


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: steps too small to share, and sums that do not depend on the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _batches(n: int, size: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Split a random order of n images into steps."""
    return torch.split(torch.randperm(n, generator=generator), size)
