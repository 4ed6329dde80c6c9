"""What published prototypes give away: copies that learned from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from divulge.datasets import Dataset
from divulge.oracles import LabelOracle
from divulge.surrogate import steal
from divulge.victims import Victim


def prototypes_leak(
    rows: NDArray[np.int64],
    victim: Victim,
    data: Dataset,
    counts: Sequence[int] | None,
    surrogate: str | nn.Module,
    steps: int,
    seed: int,
) -> pd.DataFrame:
    """Return the leak curve of the first so many prototypes, see `Prototypes.leak_curve`.

    Raises:
        TypeError: no victim or no data set.
        ValueError: more prototypes than there are, or samples that the data do not have.
    """
    if not isinstance(victim, Victim) or not isinstance(data, Dataset):
        raise TypeError(
            f"expected a Victim and a Dataset, got {type(victim).__name__} and {type(data).__name__}"
        )
    n = len(data.train_inputs)
    if len(rows) and rows.max() >= n:
        raise ValueError(
            f"expected the data that prototypes were chosen of, sample {rows.max()} is none of {n}"
        )
    counts = _doubling(len(rows)) if counts is None else list(counts)
    if not counts or min(counts) < 1 or max(counts) > len(rows):
        raise ValueError(
            f"expected counts from 1 to {len(rows)}, as many as there are prototypes, got {counts}"
        )
    drawn = np.random.default_rng(seed).permutation(n)
    told = []
    for kind, order in (("prototypes", rows), ("random", drawn)):
        for count in counts:
            chosen = torch.from_numpy(np.asarray(order[:count]))
            known = replace(
                data, train_inputs=data.train_inputs[chosen], train_targets=data.train_targets[chosen]
            )
            stolen = steal(
                LabelOracle(victim), surrogate, queries=count, data=known, inputs="data", victim=victim,
                steps=steps, seed=seed,
            )  # fmt: skip
            told.append((kind, count, float(stolen.leak_curve["agreement"].iloc[-1])))
    return pd.DataFrame(told, columns=["samples", "numbers", "agreement"])


def _doubling(count: int) -> list[int]:
    """Return 1, 2, 4, ... and the count itself."""
    return sorted({*(2**k for k in range(count.bit_length()) if 2**k <= count), count} - {0})
