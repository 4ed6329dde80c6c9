"""Layers' gradients from their inputs and outputs, held against autograd's on a few samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from divulge.influence.layer_calls import Call, recorded
from divulge.influence.layer_groups import LayerGroup
from divulge.influence.parts import rows_of
from divulge.influence.sample_axis import SampleAxis, find_axis
from divulge.influence.snapshot import Snapshot

__all__ = ["calibrate"]

_OTHERS = "name others in parameters=, or use curvature='gauss_newton'"


def calibrate(
    groups: Sequence[LayerGroup], snapshot: Snapshot, run: Callable[[Any], Tensor], probe: Any
) -> tuple[list[list[SampleAxis]], int, int]:
    """Return the samples' axis in each call of each group's layers, and numbers that a sample has in all.

    Those are what layers see and return, patches of convolutions whole, and where only sums of patches are
    kept: what a network holds for its backward pass is some three times what convolutions return.

    Each sample's gradient, of a random function of its outputs, is formed from what the layers saw and
    returned, and must be autograd's.

    Args:
        groups: the layers.
        snapshot: the module.
        run: from inputs to outputs.
        probe: inputs (k, *shape).

    Raises:
        ValueError: a layer is not called, its samples are on no axis, its weight is read elsewhere, too, or
            its gradient is none of such sums.
    """
    k = rows_of(probe)
    with recorded(groups, k) as calls:
        outputs = run(probe)
    for group, made in zip(groups, calls, strict=True):
        if not made:
            raise ValueError(
                f"kfac and ekfac need {group.names[0]!r} to be called as a layer, the module only reads its "
                f"weight; {_OTHERS}"
            )
    _check_reads(groups, snapshot, calls, outputs)
    flat = [call for made in calls for call in made]
    wanted: Any = [call.edge for call in flat] + snapshot.tensors
    drawn = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    gradients = []
    for i in range(k):
        cotangent = torch.zeros_like(outputs)
        cotangent[i] = drawn[i]
        gradients.append(
            torch.autograd.grad(outputs, wanted, cotangent, retain_graph=True, allow_unused=True)
        )
    for c, call in enumerate(flat):
        call.axis = _axis(call, [call.delta(row[c]) for row in gradients])
    at = 0
    for group, made in zip(groups, calls, strict=True):
        sums = [
            sum(_outer(call, row[at + c], i, k) for c, call in enumerate(made))
            for i, row in enumerate(gradients)
        ]
        own = [group.matrix(row[len(flat) :], snapshot.tensors) for row in gradients]
        _check_sums(group, sums, own)
        at += len(made)
    numbers = sum(call.seen.numel() + call.output.numel() for call in flat)
    kept = sum(
        3 * call.output.numel()
        if call.group.kind == "convolution"
        else call.seen.numel() + call.output.numel()
        for call in flat
    )
    axes = [[call.axis for call in made if call.axis is not None] for made in calls]
    return axes, -(-numbers // k), -(-kept // k)


def _axis(call: Call, deltas: list[Tensor]) -> SampleAxis:
    """Return the only axis on which the samples can be."""
    found = find_axis(deltas[0].shape, deltas)
    found = [axis for axis in found if axis.rows(call.seen, len(deltas)) is not None]
    if call.seen.shape[:-1] != deltas[0].shape[:-1]:
        found = []
    if not found:
        raise ValueError(
            f"kfac and ekfac need each sample's own part of what {call.name!r} sees, which none of its axes "
            f"holds: its input has the shape {tuple(call.seen.shape)}, with features last, for {len(deltas)} "
            f"samples (shared by the samples, or of some of them only); {_OTHERS}"
        )
    if len(found) > 1 and len(deltas) > 1 and not any(bool(delta.any()) for delta in deltas):
        raise ValueError(
            f"kfac and ekfac cannot tell the samples' axis in {call.name!r}, whose gradient is 0 for "
            f"{len(deltas)} samples; {_OTHERS}"
        )
    return found[0]


def _outer(call: Call, gradient: Tensor | None, sample: int, k: int) -> Any:
    """Return one sample's sum over positions of delta (a, 1)', and of its size, (2, h, d + 1)."""
    assert call.axis is not None
    a, delta = call.inner(k)[sample].double(), call.delta_rows(gradient, k)[sample].double()
    if call.as_head:
        a, delta = delta, a
    return torch.stack([delta.T @ a, delta.abs().T @ a.abs()])


def _check_sums(group: LayerGroup, sums: list[Any], own: list[Tensor]) -> None:
    eps = torch.finfo(_precision(group)).eps
    for (found, size), expected in zip(sums, own, strict=True):
        tolerance = eps**0.5 * float(expected.norm()) + 100 * eps * float(size.norm())
        if float((found - expected).norm()) > tolerance:
            raise ValueError(
                f"kfac and ekfac need gradients that are sums of what {' and '.join(map(repr, group.names))} "
                f"sees times what comes back; autograd's are others: a hook changes them, or something else "
                f"reads the weight; {_OTHERS}"
            )


def _precision(group: LayerGroup) -> torch.dtype:
    return next(group.layers[0].parameters()).dtype


def _check_reads(
    groups: Sequence[LayerGroup], snapshot: Snapshot, calls: Sequence[Sequence[Call]], outputs: Tensor
) -> None:
    """Raise where the graph leads to a weight from elsewhere than its layers' calls."""
    edges = _edges_to_leaves(outputs)
    for group, made in zip(groups, calls, strict=True):
        if edges.get(id(snapshot.tensors[group.weight]), 0) > len(made):
            raise ValueError(
                f"kfac and ekfac need the weight of {group.names[0]!r} to be read by its layers alone, the "
                f"module also reads it elsewhere; {_OTHERS}"
            )


def _edges_to_leaves(outputs: Tensor) -> dict[int, int]:
    """Return how many edges of the graph lead to each leaf, by its id."""
    edges: dict[int, int] = {}
    seen, waiting = {outputs.grad_fn}, [outputs.grad_fn]
    while waiting:
        node: Any = waiting.pop()
        for following, _ in node.next_functions if node is not None else ():
            leaf = getattr(following, "variable", None)
            if leaf is not None:
                edges[id(leaf)] = edges.get(id(leaf), 0) + 1
            elif following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return edges
