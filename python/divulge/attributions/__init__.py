"""How much each coordinate of an input counts for what a model says of it.

Each method has one name, one default and one unit, whoever explains: an oracle (`divulge.oracles`), a copy
that is trained on explanations (`divulge.surrogate`), or `attribute`, which asks any module.
"""

from divulge.attributions.attribute import AttributionFunction, attribute
from divulge.attributions.from_values import Occlusion, Shap, ValueAttribution
from divulge.attributions.heat_map import HeatMap
from divulge.attributions.lime import Lime
from divulge.attributions.methods import (
    Attribution,
    Gradient,
    InputTimesGradient,
    IntegratedGradients,
    ProbabilityGradient,
    Saliency,
    SmoothGrad,
)
from divulge.attributions.names import METHODS, RandomNumbers

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionFunction",
    "Gradient",
    "HeatMap",
    "InputTimesGradient",
    "IntegratedGradients",
    "Lime",
    "Occlusion",
    "ProbabilityGradient",
    "RandomNumbers",
    "Saliency",
    "Shap",
    "SmoothGrad",
    "ValueAttribution",
    "attribute",
]
