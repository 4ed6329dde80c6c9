"""The derivative that is computed, held against differences of the module's own outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from divulge.errors import UnsupportedModel
from divulge.influence.losses import Loss
from divulge.influence.operators import Operator, output_gradients
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot

__all__ = ["check_derivative", "check_paths"]

_DIRECTIONS = 3
_SMALL_SLOPE = 1e-3
_REASONS = (
    "a tensor that forward() detaches or computes under no_grad, activation checkpointing with "
    "use_reentrant=True, a hook or an instance's forward() that changes a weight or a gradient, or an "
    "autograd.Function whose backward() is not its derivative"
)


def check_paths(snapshot: Snapshot, samples: Samples) -> None:
    """Raise where the outputs change with a parameter to which no gradient leads.

    Raises:
        UnsupportedModel: with the parameter's name, or where the module has no derivative at all.
    """
    inputs = snapshot.batch(samples)[0]
    try:
        outputs, missing = snapshot.run(lambda: _missing(snapshot, inputs))
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnsupportedModel(
            f"{type(snapshot.module).__name__} cannot be differentiated: {reason}; where it uses activation "
            "checkpointing, pass use_reentrant=False"
        ) from error
    if len(missing) == len(snapshot.tensors):
        raise UnsupportedModel(
            f"no gradient leads to any parameter in question ({snapshot.names[0]!r}, ...): the outputs do "
            f"not depend on them, or: {_REASONS}"
        )
    generator = torch.Generator().manual_seed(0)
    scales = _scales(snapshot.tensors)
    for i in missing:
        moved = list(snapshot.tensors)
        moved[i] = _moved(moved[i], _normal(moved[i], generator), scales[i])
        change = (_outputs(snapshot, inputs, moved) - outputs).abs().max()
        if float(change) > 100 * torch.finfo(outputs.dtype).eps * float(outputs.abs().max()):
            raise UnsupportedModel(
                f"no gradient leads to the parameter {snapshot.names[i]!r}, although the outputs change with "
                f"it; possible reasons: {_REASONS}"
            )


def check_derivative(
    snapshot: Snapshot, operator: Operator, samples: Samples, loss: Loss, seed: int = 0
) -> None:
    """Hold a derivative of the losses' slopes times the outputs along a direction against differences.

    With u the losses' gradients by the outputs z, d = grad L . v of the operator is compared with
    u . (z(theta + h v) - z(theta - h v)) / 2h of the module, v a random direction of the parameters' own
    size. A difference counts where those to both sides agree, so that neither a kink nor rounding does;
    two directions of three must say no.

    Args:
        snapshot: the module.
        operator: of the samples.
        samples: a few.
        loss: of the samples.
        seed: of the directions.

    Raises:
        UnsupportedModel: the derivative is another.
    """
    inputs, targets = snapshot.batch(samples)
    base = _outputs(snapshot, inputs, snapshot.tensors)
    slope = output_gradients(loss.function, base, targets)
    generator, scales, wrong = torch.Generator().manual_seed(seed), _scales(snapshot.tensors), 0
    padding = list(_padding_rows(snapshot))
    saturated = float(slope.abs().max()) < _SMALL_SLOPE
    if saturated:  # losses whose gradients are little but rounding: a function of the outputs will do
        slope = torch.randn(base.shape[1:], generator=generator).to(base).expand_as(base)
    for _ in range(_DIRECTIONS):
        direction = [_normal(t, generator) * s for t, s in zip(snapshot.tensors, scales, strict=True)]
        for number, row in padding:
            direction[number][row] = 0
        flat = torch.cat([part.reshape(-1) for part in direction]).cpu().numpy()
        if saturated:
            derivative = operator.gradients(samples, partial(_linear, slope[0])) @ flat
        else:
            derivative = operator.scores(flat[None])[0]
        verdict = _verdict(snapshot, inputs, base, slope, direction, derivative.astype(np.float64))
        if verdict is None:
            return
        wrong += verdict
    if wrong >= 2:
        raise UnsupportedModel(
            f"the derivatives that {operator.path} computes are not those of "
            f"{type(snapshot.module).__name__}'s outputs, by finite differences on "
            f"{len(targets)} samples; possible reasons: {_REASONS}"
        )


def _padding_rows(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """Yield each embedding's number among the tensors, and its row for padding, which has no gradient."""
    named = dict(snapshot.module.named_parameters())
    numbers = {id(named[name]): i for i, name in enumerate(snapshot.names)}
    for part in snapshot.module.modules():
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            number = numbers.get(id(part._parameters.get("weight")))
            if number is not None:
                yield number, part.padding_idx


def _verdict(
    snapshot: Snapshot,
    inputs: Any,
    base: Tensor,
    slope: Tensor,
    direction: list[Tensor],
    derivative: NDArray[np.float64],
) -> bool | None:
    """Return None where a difference confirms the derivative, else whether one denies it."""
    double = base.dtype == torch.float64
    tolerance = 1e-3 if double else 0.02
    for step in (1e-5, 1e-6, 1e-7) if double else (1e-2, 2e-3, 5e-2):
        sides = []
        for h in (step, -step):
            moved = [_moved(t, v, h) for t, v in zip(snapshot.tensors, direction, strict=True)]
            change = (_outputs(snapshot, inputs, moved) - base).double() * slope.double()
            sides.append((change.flatten(1).sum(1) / h).cpu().numpy())
        found = (sides[0] + sides[1]) / 2
        size = max(float(np.linalg.norm(found)), float(np.linalg.norm(derivative)))
        if not np.isfinite(size):
            continue
        if np.linalg.norm(found - derivative) <= tolerance * size:
            return None
        if np.linalg.norm(sides[0] - sides[1]) <= tolerance * size:
            return True
    return False


def _linear(weights: Tensor, outputs: Tensor, _: Tensor) -> Tensor:
    return (outputs * weights.to(outputs)).flatten(1).sum(1)


def _missing(snapshot: Snapshot, inputs: Any) -> tuple[Tensor, list[int]]:
    """Return outputs, and the numbers of parameters that no gradient reaches."""
    outputs = snapshot.outputs(inputs)
    everything = list(range(len(snapshot.tensors)))
    if not outputs.requires_grad:
        return outputs, everything
    gradients = torch.autograd.grad(outputs.sum(), snapshot.tensors, allow_unused=True)
    return outputs.detach(), [i for i in everything if gradients[i] is None]


def _outputs(snapshot: Snapshot, inputs: Any, tensors: Sequence[Tensor]) -> Tensor:
    def call() -> Any:
        with torch.no_grad():
            return snapshot.outputs(inputs).clone()

    outputs: Tensor = snapshot.run(call, tensors)
    return outputs


def _scales(tensors: Sequence[Tensor]) -> list[float]:
    """Return each tensor's root mean square, that of all where it is zero."""
    with torch.no_grad():
        squares = [float(t.double().square().sum()) for t in tensors]
    whole = (sum(squares) / sum(t.numel() for t in tensors)) ** 0.5 or 1.0
    return [(s / t.numel()) ** 0.5 or whole for s, t in zip(squares, tensors, strict=True)]


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.float32).to(like.device, like.dtype)


def _moved(tensor: Tensor, direction: Tensor, step: float) -> Tensor:
    return tensor.detach() + step * direction
