"""The library's registries; they import torch, so they are asked when a name is read."""

from __future__ import annotations

from typing import Any

from divulge.registry import Registry

_LARGEST = 2**31 - 1


def data_sets() -> Registry[Any]:
    """Return what `--data` may name."""
    from divulge.datasets import DATASETS

    return DATASETS


def attributions() -> Registry[Any]:
    """Return what `--attribution` may name."""
    from divulge.attributions import METHODS

    return METHODS


def answers() -> Registry[Any]:
    """Return what `--oracle` may name."""
    from divulge.oracles import ORACLES

    return ORACLES


def networks() -> Registry[Any]:
    """Return what `--surrogate`, or the model of a comparison, may name."""
    from divulge.training import NETWORKS

    return NETWORKS


def block_networks() -> tuple[str, ...]:
    """Return the networks that BlockMNIST's figures are about."""
    from divulge.evaluation.recipes import BLOCK_RADIUS

    return tuple(BLOCK_RADIUS)


def check_defence(name: str, inputs: int = _LARGEST) -> None:
    """Raise ValueError for a defence that there is not, or with a number that cannot be.

    Args:
        name: such as rounded:2, several joined by +.
        inputs: numbers in an input, where they are known.
    """
    from divulge.oracles import CallableOracle, defence_by_name

    defence_by_name(name, CallableOracle(lambda point, output: point, inputs))
