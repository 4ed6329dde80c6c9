from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from divulge import _core


@pytest.fixture
def on_threads() -> Iterator[Callable[[int, Callable[[], Any]], Any]]:
    """Runs something with a given number of threads; afterwards the number is as before."""
    before = _core.threads()

    def run(threads: int, call: Callable[[], Any]) -> Any:
        _core.set_threads(threads)
        return call()

    yield run
    _core.set_threads(before)


@pytest.fixture(scope="session")
def layers() -> Callable[..., tuple[list[Any], list[Any]]]:
    """Makes weights and biases of a random network with layers of the given sizes."""

    def random_layers(sizes: list[int], seed: int, dtype: Any = np.float64) -> tuple[list[Any], list[Any]]:
        rng = np.random.default_rng(seed)
        pairs = list(pairwise(sizes))
        weights = [(rng.standard_normal((out, n)) / np.sqrt(n)).astype(dtype) for n, out in pairs]
        return weights, [(0.3 * rng.standard_normal(out)).astype(dtype) for _, out in pairs]

    return random_layers
