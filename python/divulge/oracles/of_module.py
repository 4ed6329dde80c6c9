"""Oracles of APIs that explain by what is inside a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike

from divulge.arrays import Array, Index
from divulge.attributions.of_module import ExactIntegratedGradients, GradCam, ModuleAttribution
from divulge.oracles.attributed import AttributionOracle
from divulge.oracles.base import Domain
from divulge.training.modes import evaluating

if TYPE_CHECKING:
    from divulge.victims import Victim


class ModuleAttributionOracle(AttributionOracle):
    """Answers with f_k(x) and an explanation made of the module's inside; see `AttributionOracle`.

    Raises:
        UnsupportedModel: the module has no such inside.
    """

    def __init__(
        self,
        victim: Victim,
        attribution: ModuleAttribution,
        *,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        super().__init__(victim, attribution, output=output, domain=domain, budget=budget, values=values)
        self._made = attribution
        self._attribute(victim.some_inputs()[:1], np.zeros(1, np.intp))

    def _attribute(self, points: Array, outputs: Index) -> Array:
        x = self.victim._tensor(self.victim.as_points(points))
        coefficients = torch.zeros(len(x), self.victim.output_size, dtype=x.dtype, device=x.device)
        coefficients[torch.arange(len(x)), torch.from_numpy(outputs).to(x.device)] = 1.0
        with evaluating(self.victim.module):
            told = self._made.explained(self.victim.module, x, coefficients)
        return told.flatten(1).detach().cpu().to(torch.float64).numpy()


class GradCamOracle(ModuleAttributionOracle):
    """Answers with f_k(x) and Grad-CAM (`GradCam`): where the last convolution speaks for output k.

    Args:
        victim: the model under study, of images and with a Conv2d.
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.

    Raises:
        UnsupportedModel: there is no convolution, or inputs are no images.
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
        super().__init__(victim, GradCam(), output=output, domain=domain, budget=budget, values=values)


class ExactIntegratedGradientsOracle(ModuleAttributionOracle):
    """Answers with f_k(x) and integrated gradients without steps (`ExactIntegratedGradients`).

    Args:
        victim: the model under study, of linear layers and ReLUs.
        baseline: b, a number or shape (d,).
        output: k, where `query` names none.
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about.
        budget: the most queries that may be asked, or None.
        values: False for an API that returns the explanation alone.

    Raises:
        ValueError: a baseline of another shape or not finite.
        UnsupportedModel: the model is no chain of linear layers and ReLUs.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        baseline: ArrayLike = 0.0,
        output: int = 0,
        domain: Domain | None = None,
        budget: int | None = None,
        values: bool = True,
    ) -> None:
        given = ExactIntegratedGradients(baseline)
        super().__init__(victim, given, output=output, domain=domain, budget=budget, values=values)
