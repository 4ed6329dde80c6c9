"""The cross-entropy of labels, and its slope in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from divulge.influence.positions import Positions

__all__ = ["CrossEntropy"]


@dataclass(frozen=True)
class CrossEntropy:
    """-log p(y), p the softmax of K outputs, or of (0, z) where z is the only one.

    Attributes:
        positions: how the losses of a sample's positions become one.
    """

    positions: Positions

    def __call__(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the losses (n,) of outputs (n, *positions, K) and classes (n, *positions).

        In double precision: autograd's slope p - 1 of a label that is almost sure is nothing but rounding in
        single.
        """
        precision, z = z.dtype, z.double()
        if z.ndim > 2:
            classes = self.positions.classes(y).flatten()
            values = self(z.flatten(0, -2), classes).reshape(y.shape)
            return self.positions.joined(values, y).to(precision)
        if z.shape[1] == 1:
            return (F.softplus(z[:, 0]) - y * z[:, 0]).to(precision)
        return F.cross_entropy(z, y, reduction="none").to(precision)

    @torch.no_grad()
    def slope(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the derivatives by the outputs, of their shape: p of the other labels, less their sum at y.

        Nothing is subtracted from 1, so that those of a label that is almost sure are exact in z's precision.
        """
        if z.ndim > 2:
            found = self.slope(z.flatten(0, -2), self.positions.classes(y).flatten()).reshape(z.shape)
            return found.mul_(self.positions.weights(y).to(z)[..., None])
        if z.shape[1] == 1:
            sign = 1 - 2 * y[:, None].to(z)
            return sign * (sign * z).sigmoid()
        p = z.softmax(1).scatter_(1, y[:, None], 0)
        return p.scatter_(1, y[:, None], -p.sum(1, keepdim=True))
