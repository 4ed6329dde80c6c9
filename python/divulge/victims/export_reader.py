"""Reading models that torch.export wrote."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from divulge.errors import UnsupportedModelFile
from divulge.files import reading
from divulge.victims.export_archive import checked_archive
from divulge.victims.finite import check_finite

# Of one input: a photograph of 2,364 pixels a side. Sixteen of them are asked about first.
MOST_NUMBERS = 2**24


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

    The example input's first axis is taken for the batch. Nothing in the file is unpickled, evaluated or
    loaded as code (`divulge.victims.export_archive`).

    Raises:
        UnsupportedModelFile: the file is no exported program, is damaged, holds a pickle or an operation that
            is none of ATen's, or does not have one input with a batch axis.
    """
    archive = checked_archive(path)
    with reading(path, "program saved by torch.export.save", UnsupportedModelFile):
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")  # torch warns of its own deprecated calls
            program = torch.export.load(archive)
            shape = _example_shape(program, path)
            module: nn.Module = program.module()
        check_finite(path, {**program.state_dict, **program.constants})
        if not isinstance(shape[0], torch.SymInt):
            module = FixedBatch(module, int(shape[0]))
        return module, tuple(int(s) for s in shape[1:])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from printing on its own why a file is damaged; the error says it."""
    log = logging.getLogger("torch.export")
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _example_shape(program: Any, path: Path) -> tuple[Any, ...]:
    """Return the shape of the one input that a program takes."""
    inputs, place = program.graph_signature.user_inputs, "the program"
    if len(inputs) != 1:
        raise UnsupportedModelFile(path, place, f"should take one input, it takes {len(inputs)}")
    node = next(n for n in program.graph.nodes if n.op == "placeholder" and n.name == inputs[0])
    shape = tuple(node.meta["val"].shape)
    if len(shape) < 2:
        raise UnsupportedModelFile(
            path, place, f"should take inputs with a batch axis, it takes shape {shape}"
        )
    if any(isinstance(s, torch.SymInt) for s in shape[1:]):
        raise UnsupportedModelFile(path, place, f"should fix the shape of one input, it takes {shape}")
    if min(map(int, shape)) < 1 or prod(map(int, shape[1:])) > MOST_NUMBERS:
        raise UnsupportedModelFile(path, place, f"takes inputs of shape {shape}")
    return shape
