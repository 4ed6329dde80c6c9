"""Normal distributions of weights that hold a given number of nats, by construction.

J. A. Lin, G. Flamich, J. M. Hernandez-Lobato 2023, Minimal Random Code Learning with Mean-KL Parameterization
(arXiv 2307.07816). With a prior N(m, s^2) and a posterior N(m + s t, s^2 r) the divergence of one weight is

    kl = (r - ln r - 1 + t^2) / 2,

so that a mean t with t^2 <= 2 kl leaves one variance r <= 1. Trained are the means and how a budget of nats
is divided among the weights of a block; no penalty has to be found that keeps the budget.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# How far a mean may use up its nats, so that the variance keeps a derivative: dr = 2 r dkl / (r - 1).
_MOST_OF_MEAN = 0.99
# Newton's steps towards ln r; five reach float32's last place from any start, two more float64's.
_NEWTON_STEPS = 7


class LogVariance(torch.autograd.Function):
    """u = ln r <= 0 with e^u - u - 1 = excess, elementwise; the derivative is 1 / (e^u - 1)."""

    @staticmethod
    def forward(ctx: Any, excess: Tensor) -> Tensor:
        """Solve by Newton's method from -(excess + sqrt(2 excess)), which is below the root."""
        u = -(excess + torch.sqrt(2 * excess))
        for _ in range(_NEWTON_STEPS):
            slope = torch.expm1(u)
            u = u - (slope - u - excess) / slope
        ctx.save_for_backward(u)
        return u

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return gradient / (e^u - 1)."""
        (u,) = ctx.saved_tensors
        return gradients[0] / torch.expm1(u)


class Posterior(nn.Module):
    """Distributions of N weights in B blocks, each of which holds a budget of nats.

    Args:
        prior_mean: m, shape (N,).
        group: which prior's deviation each weight has, int64, shape (N,).
        deviations: s of each group at the start; they are trained too.
        places: the weights of each block, int64, shape (B, size), -1 where there is none.
        nats: of each block.
        generator: of the means at the start.
    """

    used: Tensor
    prior_mean: Tensor
    group: Tensor
    back: Tensor
    coded: Tensor
    told: Tensor

    def __init__(
        self,
        prior_mean: Tensor,
        group: Tensor,
        deviations: Tensor,
        places: Tensor,
        *,
        nats: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        blocks, size = places.shape
        self.nats = nats
        self.register_buffer("used", places >= 0)
        self.register_buffer("prior_mean", prior_mean[places.clamp(min=0)])
        self.register_buffer("group", group[places.clamp(min=0)])
        # of each weight its place in (B, size) as a row
        self.register_buffer("back", places.reshape(-1).argsort()[-len(prior_mean) :])
        self.register_buffer("coded", torch.zeros(blocks, dtype=torch.bool))
        self.register_buffer("told", torch.zeros_like(self.prior_mean))
        dtype = prior_mean.dtype
        self.mean = nn.Parameter(0.5 * torch.randn(blocks, size, generator=generator, dtype=dtype))
        self.share = nn.Parameter(torch.zeros(blocks, size, dtype=dtype))
        self.log_deviation = nn.Parameter(deviations.log().to(dtype))

    def moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return means t and ln r in units of the prior's deviations, and these, each (B, size)."""
        share = self.share.masked_fill(~self.used, -torch.inf)
        kl = (self.nats * torch.softmax(share, dim=1)).clamp(min=1e-8)
        mean = torch.sqrt(2 * kl) * _MOST_OF_MEAN * torch.tanh(self.mean)
        excess = (2 * kl - mean.square()).clamp(min=1e-10)
        log_variance: Tensor = LogVariance.apply(excess)  # type: ignore[no-untyped-call]
        return mean, log_variance, self.log_deviation.exp()[self.group]

    def sample(self, noise: Tensor) -> Tensor:
        """Return weights (N,) in the module's order: those that are told, or m + s (t + sqrt(r) noise)."""
        mean, log_variance, deviation = self.moments()
        drawn = self.prior_mean + deviation * (mean + torch.exp(log_variance / 2) * noise)
        weights = torch.where(self.coded[:, None], self.told, drawn)
        return weights.reshape(-1)[self.back]

    def noise(self, generator: torch.Generator) -> Tensor:
        """Return standard normal numbers (B, size)."""
        return torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
