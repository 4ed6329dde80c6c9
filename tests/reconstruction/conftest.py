"""Victims for the reconstruction tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from random_victims import random_network

from divulge import GradientOracle, Victim

MakeVictim = Callable[..., Victim]


@pytest.fixture
def make_victim() -> MakeVictim:
    """Build a victim with one random hidden layer."""
    return lambda *sizes, **options: Victim(random_network(*sizes, **options), input_shape=(sizes[0],))


@pytest.fixture
def oracle() -> GradientOracle:
    """Answer for a random 30-12-1 network."""
    return GradientOracle(Victim(random_network(30, 12), input_shape=(30,)))
