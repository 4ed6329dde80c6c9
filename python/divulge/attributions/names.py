"""Attributions by name."""

from __future__ import annotations

from dataclasses import dataclass

from divulge.attributions.from_values import Occlusion, Shap
from divulge.attributions.heat_map import HeatMap
from divulge.attributions.lime import Lime
from divulge.attributions.methods import (
    Attribution,
    Gradient,
    InputTimesGradient,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
)
from divulge.attributions.of_module import ExactIntegratedGradients, GradCam
from divulge.registry import Entry, Registry

__all__ = ["METHODS", "RandomNumbers"]


@dataclass(frozen=True)
class RandomNumbers:
    """Uniform numbers from 0 to 1, whatever the module: what an attribution is to be better than."""


METHODS: Registry[Attribution | RandomNumbers] = Registry(
    "an attribution",
    {
        "gradient": Entry(Gradient),
        "saliency": Entry(Saliency),
        "input_times_gradient": Entry(InputTimesGradient),
        "smoothgrad": Entry(SmoothGrad, ("samples", "noise", "input_range")),
        "integrated_gradients": Entry(IntegratedGradients, ("steps", "baseline")),
        "exact_integrated_gradients": Entry(ExactIntegratedGradients, ("baseline",)),
        "grad_cam": Entry(GradCam),
        "shap": Entry(Shap, ("samples",)),
        "lime": Entry(Lime, ("samples", "kernel")),
        "occlusion": Entry(Occlusion),
        "heat_map": Entry(HeatMap, ("channels", "bits")),
        "random": Entry(RandomNumbers),
    },
)
