"""How much each coordinate of an input counts for what a model says of it.

Each method has one name, one default and one unit, whoever explains: an oracle (`divulge.oracles`), a copy
that is trained on explanations (`divulge.surrogate`), or `attribute`, which asks any module.
"""

from divulge.attributions.attribute import AttributionFunction, attribute
from divulge.attributions.from_packages import ImageLime, TableLime
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
from divulge.attributions.of_module import ExactIntegratedGradients, GradCam, ModuleAttribution

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionFunction",
    "ExactIntegratedGradients",
    "GradCam",
    "Gradient",
    "HeatMap",
    "ImageLime",
    "InputTimesGradient",
    "IntegratedGradients",
    "Lime",
    "ModuleAttribution",
    "Occlusion",
    "ProbabilityGradient",
    "RandomNumbers",
    "Saliency",
    "Shap",
    "SmoothGrad",
    "TableLime",
    "ValueAttribution",
    "attribute",
]
