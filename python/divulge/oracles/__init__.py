"""Oracles: what may be asked of a victim, and the ledger that counts it."""

from divulge.oracles.attributed import (
    AttributionOracle,
    IntegratedGradientsOracle,
    SaliencyOracle,
    SmoothGradOracle,
)
from divulge.oracles.base import Oracle
from divulge.oracles.callable import CallableOracle
from divulge.oracles.counterfactual import CounterfactualOracle
from divulge.oracles.defences import (
    Budget,
    Cached,
    Clipped,
    Defence,
    Grouped,
    Noisy,
    Normalized,
    Prada,
    Private,
    Rounded,
    SignOnly,
    Spent,
    TopK,
    correlated_groups,
)
from divulge.oracles.defences.names import DEFENCES, check_defence, defence_by_name
from divulge.oracles.distance import Distance
from divulge.oracles.explained import Answers
from divulge.oracles.gradient import GradientOracle
from divulge.oracles.input_times_gradient import InputTimesGradientOracle
from divulge.oracles.jacobian import JacobianOracle
from divulge.oracles.label import LabelOracle
from divulge.oracles.ledger import Ledger
from divulge.oracles.live import LiveOracle
from divulge.oracles.mean_gradients import MeanGradientOracle
from divulge.oracles.names import ORACLES, oracle_by_name
from divulge.oracles.of_module import (
    ExactIntegratedGradientsOracle,
    GradCamOracle,
    ModuleAttributionOracle,
)
from divulge.oracles.packages import ImageLimeOracle, KernelShapOracle, TableLimeOracle
from divulge.oracles.probability import LogOdds, ProbabilityOracle
from divulge.oracles.replay import ReplayOracle
from divulge.oracles.rule import RuleOracle
from divulge.oracles.shapley import ShapOracle
from divulge.oracles.shown import HeatMapOracle, LimeOracle, OcclusionOracle
from divulge.oracles.value import ValueOracle
from divulge.oracles.within_span import SpannedOracle

__all__ = [
    "DEFENCES",
    "ORACLES",
    "Answers",
    "AttributionOracle",
    "Budget",
    "Cached",
    "CallableOracle",
    "Clipped",
    "CounterfactualOracle",
    "Defence",
    "Distance",
    "ExactIntegratedGradientsOracle",
    "GradCamOracle",
    "GradientOracle",
    "Grouped",
    "HeatMapOracle",
    "ImageLimeOracle",
    "InputTimesGradientOracle",
    "IntegratedGradientsOracle",
    "JacobianOracle",
    "KernelShapOracle",
    "LabelOracle",
    "Ledger",
    "LimeOracle",
    "LiveOracle",
    "LogOdds",
    "MeanGradientOracle",
    "ModuleAttributionOracle",
    "Noisy",
    "Normalized",
    "OcclusionOracle",
    "Oracle",
    "Prada",
    "Private",
    "ProbabilityOracle",
    "ReplayOracle",
    "Rounded",
    "RuleOracle",
    "SaliencyOracle",
    "ShapOracle",
    "SignOnly",
    "SmoothGradOracle",
    "SpannedOracle",
    "Spent",
    "TableLimeOracle",
    "TopK",
    "ValueOracle",
    "check_defence",
    "correlated_groups",
    "defence_by_name",
    "oracle_by_name",
]
