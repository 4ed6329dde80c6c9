"""How much each coordinate of an input counts for what a model says of it.

Each method has one name, one default and one unit, whoever explains: an oracle (`divulge.oracles`), a copy
that is trained on explanations (`divulge.surrogate`), or `attribute`, which asks any module.
"""

from divulge.attributions.attribute import AttributionFunction, attribute
from divulge.attributions.from_values import Shap, ValueAttribution
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
    "InputTimesGradient",
    "IntegratedGradients",
    "ProbabilityGradient",
    "RandomNumbers",
    "Saliency",
    "Shap",
    "SmoothGrad",
    "ValueAttribution",
    "attribute",
]
