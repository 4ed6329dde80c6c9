"""Reading models that torch.export wrote."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from divulge.errors import UnsupportedModel


class FixedBatch(nn.Module):
    """Runs a module that takes batches of one length only on batches of any length.

    Args:
        module: maps (size, ...) to (size, ...), row by row.
        size: that length.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        super().__init__()
        self.module = module
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run part by part, the last one filled up with its last row."""
        missing = -len(x) % self.size
        full = torch.cat([x, x[-1:].expand(missing, *x.shape[1:])])
        return torch.cat([self.module(part) for part in torch.split(full, self.size)])[: len(x)]


def read_export(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Return the module in a `.pt2` file and the shape of one of its inputs.

    The example input's first axis is taken for the batch.

    Raises:
        UnsupportedModel: the file is no exported program, or does not have one input with a batch axis.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of its own deprecated calls
            program = torch.export.load(path)
            module: nn.Module = program.module()
    except Exception as error:
        raise UnsupportedModel(f"{path.name} is no program saved by torch.export.save: {error}") from error
    shape = _example_shape(program, path.name)
    if not isinstance(shape[0], torch.SymInt):
        module = FixedBatch(module, int(shape[0]))
    return module, tuple(int(s) for s in shape[1:])


def _example_shape(program: Any, name: str) -> tuple[Any, ...]:
    """Return the shape of the one input that a program takes."""
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1:
        raise UnsupportedModel(f"expected {name} to take one input, it takes {len(inputs)}")
    node = next(n for n in program.graph.nodes if n.op == "placeholder" and n.name == inputs[0])
    shape = tuple(node.meta["val"].shape)
    if len(shape) < 2:
        raise UnsupportedModel(f"expected {name} to take inputs with a batch axis, it takes shape {shape}")
    if any(isinstance(s, torch.SymInt) for s in shape[1:]):
        raise UnsupportedModel(f"expected {name} to fix the shape of one input, it takes {shape}")
    return shape
