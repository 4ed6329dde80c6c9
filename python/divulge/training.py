"""Training the classifiers that are then taken apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod, sqrt

import torch
import torch.nn.functional as F
from torch import nn

from divulge.datasets import Dataset


def train_classifier(
    hidden: int | Sequence[int],
    data: Dataset,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    *,
    epochs: int = 30,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
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
        progress: called with the epochs done and the number of all, after each.

    Returns:
        Flatten, then Linear and ReLU by turns, ending with the Linear of the K class scores; in evaluation
        mode.

    Raises:
        ValueError: a layer without units, or less than one epoch.
    """
    sizes = [hidden] if isinstance(hidden, int) else list(hidden)
    if not sizes or min(sizes) < 1:
        raise ValueError(f"expected at least one unit in each hidden layer, got {hidden}")
    if epochs < 1:
        raise ValueError(f"expected at least one epoch, got {epochs}")
    generator = torch.Generator().manual_seed(seed)
    module = _network([prod(data.input_shape), *sizes, data.classes], dtype, generator)
    steps = epochs * -(-len(data.train_targets) // batch_size)
    optimiser = torch.optim.Adam(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    inputs = data.train_inputs.to(dtype)
    with torch.enable_grad(), _one_thread():
        for epoch in range(epochs):
            for batch in _batches(len(inputs), batch_size, generator):
                optimiser.zero_grad()
                loss = F.cross_entropy(module(inputs[batch]), data.train_targets[batch])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
            if progress is not None:
                progress(epoch + 1, epochs)
    return module.eval()


def accuracy(module: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    """The share of inputs whose largest output is that of their class."""
    dtype = next(module.parameters()).dtype
    with torch.no_grad():
        predicted = module(inputs.to(dtype)).argmax(dim=1)
    return float((predicted == targets).double().mean())


@contextmanager
def _one_thread() -> Iterator[None]:
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


def _network(sizes: Sequence[int], dtype: torch.dtype, generator: torch.Generator) -> nn.Sequential:
    """Flatten, Linear, ReLU, ..., Linear with torch's usual initial weights, drawn from one generator."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype)  # type: ignore[no-untyped-call]
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -1 / sqrt(fan_in), 1 / sqrt(fan_in), generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
