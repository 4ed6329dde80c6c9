"""What a report measures of one explanation behind one defence, with one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.evaluation import rank_correlation
from divulge.oracles import Oracle
from divulge.oracles.defences.private import Private, private_within
from divulge.report.attacks import Attacked, attacked
from divulge.report.live import LiveVictim
from divulge.report.pairs import Makers, oracle_of
from divulge.report.runs import Curve
from divulge.surrogate import steal
from divulge.surrogate.losses import usual_weights
from divulge.victims import Victim

HONEST = 100  # test inputs on which told and true explanations are compared


@dataclass(frozen=True)
class Study:
    """What is the same for all pairs."""

    victim: Victim | LiveVictim
    data: Dataset
    oracles: Makers
    defences: Makers
    budgets: tuple[int, ...]
    surrogate: str | nn.Module
    steps: int
    bits: float | None
    exact_budget: int

    def measured(
        self,
        name: str,
        defence: str,
        oracle: Oracle,
        reference: Victim | Index | Array,
        seed: int,
        progress: Callable[[int, int], None],
    ) -> Curve:
        """Return the leak curve of one explanation behind a defence, and what else there is to know of it."""
        private = private_within(oracle)
        before = 0 if private is None else private.answers
        stolen = steal(
            oracle,
            self.surrogate,
            queries=self.budgets,
            data=self.data,
            victim=reference,
            steps=self.steps,
            bits=self.bits,
            weights=usual_weights(oracle.attribution),
            seed=seed,
            progress=progress,
        )
        told = 0 if private is None else private.answers - before
        return Curve(
            str(name),
            str(defence),
            stolen.leak_curve,
            attacked=self._attacked(oracle, seed),
            rank_correlation=_honest(oracle, self.victim, name, self.oracles, self.data),
            price=oracle.ledger.price,
            epsilon=self._epsilon(private, told),
            measure=stolen.measure,
        )

    def _epsilon(self, private: Private | None, told: int) -> float:
        """What the largest budget spends behind differentially private noise, else NaN.

        A query may be told several answers, each with its noise, as one for each output; a cache spares some
        of them, which other queries would not be spared.
        """
        return float("nan") if private is None else private.spent(max(told, *self.budgets)).epsilon

    def _attacked(self, oracle: Oracle, seed: int) -> Attacked:
        """What the attack that fits the model comes to; nothing where the model is not at hand."""
        if not self.exact_budget or isinstance(self.victim, LiveVictim):
            return Attacked()
        return attacked(oracle, self.victim, self.data, self.exact_budget, seed)


def _honest(oracle: Oracle, victim: Victim | LiveVictim, name: str, oracles: Makers, data: Dataset) -> float:
    """Return the mean rank correlation of told and true explanations on test inputs."""
    if not oracle.has_explanations or isinstance(victim, LiveVictim):
        return float("nan")
    points = data.test_inputs[:HONEST].flatten(1)
    told = oracle.explain(points).explanations
    true = oracle_of(name, victim, oracles, data).explain(points).explanations
    assert told is not None
    assert true is not None
    return faithfulness(told, true)


def faithfulness(told: Array, true: Array) -> float:
    """Mean over inputs of the rank correlation of |told| and |true|, both (n, d): what an honest user has."""
    sizes = (torch.from_numpy(np.abs(part)) for part in (told, true))
    return float(rank_correlation(*sizes).mean())
