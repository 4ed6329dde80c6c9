"""Oracles of APIs that explain by something made of input gradients, or of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from divulge.arrays import Array, Index
from divulge.attributions.methods import Attribution, IntegratedGradients, Saliency, SmoothGrad
from divulge.oracles.base import Domain
from divulge.oracles.explained import Answers
from divulge.oracles.victim import VictimOracle

if TYPE_CHECKING:
    from divulge.victims import Victim

_PLACES = 4096  # gradients held in memory at once


class AttributionOracle(VictimOracle):
    """Answers with the value f_k(x) and an attribution of output k; see `explain`. One answer is one query.

    `query` returns values alone: the attribution is no gradient.

    Args:
        victim: the model under study, any torch module.
        attribution: what is made of its gradients or values.
        output: k, where `query` names none; `explain` takes the top class then.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the attribution alone.
        seed: of the noise, where the attribution has some.
        fixed_noise: the same noise for every input.

    Raises:
        ValueError: there is no such output, the domain is empty, or the budget negative.
        UnsupportedModel: the attribution is made of gradients, and the model has none.
    """

    def __init__(
        self,
        victim: Victim,
        attribution: Attribution,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
        fixed_noise: bool = False,
    ) -> None:
        kind = attribution.name
        super().__init__(victim, output, domain, budget, kind=kind, values=values, gradients=False)
        if not attribution.of_values:
            victim.check_differentiable()
        self.attribution = attribution.scaled(1.0 if self._box is None else self._box.range)
        self._rng = np.random.default_rng(seed)
        self._fixed: Array | None = None
        if fixed_noise:
            self._fixed = self._noise(1)

    @property
    def has_explanations(self) -> bool:
        """Always."""
        return True

    def _answer(self, points: Array, output: int) -> tuple[Array, None]:
        return self.victim.values(points)[:, output], None

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        labels = self._top(points) if outputs is None else None
        named = labels if outputs is None else outputs
        if named is None:
            named = np.zeros(len(points), np.intp)
        values = self.victim.values(points)[np.arange(len(points)), named] if self.has_values else None
        explanations = np.zeros(points.shape)
        size = max(1, _PLACES // self.attribution.count(self.input_size))
        for first in range(0, len(points), size):
            part = slice(first, first + size)
            explanations[part] = self._attribute(points[part], named[part])
        return Answers(points, named, labels, values, None, explanations, self.attribution)

    def _attribute(self, points: Array, outputs: Index) -> Array:
        """Attributions (n, d) of one part of the points (n, d)."""
        noise = self._noise(len(points))
        places = np.asarray(self.attribution.places(points, noise))
        found = self._values_at if self.attribution.of_values else self._gradients_at
        return np.asarray(self.attribution.combine(points, found(places, outputs), noise))

    def _values_at(self, places: Array, outputs: Index) -> Array:
        """Values (n, m) of the outputs (n,) at places (n, m, d)."""
        n, m, d = places.shape
        values = self.victim.values(places.reshape(-1, d)).reshape(n, m, -1)
        return np.asarray(values[np.arange(n), :, outputs])

    def _gradients_at(self, places: Array, outputs: Index) -> Array:
        """Gradients (n, m, d) of the outputs (n,) at places (n, m, d)."""
        n, m, d = places.shape
        gradients = np.zeros((n, m, d))
        for output in np.unique(outputs):
            rows = outputs == output
            flat = places[rows].reshape(-1, d)
            gradients[rows] = self.victim.values_and_gradients(flat, int(output))[1].reshape(-1, m, d)
        return gradients

    def _noise(self, n: int) -> Array:
        """Standard normal vectors, shape (n, draws, d)."""
        if self._fixed is not None:
            return np.broadcast_to(self._fixed, (n, *self._fixed.shape[1:]))
        return self._rng.standard_normal((n, self.attribution.draws, self.input_size))


class SmoothGradOracle(AttributionOracle):
    """Answers with f_k(x) and SmoothGrad, the mean gradient over x + noise r e with e standard normal.

    Args:
        victim: the model under study.
        samples: how many e an answer averages.
        noise: their size, a share of the range r of the inputs.
        fixed_noise: the same e for every input; else they are drawn anew for every query.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
        seed: of the noise.
        input_range: r, in units of the input; by default the domain's largest upper less its smallest lower
            bound, and without a domain 1, that is for inputs scaled to length 1.

    Raises:
        ValueError: no sample, or a noise that is not positive.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        samples: int = SmoothGrad.samples,
        noise: float = SmoothGrad.noise,
        fixed_noise: bool = False,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
        input_range: float | None = None,
    ) -> None:
        super().__init__(
            victim,
            SmoothGrad(samples, noise, input_range),
            output=output,
            domain=domain,
            budget=budget,
            values=values,
            seed=seed,
            fixed_noise=fixed_noise,
        )


class IntegratedGradientsOracle(AttributionOracle):
    """Answers with f_k(x) and (x - b) times the mean gradient between a baseline b and x.

    Args:
        victim: the model under study.
        steps: gradients averaged, in the middle of equal parts of the way.
        baseline: b, a number or shape (d,).
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the attribution alone.

    Raises:
        ValueError: no step, or a baseline of another shape or not finite.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        steps: int = IntegratedGradients.steps,
        baseline: ArrayLike = 0.0,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        shape = np.shape(baseline)
        if shape not in {(), (getattr(victim, "input_size", None),)}:
            raise ValueError(f"expected a baseline that is a number or of shape (d,), got {shape}")
        attribution = IntegratedGradients(steps, baseline)
        super().__init__(victim, attribution, output=output, domain=domain, budget=budget, values=values)


class SaliencyOracle(AttributionOracle):
    """Answers with f_k(x) and the absolute values |df_k/dx|.

    Args:
        victim: the model under study.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the attribution alone.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        super().__init__(victim, Saliency(), output=output, domain=domain, budget=budget, values=values)
