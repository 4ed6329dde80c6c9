"""Oracles by name: what an API may answer."""

from __future__ import annotations

from typing import Any

from divulge.oracles.attributed import IntegratedGradientsOracle, SaliencyOracle, SmoothGradOracle
from divulge.oracles.base import Oracle
from divulge.oracles.gradient import GradientOracle
from divulge.oracles.input_times_gradient import InputTimesGradientOracle
from divulge.oracles.jacobian import JacobianOracle
from divulge.oracles.label import LabelOracle
from divulge.oracles.probability import ProbabilityOracle
from divulge.oracles.value import ValueOracle
from divulge.registry import Entry, Registry
from divulge.victims import Victim

__all__ = ["ORACLES", "oracle_by_name"]

# Explanations are named as in `divulge.attributions`, and take the same parameters.
ORACLES: Registry[Oracle] = Registry(
    "an oracle",
    {
        "label": Entry(LabelOracle),
        "probability": Entry(ProbabilityOracle, ("gradients", "output")),
        "value": Entry(ValueOracle, ("output",)),
        "gradient": Entry(GradientOracle, ("values", "output")),
        "saliency": Entry(SaliencyOracle, ("values", "output")),
        "input_times_gradient": Entry(InputTimesGradientOracle, ("values", "output")),
        "smoothgrad": Entry(
            SmoothGradOracle,
            ("samples", "noise", "input_range", "fixed_noise", "seed", "values", "output"),
        ),
        "integrated_gradients": Entry(IntegratedGradientsOracle, ("steps", "baseline", "values", "output")),
        "jacobian": Entry(JacobianOracle, ("output",)),
    },
)


def oracle_by_name(text: str, victim: Victim, **common: Any) -> Oracle:
    """Return an oracle of a victim by name: "gradient", "label", "smoothgrad:samples=10,noise=0.2".

    Args:
        text: a name of `ORACLES`, with its parameters.
        victim: the model under study.
        common: what every oracle takes, `domain` and `budget`.

    Raises:
        ValueError: there is none of that name, or a parameter is unknown or makes no sense.
    """
    return ORACLES.make(text, victim, **common)
