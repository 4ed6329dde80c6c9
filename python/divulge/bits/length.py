"""How many bits it takes to tell a network that answers as a model does: from nothing, or from a copy."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from divulge.bits.imitation import Imitation
from divulge.bits.mean_kl import Posterior
from divulge.bits.weights import Weights
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.html import ShownAsTable
from divulge.training.fit import one_thread
from divulge.training.modes import copied
from divulge.victims import Victim

if TYPE_CHECKING:
    import pandas as pd

# The budget falls by even steps of its logarithm between these bits a weight: what a float32 network never
# needs more than, and what a copy that is nearly right needs.
_MOST_BITS_A_WEIGHT = 4.0
_LEAST_BITS = 4.0
# Deviations at the start around weights that are known, over the root mean squares of these.
_AROUND_PRIOR = 0.3
# Share of the steps at the largest budget, before it falls.
_SHARE_BEFORE = 0.25
_RATE = 2e-2
_RATE_OF_DEVIATIONS = 5e-3
# Budgets at which agreement is measured, each by so many draws of the weights.
_POINTS = 60
_DRAWS = 5


@dataclass(frozen=True)
class CodeLength(ShownAsTable):
    """What it takes to tell a network that agrees with a model.

    Attributes:
        bits: the least budget that reached the agreement, read between two of the curve; 0 where the prior
            agrees as it is, NaN where no budget did.
        agreement: asked for.
        curve: a row for each budget, with the columns bits and agreement (of weights drawn from the
            posterior).
        seed: of every random choice.
    """

    bits: float
    agreement: float
    curve: pd.DataFrame
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the curve."""
        return self.curve.copy()

    def _facts(self) -> dict[str, Any]:
        return {"bits": self.bits, "agreement": self.agreement}


def code_length(
    model: Victim | nn.Module,
    data: Dataset,
    *,
    form: nn.Module,
    prior: bool = False,
    agreement: float = 0.99,
    steps: int = 3000,
    batch_size: int = 128,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> CodeLength:
    """Estimate the bits that tell a network of a given form which names the model's class.

    The divergence from the prior, in bits, of a posterior over the form's weights whose draws agree with the
    model on so many test inputs: what `encode` would write, but for the few bits a block that it wastes
    (M. Havasi, R. Peharz, J. M. Hernandez-Lobato 2019, arXiv 1810.00440). One posterior is trained while its
    budget falls from 4 bits a weight; as the training lags behind the budget this is an upper estimate.

    Args:
        model: a victim of any kind, or a module of class scores.
        data: the model is imitated on the training inputs, agreement is measured on the test inputs; labels
            are not looked at.
        form: a module of the form that the network is to have; its buffers are taken as known.
        prior: whether its weights are known too, so that only the difference is to be told.
        agreement: share of the test inputs.
        steps: of the training.
        batch_size: inputs a step.
        seed: of every random choice.
        progress: called with the budgets done and the number of all.

    Raises:
        UnsupportedModel: the model is a regression, or the form has no parameters or several precisions.
        ValueError: an agreement that is not above 0 and below 1, no inputs, or outputs of another number of
            classes.
    """
    check_agreement(agreement)
    if steps < _POINTS:
        raise ValueError(f"expected at least {_POINTS} steps, one for each budget, got {steps}")
    module = copied(form).cpu().eval()
    weights = Weights(module)
    imitated = Imitation(model, data, weights.dtype)
    with torch.random.fork_rng(devices=[]), one_thread():
        falling = _Falling(module, weights, imitated, prior, batch_size, seed)
        if prior and (known := falling.as_it_is()) >= agreement:
            return CodeLength(0.0, agreement, _curve([0.0], [known]), seed)
        with torch.enable_grad():
            bits, reached = falling.run(steps, progress)
    return CodeLength(least_bits(bits, reached, agreement), agreement, _curve(bits, reached), seed)


def check_agreement(agreement: float) -> None:
    """Raise where a share is not above 0 and below 1."""
    if not 0 < agreement < 1:
        raise ValueError(f"expected an agreement above 0 and below 1, got {agreement}")


class _Falling:
    """A posterior whose budget falls."""

    def __init__(
        self,
        module: nn.Module,
        weights: Weights,
        imitated: Imitation,
        prior: bool,
        batch_size: int,
        seed: int,
    ) -> None:
        self.module, self.weights, self.imitated = module, weights, imitated
        self.generator = torch.Generator().manual_seed(seed)
        self.known = weights.vector(module)
        mean = self.known if prior else torch.zeros_like(self.known)
        places = torch.arange(weights.count)[None]
        deviations = weights.deviations(self.known) * (_AROUND_PRIOR if prior else 1.0)
        self.posterior = Posterior(
            mean, weights.group(), deviations, places, nats=0.0, generator=self.generator
        )
        self.batches = imitated.batches(batch_size, self.generator)
        self.optimiser = torch.optim.Adam(
            [
                {"params": [self.posterior.mean, self.posterior.share], "lr": _RATE},
                {"params": [self.posterior.log_deviation], "lr": _RATE_OF_DEVIATIONS},
            ]
        )

    def as_it_is(self) -> float:
        """Return the agreement of the form with its own weights."""
        with torch.no_grad():
            return self.imitated.agreement(
                self.weights.run(self.module, self.known, self.imitated.test_inputs)
            )

    def run(self, steps: int, progress: OnProgress | None) -> tuple[list[float], list[float]]:
        """Return the budgets in bits, falling, and the agreement at each."""
        most = _MOST_BITS_A_WEIGHT * self.weights.count
        budgets = np.geomspace(most, min(_LEAST_BITS, most), _POINTS).tolist()
        before = max(round(_SHARE_BEFORE * steps), 1)
        counts = np.diff(np.linspace(0, steps - before, _POINTS).round().astype(int), prepend=0)
        counts[0] = before
        reached = []
        for place, (bits, count) in enumerate(zip(budgets, counts.tolist(), strict=True)):
            self.posterior.nats = bits * log(2)
            for _ in range(count):
                self._step()
            reached.append(self._agreement())
            if progress is not None:
                progress(place + 1, _POINTS)
        return budgets, reached

    def _step(self) -> None:
        """Make one step on weights drawn anew."""
        batch = next(self.batches)
        vector = self.posterior.sample(self.posterior.noise(self.generator))
        loss = self.imitated.loss(self.weights.run(self.module, vector, self.imitated.inputs[batch]), batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _agreement(self) -> float:
        """Return the mean agreement of a few draws."""
        with torch.no_grad():
            drawn = [self.posterior.sample(self.posterior.noise(self.generator)) for _ in range(_DRAWS)]
            return float(np.mean([
                self.imitated.agreement(self.weights.run(self.module, vector, self.imitated.test_inputs))
                for vector in drawn
            ]))  # fmt: skip


def least_bits(bits: list[float], reached: list[float], agreement: float) -> float:
    """Return the least of falling budgets at which the agreement holds; NaN where there is none.

    Between two budgets the agreement is taken to fall evenly with their logarithm.
    """
    found = np.asarray(reached) >= agreement
    if not found.any():
        return float("nan")
    last = int(np.flatnonzero(found)[-1])
    if last + 1 == len(bits):
        return bits[last]
    share = (reached[last] - agreement) / (reached[last] - reached[last + 1])
    return float(bits[last] * (bits[last + 1] / bits[last]) ** share)


def _curve(bits: list[float], reached: list[float]) -> pd.DataFrame:
    """Return the curve as a table."""
    import pandas as pd

    return pd.DataFrame({"bits": bits, "agreement": reached})
