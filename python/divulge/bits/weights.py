"""A module's parameters as one vector, and the module run on such a vector."""

from __future__ import annotations

from math import prod, sqrt

import torch
from torch import Tensor, nn

from divulge.errors import UnsupportedModel


class Weights:
    """The names and shapes of a module's parameters, one group each.

    Args:
        module: parameters of one floating precision, no numbers beside them.

    Raises:
        UnsupportedModel: a module without parameters, of several precisions, or with buffers of numbers, such as
            the running means of a batch normalisation, which a code of parameters would not tell.
    """

    def __init__(self, module: nn.Module) -> None:
        parameters = dict(module.named_parameters())
        if not parameters:
            raise UnsupportedModel("expected a module with parameters, got one that has none")
        precisions = {value.dtype for value in parameters.values()}
        if len(precisions) > 1 or not precisions <= {torch.float32, torch.float64}:
            raise UnsupportedModel(
                f"expected parameters all float32 or all float64, got {', '.join(sorted(map(str, precisions)))}"
            )
        strange = next((name for name, value in module.named_buffers() if value.is_floating_point()), None)
        if strange is not None:
            raise UnsupportedModel(
                f"the module keeps numbers beside its parameters in {strange!r}; fold a normalisation into its layer"
            )
        self.names = list(parameters)
        self.shapes = [tuple(value.shape) for value in parameters.values()]
        self.sizes = [prod(shape) for shape in self.shapes]
        self.dtype = precisions.pop()
        self.count = sum(self.sizes)

    def vector(self, module: nn.Module) -> Tensor:
        """Return the parameters, (N,)."""
        return torch.cat([value.detach().reshape(-1).cpu() for value in module.parameters()])

    def group(self) -> Tensor:
        """Return the number of the parameter that each weight is of, int64, (N,)."""
        return torch.repeat_interleave(torch.tensor(self.sizes))

    def by_name(self, vector: Tensor) -> dict[str, Tensor]:
        """Return a vector (N,) as tensors by their parameters' names."""
        parts = vector.split(self.sizes)
        return {name: part.view(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)}

    def run(self, module: nn.Module, vector: Tensor, inputs: Tensor) -> Tensor:
        """Return what the module with these weights says of inputs."""
        out: Tensor = torch.func.functional_call(module, self.by_name(vector), (inputs,))
        return out

    def into(self, module: nn.Module, vector: Tensor) -> None:
        """Write a vector (N,) into the module's parameters."""
        with torch.no_grad():
            for name, value in module.named_parameters():
                value.copy_(self.by_name(vector)[name])

    def deviations(self, module: nn.Module) -> Tensor:
        """Return a deviation of the prior for each parameter: the root of the mean square of its weights, and at
        least a tenth of 1 / sqrt(inputs of a unit)."""
        found = []
        for value in module.parameters():
            least = 0.1 / sqrt(max(value[0].numel() if value.ndim > 1 else value.numel(), 1))
            found.append(max(float(value.detach().double().square().mean().sqrt()), least))
        return torch.tensor(found, dtype=torch.float64)
