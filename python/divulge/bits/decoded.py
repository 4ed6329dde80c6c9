"""Reading a network from its code."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from torch import nn

from divulge.bits.architecture import built
from divulge.bits.code import Code
from divulge.bits.packed import unpacked
from divulge.bits.weights import Weights
from divulge.files import reading
from divulge.training.modes import copied


def decode(
    code: Code | str | Path, *, into: nn.Module | None = None, prior: nn.Module | None = None
) -> nn.Module:
    """Rebuild a coded network, every weight bit for bit.

    Args:
        code: what `encode` returned, or the file it was saved to.
        into: a module of the coded one's form, a copy of which gets the weights. A chain of usual layers says
            its form itself.
        prior: the module that the code was written against, if it was.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: no form or prior where one is needed, one of another form, or weights that are not the
            coded.
        UnreadableFile: the file is damaged or something else.
        OSError: it cannot be read.
    """
    if not isinstance(code, Code):
        path, code = code, Code.load(code)
        with reading(path, "code of such a network"):
            return decode(code, into=into, prior=prior)
    module = copied(into) if into is not None else _form(code)
    weights = Weights(module)
    _check(code, weights, prior)
    mean = None if prior is None else weights.vector(prior)
    weights.into(module, code.weights(weights.group(), mean))
    weights.put_beside(module, unpacked(code.beside))
    return module.eval()


def _form(code: Code) -> nn.Module:
    """Return the module that a code describes, its weights not set."""
    if not code.layers:
        raise ValueError("the code is of no chain of usual layers: expected into=, a module of its form")
    module = built(code.layers, code.dtype)
    sizes = sum(value.numel() for value in module.parameters())
    if sizes != code.count:  # before memory is taken for it
        raise ValueError(f"expected layers of {code.count} weights, got {sizes}")
    return cast(nn.Module, module.to_empty(device="cpu"))


def _check(code: Code, weights: Weights, prior: nn.Module | None) -> None:
    """Raise where a module's form or the prior do not fit a code."""
    if weights.count != code.count or len(weights.sizes) != len(code.deviations):
        raise ValueError(
            f"expected a module of {code.count} weights in {len(code.deviations)} parameters, "
            f"got {weights.count} in {len(weights.sizes)}"
        )
    if weights.dtype != code.dtype:
        raise ValueError(f"expected a module in {code.dtype}, got {weights.dtype}")
    if code.given_prior and prior is None:
        raise ValueError("expected prior=, the module that the code was written against")
    if not code.given_prior and prior is not None:
        raise ValueError("got a prior for a code that was written against none")
    if prior is not None and Weights(prior).shapes != weights.shapes:
        raise ValueError("the prior's parameters have other shapes than the coded module's")
