"""The victims of a sweep."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.victims import Victim

_POINTS = 1000


@lru_cache(maxsize=4)
def comparison_points(input_size: int) -> np.ndarray[Any, Any]:
    """Return the standard normal points on which a copy of a random victim is compared; not to be written."""
    points = np.random.default_rng(0).standard_normal((_POINTS, input_size))
    points.flags.writeable = False
    return points


def check_hidden(value: Any) -> None:
    """Raise ValueError where a value is neither a number of units nor a list of them."""
    sizes = value if isinstance(value, list) else [value]
    if not sizes or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sizes):
        raise ValueError(f"expected hidden units from 1 on, or a list of them, got {value!r}")


def build_victim(cell: dict[str, Any]) -> tuple[Victim, Dataset | None]:
    """Return the victim that a run's settings name, and the data it was trained on, if on any.

    victim = "random": a network with torch's initial weights, drawn from the run's seed; a data set's name,
    or a file of one's own data with its target column: a network trained on it; anything else: a model file,
    with the data that `data` and `target` name.
    """
    import torch

    from divulge.datasets import DATASETS, load
    from divulge.datasets.load import is_path
    from divulge.training import mlp, train_classifier
    from divulge.victims import Victim

    name, seed, dtype = cell["victim"], cell["seed"], getattr(torch, cell["dtype"])
    hidden = cell["hidden"] if isinstance(cell["hidden"], list) else [cell["hidden"]]
    if name == "random":
        shape = (cell["inputs"],)
        return Victim(mlp(shape, hidden, cell["outputs"], seed=seed, dtype=dtype), shape), None
    target = None if cell["target"] == "none" else cell["target"]
    if name in DATASETS or is_path(name):
        data = load(name, target, seed=seed)
        return Victim(train_classifier(hidden, data, dtype=dtype, seed=seed), data.input_shape), data
    given = None if cell["data"] == "none" else load(cell["data"], target, seed=seed)
    return Victim.from_file(name, given), given
