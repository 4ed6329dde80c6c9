"""The oracle of an API that explains by SHAP values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.attributions.from_values import Shap
from divulge.oracles.attributed import AttributionOracle
from divulge.oracles.base import Domain
from divulge.oracles.exact_shap import exact_shap

if TYPE_CHECKING:
    from divulge.victims import Victim

ROWS = 20  # of a background drawn from data


class ShapOracle(AttributionOracle):
    """Answers with f_k(x) and the Shapley values of x against a background (`Shap`).

    They are exact for linear models, for scikit-learn's, XGBoost's and LightGBM's trees, and up to ten
    numbers; else the mean over orders drawn at random.

    Args:
        victim: the model under study.
        background: what stands for a number that is left out: a number, one input (d,) or several (b, d).
        samples: orders drawn where no exact way is known.
        exact: False draws orders even where an exact way is known.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.
        seed: of the orders.

    Raises:
        ValueError: no order, or a background of another shape or not finite.

    Attributes:
        exact: whether the values are exact.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        background: Any = 0.0,
        samples: int = Shap.samples,
        exact: bool = True,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
        seed: int = 0,
    ) -> None:
        attribution = Shap(background, samples)
        super().__init__(
            victim, attribution, output=output, domain=domain, budget=budget, values=values, seed=seed
        )
        self._exact = exact_shap(victim, attribution.rows(victim.input_size)) if exact else None
        self.exact = self._exact is not None

    def _attribute(self, points: Array, outputs: Index) -> Array:
        """SHAP values (n, d) of one part of the points (n, d)."""
        if self._exact is None:
            return super()._attribute(points, outputs)
        every = self._exact(points)  # (n, d, K)
        return np.asarray(every[np.arange(len(points)), :, outputs])
