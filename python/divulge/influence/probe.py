"""What a module returns for two samples, and whether it returns it again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.errors import UnsupportedModel
from divulge.influence.parts import is_plain, leaves
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot
from divulge.influence.tables import NumberOutOfRange

__all__ = ["check_outputs", "first_and_last", "read_inputs"]

# Copies of the two samples in one further call: dropout leaves few units alone in all of them.
_COPIES = 8


def first_and_last(samples: Samples) -> NDArray[np.int64]:
    """Return the numbers of the first and the last sample, or of the only one."""
    return np.unique([0, len(samples) - 1])


def read_inputs(snapshot: Snapshot, samples: Samples) -> Samples:
    """Return samples whose whole numbers stay whole where the module takes them so, as token numbers are.

    Bytes are images, and always become real numbers, as all do that the module takes no otherwise.

    Raises:
        NumberOutOfRange: a table has no row for one of them.
    """
    if not is_plain(samples.inputs):
        return samples
    if samples.inputs.dtype.kind not in "iu" or samples.inputs.dtype.itemsize == 1:
        return samples
    whole = replace(samples, integers=True)
    try:
        snapshot.run(lambda: _call(snapshot, whole.take(first_and_last(whole))))
    except NumberOutOfRange:
        raise
    except Exception:  # whatever a forward() makes of them: it wants real numbers
        return samples
    return whole


def check_outputs(snapshot: Snapshot, samples: Samples) -> tuple[int, ...]:
    """Return the shape of one sample's outputs, (K,) or (*positions, K).

    Calls that are compared have one shape, so that only their rounding is alike; that of one sample alone has
    not, and is compared loosely.

    Raises:
        UnsupportedModel: it fails on the samples' inputs, returns something else than (n, ..., K), draws
            random numbers, returns something else the next time or beside other samples.
    """
    pair = samples.take(first_and_last(samples))
    rows, name = np.arange(len(pair)), type(snapshot.module).__name__
    before = torch.get_rng_state()
    try:
        outputs, *beside = _calls(snapshot, pair, [rows] + [np.full_like(rows, row) for row in (0, -1)])
        copies, others, alone = _calls(snapshot, pair, [np.tile(rows, _COPIES)] * 2 + [rows[:1]])
        drawn = not torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_rng_state(before)
    if drawn or not _alike(copies, others):
        raise UnsupportedModel(
            f"{name} returns something else each time, or draws random numbers: dropout, noise or batch "
            "statistics, as layers or as functions of forward(); call module.eval() first, and pass "
            "training=self.training to functions such as torch.nn.functional.dropout"
        )
    same = all(_alike(other[row], outputs[row]) for row, other in zip((0, -1), beside, strict=True))
    if not same or not _alike(alone[0], outputs[0], 1e3):
        raise UnsupportedModel(
            f"{name} returns something else for a sample alone than beside another one: it mixes the samples "
            "of a batch, as batch normalisation in training mode does, or its first axis is not that of the "
            "samples"
        )
    return tuple(outputs.shape[1:])


def _calls(snapshot: Snapshot, pair: Samples, batches: list[NDArray[np.int64]]) -> list[Tensor]:
    """Return the outputs of some of a pair's rows, one call after the other: buffers go on from each."""
    parts = [pair.take(rows) for rows in batches]
    called = snapshot.run(lambda: [_checked(_call(snapshot, part), part) for part in parts])
    return called


def _call(snapshot: Snapshot, samples: Samples) -> Any:
    inputs = snapshot.batch(samples)[0]
    try:
        with torch.no_grad():
            outputs = snapshot.outputs(inputs)
    except NumberOutOfRange:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedModel(f"the module fails on inputs of {_shapes(inputs)}: {reason}") from error
    return outputs.clone() if isinstance(outputs, Tensor) else outputs


def _checked(outputs: Any, samples: Samples) -> Tensor:
    n = len(samples)
    if not isinstance(outputs, Tensor):
        raise UnsupportedModel(
            f"expected outputs as a tensor, or as logits= of what the module returns, got "
            f"{type(outputs).__name__}; pass task=Task(call=...) that takes them out of it"
        )
    if outputs.ndim < 2 or len(outputs) != n or 0 in outputs.shape:
        raise UnsupportedModel(
            f"expected outputs of shape (n, K) or (n, *positions, K) for n = {n} inputs, "
            f"got {tuple(outputs.shape)}"
        )
    if not bool(torch.isfinite(outputs).all()):
        raise UnsupportedModel(
            f"the module returns a NaN or an infinity for inputs of {_shapes(samples.inputs)}"
        )
    return outputs


def _shapes(inputs: Any) -> str:
    """Name the shapes of inputs."""
    if is_plain(inputs):
        return f"shape {tuple(inputs.shape)}"
    return "shapes " + ", ".join(f"{tuple(part.shape)}{name}" for name, part in leaves(inputs))


def _alike(a: Tensor, b: Tensor, factor: float = 1.0) -> bool:
    """Whether outputs are the same but for rounding."""
    tolerance = factor * (1e-9 if a.dtype == torch.float64 else 5e-5)
    return float((a - b).abs().max()) <= tolerance * float(b.abs().max()) + 1e-30
