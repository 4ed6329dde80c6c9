"""A module with its parameters and buffers as they were at one time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from threading import RLock
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from divulge.influence.modes import attributes_kept, gradients_on, plain_attention, tensors_kept, uncompiled
from divulge.influence.parts import mapped
from divulge.influence.samples import Samples
from divulge.influence.tables import tables_checked
from divulge.influence.task import Call, call_module

__all__ = ["Snapshot"]

Result = TypeVar("Result")

# A module's tensors are replaced while it computes: by one thread at a time.
_LOCK = RLock()


class Snapshot:
    """Runs a module on copies of its tensors, of which some are variables.

    Whatever is computed within `run` sees the copies, forward and backward: activation checkpointing, which
    runs parts of the module again on the way back, never mixes them with the module's own. Attention runs on
    torch's plain implementation, the only one that has a second derivative, and what torch.compile compiled
    is not run as compiled: it has none.

    Args:
        module: the module.
        names: of the parameters in question, in the module's order.
        call: from the module and a batch's inputs to outputs.

    Attributes:
        names: as given.
        tensors: the parameters in question, leaves that require gradients.
    """

    @gradients_on()
    def __init__(self, module: nn.Module, names: Sequence[str], call: Call = call_module) -> None:
        self.module, self.names, self._call = module, list(names), call
        self._copies = {name: tensor.detach().clone() for name, tensor in _state(module)}
        self._buffers = [name for name, _ in module.named_buffers()]
        self._structure = _structure(module)
        self.tensors = [self._copies[name].requires_grad_() for name in self.names]

    @property
    def device(self) -> torch.device:
        """The device of the parameters in question."""
        return self.tensors[0].device

    @property
    def changed(self) -> bool:
        """Whether the module has other tensors, modes, layers or hooks than at the time."""
        live = dict(_state(self.module))
        return (
            live.keys() != self._copies.keys()
            or _structure(self.module) != self._structure
            or not all(_same(tensor.detach(), self._copies[name].detach()) for name, tensor in live.items())
        )

    def check_structure(self) -> None:
        """Raise ValueError where the module has other modes, layers or hooks than at the time."""
        if _structure(self.module) != self._structure:
            raise ValueError(
                f"the modes, layers, settings or hooks of this {type(self.module).__name__} were changed "
                "since, such as by train(); change them back (by eval()), or begin anew"
            )

    def fill(self, module: nn.Module, tensors: Sequence[Tensor]) -> None:
        """Give a copy of the module these parameters in question, and the other tensors of the time."""
        held = dict(_state(module))
        values = self._copies | dict(zip(self.names, tensors, strict=True))
        with torch.no_grad():
            for name, value in values.items():
                held[name].copy_(value)

    def digest(self) -> str:
        """Return a digest of the names, of all tensors, the others included, and of the parts' types."""
        types = [f"{name} {type(part).__name__}" for name, part in self.module.named_modules()]
        digest = sha256("; ".join([*self.names, *types]).encode())
        for name, tensor in self._copies.items():
            host = tensor.detach().cpu().resolve_conj().reshape(-1)
            digest.update(f"{name} {tuple(tensor.shape)} {host.dtype};".encode())
            digest.update(host.contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def batch(self, samples: Samples) -> tuple[Any, Tensor]:
        """Return all of some samples as tensors in the precision and on the device of the parameters."""
        inputs, targets = samples.batch(slice(None), self.tensors[0].dtype)
        return mapped(lambda part: part.to(self.device), inputs), targets.to(self.device)

    def outputs(self, inputs: Any) -> Any:
        """Return what the module returns, within `run`; it sees a copy of the inputs, which it may change.

        Raises:
            NumberOutOfRange: a table has no row for a token number.
        """
        if self.device.type == "cpu":
            try:
                return self._call(self.module, mapped(torch.clone, inputs))
            except IndexError:  # once more, to say which table and number
                pass
        with tables_checked(self.module):  # beforehand where such a number is the end of the device's use
            return self._call(self.module, mapped(torch.clone, inputs))

    def run(self, work: Callable[[], Result], tensors: Sequence[Tensor] | None = None) -> Result:
        """Return work(), during which the module holds the copies.

        Args:
            work: calls the module.
            tensors: in place of the parameters in question.
        """
        state = {f"module.{name}": copy for name, copy in self._copies.items()}
        for name in self._buffers:  # forward() may change them
            state[f"module.{name}"] = self._copies[name].clone()
        for name, tensor in zip(self.names, self.tensors if tensors is None else tensors, strict=True):
            state[f"module.{name}"] = tensor
        plain = uncompiled(), plain_attention()
        kept = attributes_kept(self.module), tensors_kept(self.module)
        with _LOCK, gradients_on(), kept[0], kept[1], plain[0], plain[1]:
            result: Result = functional_call(_Frame(self.module), state, (work,))
        return result


class _Frame(nn.Module):
    """Makes `functional_call` replace a module's tensors for as long as some work takes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, work: Callable[[], Any]) -> Any:
        return work()


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(module.named_parameters(), module.named_buffers())


def _structure(module: nn.Module) -> list[tuple[Any, ...]]:
    """Return what makes a module compute something else besides its tensors."""
    return [
        (
            name,
            type(part),
            tuple(part._forward_hooks),
            tuple(part._forward_pre_hooks),
            "forward" in part.__dict__,
            [(key, value) for key, value in part.__dict__.items() if isinstance(value, (float, bool, str))],
        )
        for name, part in module.named_modules()
    ]


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype or a.device != b.device:
        return False
    return torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all())
