"""What a module does to an image, step by step: recorded while it runs, however it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from divulge.comparison.image_steps import Maps, Recording, Step, Traced, UnknownStep
from divulge.comparison.recording_rules import apply
from divulge.training.modes import evaluating
from divulge.victims.as_module import in_known_precision
from divulge.victims.export_reader import FixedBatch


def recorded(module: nn.Module, input_shape: Sequence[int]) -> Recording:
    """Return the steps of a module in evaluation mode, run on inputs of a shape; weights in float64."""
    module, dtype, device = in_known_precision(module)
    batch = module.size if isinstance(module, FixedBatch) else 1
    inner = module.module if isinstance(module, FixedBatch) else module
    x = torch.zeros(batch, *input_shape, dtype=dtype, device=device)
    recorder = _Recorder(x)
    recorder.follow(x, 0)
    try:
        with evaluating(inner), torch.inference_mode(False), torch.no_grad(), recorder:
            output = inner(x)
    except Exception:  # any forward() may fail in any way while it is watched
        return Recording(recorder.steps, recorder.ended or "its operations cannot be watched")
    return Recording(recorder.steps, recorder.ended or recorder.left_open(output))


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation while it is entered."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.batch = len(inputs)
        self.input_maps = (inputs[0].numel(), 1, 1)
        self.steps: list[Step] = []
        self.ended = ""
        self._traced: dict[int, Traced] = {}

    @property
    def maps(self) -> Maps:
        """(C, H, W) of what the last step made."""
        return self.steps[-1].maps if self.steps else self.input_maps

    def follow(self, tensor: Tensor, step: int, places: Tensor | None = None) -> None:
        """Note a tensor that comes of the input."""
        if places is None:
            places = torch.arange(tensor[0].numel()).view(tensor.shape[1:]).expand(tensor.shape).contiguous()
        self._traced[id(tensor)] = Traced(tensor, step, places.contiguous())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note what it does to what comes of the input."""
        out = func(*args, **(kwargs or {}))
        inputs = [self._traced[id(part)] for part in tensors(args) if id(part) in self._traced]
        if not inputs or self.ended:
            return out
        try:
            self._note(func, args, kwargs or {}, inputs, out)
        except UnknownStep as error:
            self.ended = str(error)
        return out

    def _note(self, func: Any, args: Any, kwargs: Any, inputs: list[Traced], out: Any) -> None:
        """Take up one operation.

        Raises:
            UnknownStep: it is none of a row of known ones.
        """
        name = func.overloadpacket.__name__
        if any(traced.step != len(self.steps) for traced in inputs) or len(inputs) > 1:
            raise UnknownStep("results of several layers meet")
        first = out[0] if isinstance(out, (tuple, list)) else out
        step, places = apply(name, func, args, kwargs, inputs[0], self.maps, first, self.batch)
        if step is not None:
            self.steps.append(step)
        self.follow(first, len(self.steps), places)

    def left_open(self, output: Tensor) -> str:
        """Return why the outputs are not what the last step makes, or nothing."""
        traced = self._traced.get(id(output))
        if traced is None or traced.step != len(self.steps):
            return "the outputs come of an operation that is not known"
        count = int(np.prod(self.maps))
        same = torch.equal(traced.places[0].flatten(), torch.arange(count))
        return "" if same else "the outputs are in another order than the last layer"


def tensors(args: Any) -> list[Tensor]:
    """Return the tensors among arguments, in lists too."""
    if isinstance(args, Tensor):
        return [args]
    return [t for part in args for t in tensors(part)] if isinstance(args, (tuple, list)) else []
