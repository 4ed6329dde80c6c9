"""Oracles by name: what an API may answer."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np

from divulge.datasets import Dataset
from divulge.oracles.attributed import IntegratedGradientsOracle, SaliencyOracle, SmoothGradOracle
from divulge.oracles.base import Oracle
from divulge.oracles.counterfactual import CounterfactualOracle
from divulge.oracles.gradient import GradientOracle
from divulge.oracles.input_times_gradient import InputTimesGradientOracle
from divulge.oracles.jacobian import JacobianOracle
from divulge.oracles.label import LabelOracle
from divulge.oracles.of_module import ExactIntegratedGradientsOracle, GradCamOracle
from divulge.oracles.packages import ImageLimeOracle, KernelShapOracle, TableLimeOracle
from divulge.oracles.probability import ProbabilityOracle
from divulge.oracles.rule import RuleOracle
from divulge.oracles.shapley import ROWS, ShapOracle
from divulge.oracles.shown import HeatMapOracle, LimeOracle, OcclusionOracle
from divulge.oracles.value import ValueOracle
from divulge.points import host_array
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
        "shap": Entry(ShapOracle, ("samples", "exact", "seed", "values", "output")),
        "exact_integrated_gradients": Entry(ExactIntegratedGradientsOracle, ("baseline", "values", "output")),
        "grad_cam": Entry(GradCamOracle, ("values", "output")),
        "kernel_shap": Entry(KernelShapOracle, ("samples", "seed", "values", "output")),
        "lime_tabular": Entry(
            TableLimeOracle, ("samples", "numbers", "discretize", "seed", "values", "output")
        ),
        "lime_image": Entry(ImageLimeOracle, ("samples", "seed", "values", "output")),
        "counterfactual": Entry(
            CounterfactualOracle, ("generations", "population", "nearest", "norm", "seed")
        ),
        "rule": Entry(RuleOracle, ("decimals",)),
        "lime": Entry(LimeOracle, ("samples", "kernel", "seed", "values", "output")),
        "occlusion": Entry(OcclusionOracle, ("values", "output")),
        "heat_map": Entry(HeatMapOracle, ("channels", "bits", "values", "output")),
        "jacobian": Entry(JacobianOracle, ("output",)),
    },
)


def oracle_by_name(text: str, victim: Victim, *, data: Dataset | None = None, **common: Any) -> Oracle:
    """Return an oracle of a victim by name: "gradient", "label", "smoothgrad:samples=10,noise=0.2".

    Args:
        text: a name of `ORACLES`, with its parameters.
        victim: the model under study.
        data: whose first training inputs are the background of explanations that have one, such as "shap",
            near which counterfactuals stay, and whose standard deviations are the width of "lime".
        common: what every oracle takes, `domain` and `budget`.

    Raises:
        ValueError: there is none of that name, or a parameter is unknown or makes no sense.
    """
    name, _ = ORACLES.parse(text)
    taken = signature(ORACLES[name].make).parameters
    if data is not None and "width" in taken:
        spread = np.asarray(host_array(data.train_inputs.flatten(1)), np.float64).std(axis=0)
        common["width"] = np.where(spread > 0, spread, 1.0)
    if data is not None and "background" in taken:
        common["background"] = np.asarray(host_array(data.train_inputs[:ROWS].flatten(1)), np.float64)
    if data is not None and "data" in taken:
        common["data"] = data
    return ORACLES.make(text, victim, **common)
