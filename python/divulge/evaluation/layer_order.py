"""The layers of a module that hold what was learned, in the order in which an input meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from divulge.training.modes import evaluating

__all__ = ["Learned", "draw_anew", "learned", "trained_layers"]

# What a batch norm learned, and what it is before.
_STATISTICS = {"running_mean": 0.0, "running_var": 1.0}
# Of a layer that holds no parameter, such as a frozen batch norm.
_LIKE_PARAMETERS = ("weight", "bias")
_PARAMETRISED = "parametrizations"

Learned = dict[str, list[tuple[str, Tensor]]]


def trained_layers(module: nn.Module, inputs: Tensor) -> Learned:
    """Return by its name what each layer has learned, from the input to the output.

    A layer is a module that holds parameters or a batch norm's statistics of its own; those of its
    parametrisations are its own, and what several layers share is the first one's that was registered.
    Layers are in the order in which their tensors are used last; one whose use is not seen, inside compiled
    code, stands behind the one that was registered before it.

    Args:
        module: any module.
        inputs: shape (n, ...), of which some are passed through.

    Returns:
        Of each layer (name, tensor): parameters, and of buffers the statistics.

    Raises:
        ValueError: there is none.
    """
    layers: Learned = {}
    for name, tensor in learned(module):
        layers.setdefault(_layer_of(name), []).append((name.rpartition(".")[2], tensor))
    if not layers:
        raise ValueError(f"expected a module with parameters, {type(module).__name__} has none")
    used = _last_uses(module, inputs)
    places, place = {}, -1
    for layer, tensors in layers.items():
        place = max((used[id(tensor)] for _, tensor in tensors if id(tensor) in used), default=place)
        places[layer] = place
    return {layer: layers[layer] for layer in sorted(layers, key=places.__getitem__)}


def draw_anew(name: str, tensor: Tensor, generator: torch.Generator) -> None:
    """Let a tensor forget: drawn with its mean and its standard deviation, statistics as before training."""
    values = tensor.detach()
    with torch.no_grad():
        if name in _STATISTICS:
            tensor.fill_(_STATISTICS[name])
            return
        fan_in = max(values[0].numel() if values.ndim else 1, 1)
        deviation = float(values.std(correction=0)) or 1 / fan_in**0.5
        noise = torch.randn(values.shape, generator=generator, dtype=values.dtype)
        tensor.copy_(float(values.mean()) + deviation * noise.to(values.device))


def learned(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and statistics by their names, each tensor once."""
    seen: set[int] = set()
    for prefix, part in module.named_modules():
        own = dict(part.named_parameters(recurse=False))
        kept = _STATISTICS if own else (*_STATISTICS, *_LIKE_PARAMETERS)
        own |= {name: buffer for name, buffer in part.named_buffers(recurse=False) if name in kept}
        for name, tensor in own.items():
            if tensor.is_floating_point() and tensor.numel() and id(tensor) not in seen:
                seen.add(id(tensor))
                yield f"{prefix}.{name}" if prefix else name, tensor


def _layer_of(name: str) -> str:
    """The layer that a tensor belongs to, by the tensor's name."""
    path = name.split(".")[:-1]
    return ".".join(path[: path.index(_PARAMETRISED)] if _PARAMETRISED in path else path)


class _Watch(TorchFunctionMode):
    """Notes when each tensor was last handed to a function of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[int, int] = {}
        self._calls = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self._calls += 1
        self._note((args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _note(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self.last[id(value)] = self._calls
        elif isinstance(value, (list, tuple)):
            for part in value:
                self._note(part)
        elif isinstance(value, dict):
            self._note(tuple(value.values()))


def _last_uses(module: nn.Module, inputs: Tensor) -> dict[int, int]:
    """When each of a module's tensors is used last, by its id, as numbers of calls."""
    watch = _Watch()
    kept = [*module.parameters(), *module.buffers()]  # so that no other tensor takes the id of one
    with evaluating(module), torch.no_grad(), watch:
        module(inputs)
    return {id(tensor): watch.last[id(tensor)] for tensor in kept if id(tensor) in watch.last}
