"""A module's parameters as one vector, and the module run on such a vector."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from divulge.errors import UnsupportedModel

# Of a prior, so that a parameter that is 0 throughout, such as a bias at first, can be told too.
_LEAST_DEVIATION = 1e-3


class Weights:
    """The names and shapes of a module's parameters, one group each.

    Args:
        module: parameters of one floating precision.

    Raises:
        UnsupportedModel: a scripted module, one without parameters, or of several precisions.
    """

    def __init__(self, module: nn.Module) -> None:
        if isinstance(module, torch.jit.ScriptModule):
            raise UnsupportedModel("expected a module that takes other weights, got a scripted one")
        parameters = dict(module.named_parameters())
        if not parameters:
            raise UnsupportedModel("expected a module with parameters, got one that has none")
        precisions = {value.dtype for value in parameters.values()}
        if len(precisions) > 1 or not precisions <= {torch.float32, torch.float64}:
            found = ", ".join(sorted(map(str, precisions)))
            raise UnsupportedModel(f"expected parameters all float32 or all float64, got {found}")
        self.names = list(parameters)
        self.shapes = [tuple(value.shape) for value in parameters.values()]
        self.sizes = [prod(shape) for shape in self.shapes]
        self.dtype = precisions.pop()
        self.count = sum(self.sizes)

    def vector(self, module: nn.Module) -> Tensor:
        """Return the parameters, (N,).

        Raises:
            ValueError: one that is no finite number.
        """
        for name, value in module.named_parameters():
            if not value.isfinite().all():
                raise ValueError(f"expected finite weights, got a NaN or an infinity in {name}")
        return torch.cat([value.detach().reshape(-1).cpu() for value in module.parameters()])

    def group(self) -> Tensor:
        """Return the number of the parameter that each weight is of, int64, (N,)."""
        return torch.repeat_interleave(torch.tensor(self.sizes))

    def by_name(self, vector: Tensor) -> dict[str, Tensor]:
        """Return a vector (N,) as tensors by their parameters' names."""
        parts = torch.split(vector, self.sizes)
        return {
            name: part.view(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def run(self, module: nn.Module, vector: Tensor, inputs: Tensor) -> Tensor:
        """Return what the module with these weights says of inputs."""
        out: Tensor = torch.func.functional_call(module, self.by_name(vector), (inputs,))
        return out

    def into(self, module: nn.Module, vector: Tensor) -> None:
        """Write a vector (N,) into the module's parameters."""
        with torch.no_grad():
            for name, value in module.named_parameters():
                value.copy_(self.by_name(vector)[name])

    def beside(self, module: nn.Module) -> bytes:
        """Return the buffers of a module, such as the running means of a batch normalisation, as they are."""
        return b"".join(_bytes(value).tobytes() for value in _buffers(module))

    def put_beside(self, module: nn.Module, content: bytes) -> None:
        """Write what `beside` returned into the buffers of a module of the same form.

        Raises:
            ValueError: it is of another length.
        """
        buffers = _buffers(module)
        size = sum(value.numel() * value.element_size() for value in buffers)
        if size != len(content):
            raise ValueError(f"expected a module with buffers of {len(content)} bytes, got {size}")
        at = 0
        for value in buffers:
            length = value.numel() * value.element_size()
            part = torch.from_numpy(np.frombuffer(content, np.uint8, length, at).copy())
            value.copy_(part.view(value.dtype).view(value.shape))
            at += length

    def deviations(self, vector: Tensor) -> Tensor:
        """Return the root of the mean square of each parameter's numbers, float64, (G,), at least 1e-3."""
        parts = torch.split(vector.double(), self.sizes)
        return torch.stack([part.square().mean().sqrt() for part in parts]).clamp(min=_LEAST_DEVIATION)


def _bytes(value: Tensor) -> np.ndarray:
    """Return a tensor's bytes, of whatever precision, uint8, (bytes,)."""
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _buffers(module: nn.Module) -> list[Tensor]:
    """Return the buffers that a state dictionary holds."""
    known = module.state_dict(keep_vars=True)
    return [value for name, value in module.named_buffers() if name in known]
