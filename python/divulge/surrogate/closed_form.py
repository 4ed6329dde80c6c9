"""Linear victims: what their answers determine is solved for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from divulge.arrays import Array
from divulge.oracles import Answers
from divulge.training import mlp
from divulge.training.class_scores import outputs_as
from divulge.training.modes import evaluating
from divulge.victims.lowering import lower

EXACT = 1e-3  # relative residual up to which answers are those of a linear model


def is_linear(module: nn.Module, input_shape: Sequence[int]) -> bool:
    """Whether a module is one affine map."""
    with evaluating(module):
        layers = lower(module, input_shape, next(module.parameters()).dtype)
    return layers is not None and len(layers.weights) == 1


def solved(
    answers: Answers, input_shape: Sequence[int], told: int, classes: int, dtype: torch.dtype
) -> nn.Module | None:
    """Return the linear model that the answers determine, or None where they determine none.

    Gradients (SmoothGrad too) of a linear f_k are its row w_k, one answer each; the value gives its offset.
    x * w_k gives it by least squares. Of probabilities log p_k - log p_0 is linear in x: d + 1 answers.

    Args:
        answers: what an oracle told.
        input_shape: the shape of one input.
        told: outputs of the victim.
        classes: outputs K of the model.
        dtype: precision of the model.
    """
    if answers.probabilities is not None:
        found = _from_probabilities(answers)
    elif answers.explanations is not None and not answers.imitations:
        found = _from_gradients(answers, told)
    else:
        found = None
    if found is None:
        return None
    affine = outputs_as(torch.from_numpy(np.column_stack(found)).T, classes).T  # (K, d + 1)
    return _module(affine[:, :-1], affine[:, -1], input_shape, dtype)


def _from_gradients(answers: Answers, classes: int) -> tuple[Array, Array] | None:
    """Rows (K, d) and offsets (K,), where every output was explained and all answers agree."""
    assert answers.explanations is not None
    assert answers.attribution is not None
    rows, offsets = np.zeros((classes, answers.points.shape[1])), np.zeros(classes)
    for k in range(classes):
        of_k = answers.outputs == k
        if not of_k.any():
            return None
        row = _row(answers.points[of_k], answers.explanations[of_k], answers)
        if row is None:
            return None
        rows[k] = row
        if answers.values is not None:
            offsets[k] = (answers.values[of_k] - answers.points[of_k] @ row).mean()
    return rows, offsets


def _row(points: Array, told: Array, answers: Answers) -> Array | None:
    """The row (d,) behind explanations (n, d) of one output, or None where they do not agree on one."""
    assert answers.attribution is not None
    factor = answers.attribution.factor(points)
    if factor is None:
        return None
    square = (factor**2).sum(axis=0)
    row = (factor * told).sum(axis=0) / np.where(square > 0, square, 1.0)
    off = np.linalg.norm(told - factor * row)
    return row if off <= EXACT * np.linalg.norm(told) else None


def _from_probabilities(answers: Answers) -> tuple[Array, Array] | None:
    """Rows and offsets relative to class 0, by least squares, where there are answers enough."""
    p = answers.probabilities
    assert p is not None
    rows = (p > 0).all(axis=1)
    system = np.column_stack([answers.points[rows], np.ones(rows.sum())])
    if len(system) < system.shape[1]:
        return None
    right = np.log(p[rows]) - np.log(p[rows, :1])
    solution = np.linalg.lstsq(system, right, rcond=None)[0]
    if np.linalg.norm(system @ solution - right) > EXACT * np.linalg.norm(right):
        return None
    return solution[:-1].T, solution[-1]


def _module(rows: Tensor, offsets: Tensor, input_shape: Sequence[int], dtype: torch.dtype) -> nn.Module:
    """Flatten and one Linear."""
    module = mlp(input_shape, [], len(rows), seed=0, dtype=dtype)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), (rows, offsets), strict=True):
            parameter.copy_(value)
    return module.eval()
