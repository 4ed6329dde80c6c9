"""A part of a data set: some of its classes, some of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from divulge.datasets.dataset import Dataset


def subset(
    data: Dataset,
    *,
    classes: Sequence[int] | None = None,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Return some classes of a data set, renumbered 0, 1, ..., and a random choice of their images.

    Args:
        data: any data set.
        classes: those kept, in the order of their new numbers; all of them by default.
        train: training images kept; all by default, and where there are fewer.
        test: test images kept, likewise.
        seed: of the choice.

    Raises:
        ValueError: a class that is named twice, or of which no image is left.
    """
    kept = list(range(data.classes)) if classes is None else [int(c) for c in classes]
    if len(set(kept)) != len(kept) or not kept:
        raise ValueError(f"expected different classes, got {kept}")
    generator = torch.Generator().manual_seed(seed)
    train_rows = _rows(data.train_targets, kept, train, generator)
    test_rows = _rows(data.test_targets, kept, test, generator)
    parts = {"training": data.train_targets[train_rows], "test": data.test_targets[test_rows]}
    for part, targets in parts.items():
        for c in kept:
            if not bool((targets == c).any()):
                raise ValueError(f"no {part} image of class {c} of {data.name} is left")
    return replace(
        data,
        train_inputs=data.train_inputs[train_rows],
        train_targets=_renumbered(parts["training"], kept),
        test_inputs=data.test_inputs[test_rows],
        test_targets=_renumbered(parts["test"], kept),
        class_names=tuple(data.class_names[k] for k in kept) if data.class_names else (),
    )


def _rows(targets: Tensor, kept: list[int], most: int | None, generator: torch.Generator) -> Tensor:
    """Return the rows of the classes kept, `most` of them drawn at random, in their order."""
    if most is not None and most < 1:
        raise ValueError(f"expected at least one image, got {most}")
    rows = torch.isin(targets, torch.tensor(kept)).nonzero()[:, 0]
    if most is None or most >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:most].sort().values]


def _renumbered(targets: Tensor, kept: list[int]) -> Tensor:
    """Return the place of each class in `kept`."""
    table = torch.full((max(kept) + 1,), -1)
    table[torch.tensor(kept)] = torch.arange(len(kept))
    return table[targets]
