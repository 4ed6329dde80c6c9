"""The modes that derivatives are computed in, and modules left as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["attributes_kept", "gradients_on", "plain_attention", "tensors_kept", "uncompiled"]


@contextmanager
def gradients_on() -> Iterator[None]:
    """Record gradients in the tensors' own precision, whatever mode the caller is in.

    no_grad, inference_mode and autocast are lifted inside; also a decorator.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def uncompiled() -> AbstractContextManager[Any]:
    """Return a context in which compiled modules compute as they are written.

    What can compile is slow to load: where it is not there yet, nothing has been compiled.
    """
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


@contextmanager
def plain_attention() -> Iterator[None]:
    """Let attention run on torch's plain implementation, the only one that has a second derivative.

    So it does without gradients: TransformerEncoder's other path has other outputs at positions that are
    masked, of which a module may make use.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def attributes_kept(module: nn.Module, buffers: bool = False) -> Iterator[None]:
    """Give a module and its parts their attributes back in the end: modes, and what forward() stored.

    Args:
        module: the module.
        buffers: let it compute on copies of its buffers.
    """
    before = [(part, dict(part.__dict__)) for part in module.modules()]
    try:
        if buffers:
            for part, attributes in before:
                held = attributes["_buffers"].items()
                part.__dict__["_buffers"] = {n: None if b is None else b.clone() for n, b in held}
        yield
    finally:
        for part, attributes in before:
            for name in set(part.__dict__) - set(attributes):
                del part.__dict__[name]
            part.__dict__.update(attributes)


@contextmanager
def tensors_kept(module: nn.Module) -> Iterator[None]:
    """Give a module and its parts their parameters and buffers back in the end.

    `torch.func.functional_call` leaves its own tensors where a part has two names: it puts one in for each,
    and takes the first for the module's when it puts in the second.
    """
    held_by_all = [held for part in module.modules() for held in (part._parameters, part._buffers)]
    before = [(held, dict(held)) for held in held_by_all if isinstance(held, dict)]  # a script's is none
    try:
        yield
    finally:
        for held, tensors in before:
            held.update(tensors)  # type: ignore[arg-type]
