"""A chain of layers as a few words, and back: what a code must tell beside the weights."""

from __future__ import annotations

import inspect
import json
from typing import Any

import torch
from torch import nn

from divulge.bits.packed import packed, unpacked

_LAYERS: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        nn.Linear, nn.Conv1d, nn.Conv2d, nn.Flatten, nn.Identity, nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.ELU,
        nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
        nn.Dropout,
    )
}  # fmt: skip
# No options of a network: where it lies, in which precision, and whether it changes its input.
_LEFT_OUT = {"device", "dtype", "inplace"}


def described(module: nn.Module) -> bytes:
    """Return a chain of known layers in compressed words; nothing where the module is something else."""
    if type(module) is not nn.Sequential or any(type(layer).__name__ not in _LAYERS for layer in module):
        return b""
    if not is_plain(module) or list(module.buffers()):
        return b""
    if any(type(layer) is not _LAYERS[type(layer).__name__] for layer in module):
        return b""
    words = [[type(layer).__name__, _options(layer)] for layer in module]
    try:
        return packed(json.dumps(words, separators=(",", ":")).encode())
    except TypeError:  # an option that is no number, word or list of them
        return b""


def is_plain(module: nn.Module) -> bool:
    """Whether a module does what its parts say, each with weights of its own: no hooks, no other forward."""
    parts = [part for _, part in module.named_modules(remove_duplicate=False)]
    hooked = any(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part) for part in parts)
    every = list(module.named_parameters(remove_duplicate=False))
    return not hooked and len(every) == len(list(module.parameters()))


def _options(layer: nn.Module) -> dict[str, Any]:
    """Return the options that differ from the class's defaults, by name."""
    found = {}
    for name, parameter in inspect.signature(type(layer).__init__).parameters.items():
        if name in {"self", *_LEFT_OUT} or parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            continue
        value = getattr(layer, name, None)
        value = value is not None if name == "bias" else value
        if value != parameter.default:
            found[name] = value
    return found


def built(words: bytes, dtype: torch.dtype) -> nn.Sequential:
    """Return the chain of layers that words describe, with parameters not set.

    Raises:
        ValueError: words that describe no chain of known layers.
    """
    layers = []
    for kind, options in json.loads(unpacked(words)):
        if kind not in _LAYERS:
            raise ValueError(f"names a layer {kind!r} that is not known")
        given = {"dtype": dtype} if "dtype" in inspect.signature(_LAYERS[kind].__init__).parameters else {}
        with torch.device("meta"):
            layers.append(_LAYERS[kind](**options, **given))
    return nn.Sequential(*layers)
