"""A module and its training data, checked, with the operator that computes for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.config import has_cuda
from divulge.errors import UnsupportedModel
from divulge.influence.autograd import AutogradOperator
from divulge.influence.chain import find_chain
from divulge.influence.checks import check_evaluating, selected_parameters
from divulge.influence.combined import BlockwiseOperator
from divulge.influence.derivative import check_derivative, check_paths
from divulge.influence.device import DeviceOperator
from divulge.influence.losses import Loss
from divulge.influence.modes import gradients_on
from divulge.influence.native import NativeOperator
from divulge.influence.parts import is_plain
from divulge.influence.per_sample import check_function
from divulge.influence.probe import check_outputs, first_and_last, read_inputs
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot
from divulge.influence.task import Call, call_module

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A module as it was at one time.

    Attributes:
        snapshot: of it.
        train: the training data, with targets in the loss's form.
        outputs: the shape of one sample's outputs, (K,) or (*positions, K).
        autograd: the operator by torch.
        operator: the one that is used, by compiled code where that can.
    """

    snapshot: Snapshot
    train: Samples
    outputs: tuple[int, ...]
    autograd: AutogradOperator
    operator: Any

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the parameters in question."""
        return self.snapshot.tensors[0].dtype


@gradients_on()
def prepare(
    module: nn.Module,
    names: Sequence[str] | None,
    loss: Loss,
    given: Samples,
    batch_size: int,
    lower: bool,
    call: Call = call_module,
) -> Prepared:
    """Return a module as it is now with what computes for it; arguments as those of `Influence`.

    Raises:
        TypeError: module is no torch module.
        ValueError: a module, a loss or targets that cannot be used.
    """
    check_evaluating(module)
    parameters = selected_parameters(module, names)
    snapshot = Snapshot(module, list(parameters), call)
    samples = read_inputs(snapshot, given)
    outputs = check_outputs(snapshot, samples)
    if snapshot.changed:
        raise UnsupportedModel(f"{type(module).__name__} changes its own parameters when it is called")
    train = samples.checked(loss, outputs, "training")
    autograd = AutogradOperator(snapshot, loss, train, batch_size)
    made = Prepared(snapshot, train, outputs, autograd, autograd)
    compiled = _compiled(made, parameters) if lower and call is call_module else None
    made = Prepared(snapshot, train, outputs, autograd, compiled or autograd)
    _check(made)
    return made


def _check(made: Prepared) -> None:
    """Raise for a loss or a module whose derivative is not what is computed, on two samples."""
    loss, snapshot, rows = made.autograd.loss, made.snapshot, first_and_last(made.train)
    pair = made.train.take(rows)
    if loss.name == "custom":
        targets = pair.batch(slice(None), made.dtype)[1].to(snapshot.device)
        check_function(loss.function, made.autograd.outputs(pair), targets)
    if made.operator is made.autograd:
        check_paths(snapshot, pair)
    check_derivative(snapshot, made.operator.subset(rows), pair, loss)


def _compiled(
    made: Prepared, parameters: Mapping[str, Tensor]
) -> NativeOperator | BlockwiseOperator | DeviceOperator | None:
    """Return the operator of compiled code where the module is a dense chain."""
    tensors, train, loss, module = (
        list(parameters.values()),
        made.train,
        made.autograd.loss,
        made.snapshot.module,
    )
    devices = {t.device for t in tensors}
    on_cpu = devices == {torch.device("cpu")}
    if loss.name == "custom" or not (on_cpu or _runs_on(devices, train)):
        return None
    one_logit = loss.name == "cross_entropy" and made.outputs == (1,)
    if train.integers or not is_plain(train.inputs) or len(made.outputs) > 1 or one_logit:
        return None
    probe = train.batch(slice(0, 8), made.dtype)[0]
    chain = find_chain(module, tensors, probe.to(tensors[0].device))
    if chain is None:
        return None
    if not on_cpu:
        return DeviceOperator(chain, module, parameters, loss, train, made.autograd.batch_size)
    if train.needs_conversion(made.dtype):
        return BlockwiseOperator(chain, loss, train)
    return NativeOperator(chain, loss, train)


def _runs_on(devices: set[torch.device], train: Samples) -> bool:
    """Whether CUDA kernels can: on one device, for data in memory, where they were built."""
    one = len(devices) == 1 and all(d.type == "cuda" for d in devices)
    return one and not isinstance(train.inputs, np.memmap) and has_cuda()
