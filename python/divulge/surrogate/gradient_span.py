"""Gradients lie in the row space of a network's first layer: a dense copy need read nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.oracles import Answers
from divulge.training.modes import copied

SHARE = 0.25  # of d up to which r counts as few: a larger span leaves out little, copies learn no better
RANK = 1e-5  # singular values up to this share of the largest are rounding


@dataclass(frozen=True)
class GradientSpan:
    """The r directions in which the gradients told lie.

    A network that reads x through W x alone has gradients W^T v. What it does in directions orthogonal to all
    gradients told has not been seen, and once there are more of them than rows of W there are no others: a
    copy learns from the r numbers Q^T (x - c) in place of the d of x, which also takes less time.

    Attributes:
        basis: Q, orthonormal columns, shape (d, r).
        centre: c, the mean of the points, shape (d,).
    """

    basis: Array
    centre: Array

    @staticmethod
    def of(answers: Answers, module: nn.Module) -> GradientSpan | None:
        """Return the span, or None where there is none, it is not small, or the copy reads x otherwise."""
        told, attribution = answers.explanations, answers.attribution
        if told is None or attribution is None or answers.imitations or not attribution.is_gradient:
            return None
        first = _first_linear(module)
        if first is None or first.in_features != told.shape[1]:
            return None
        d = told.shape[1]
        if len(told) > d:
            told = np.asarray(np.linalg.qr(told, mode="r"))
        _, sizes, rows = np.linalg.svd(told, full_matrices=False)
        rank = int((sizes > RANK * sizes[0]).sum())
        if not 0 < rank <= SHARE * d:
            return None
        return GradientSpan(np.ascontiguousarray(rows[:rank].T), answers.points.mean(axis=0))

    @property
    def size(self) -> int:
        """How many directions there are."""
        return int(self.basis.shape[1])

    def told(self, answers: Answers) -> Answers:
        """Return the answers as if told of Q^T (x - c); noise of equal size in all directions stays such."""
        assert answers.explanations is not None
        points = (answers.points - self.centre) @ self.basis
        return replace(answers, points=points, explanations=answers.explanations @ self.basis)

    def shrunk(self, module: nn.Module) -> nn.Module:
        """Return a copy of a module whose first layer W x + b reads the r numbers: W Q, and b + W c."""
        small = copied(module)
        first = _first_linear(small)
        assert first is not None
        with torch.no_grad():
            first.bias.add_(first.weight @ self._like(first, self.centre))
            first.weight = nn.Parameter(first.weight @ self._like(first, self.basis))
        first.in_features = self.size
        return small

    def grown(self, small: nn.Module) -> nn.Module:
        """Return the module of the d numbers x that computes what a small one computes, in place."""
        first = _first_linear(small)
        assert first is not None
        with torch.no_grad():
            first.weight = nn.Parameter(first.weight @ self._like(first, self.basis).T)
            first.bias.sub_(first.weight @ self._like(first, self.centre))
        first.in_features = len(self.basis)
        return small

    @staticmethod
    def _like(layer: nn.Linear, array: Array) -> torch.Tensor:
        """In the layer's precision."""
        return torch.from_numpy(array).to(layer.weight)


def _first_linear(module: nn.Module) -> nn.Linear | None:
    """The Linear that reads the input of a chain, behind Flatten only; None for other modules.

    A weight that is computed from others, as by spectral norm, cannot be given another shape.
    """
    if not isinstance(module, nn.Sequential):
        return None
    layer = next((layer for layer in module if not isinstance(layer, nn.Flatten)), None)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        return None
    own = dict(layer.named_parameters(recurse=False))
    return layer if "weight" in own and own["weight"].requires_grad else None
