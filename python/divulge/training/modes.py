"""Modules that are borrowed, in evaluation mode, and given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["evaluating"]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all its parts into evaluation mode, and give each part its own mode back at the end.

    A part that its owner has frozen, such as a batch norm in evaluation mode inside a module that is trained,
    stays frozen; `module.train(training)` would wake it. The modes come back after an error too. The parts'
    flags are set, `eval` and `train` are not called: an exported module refuses them, and others do more.

    Args:
        module: any module.
    """
    modes = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, training in modes:
            part.training = training
