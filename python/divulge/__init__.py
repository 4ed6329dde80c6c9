"""Measure what a model's explanations give away, and whether they can be believed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from divulge._core import __version__
from divulge.config import build_config, set_threads, threads

if TYPE_CHECKING:
    from divulge.comparison import Comparison, LayerComparison, compare
    from divulge.errors import (
        BudgetExhausted,
        CheckpointError,
        DivulgeError,
        NotPiecewiseLinear,
        OracleError,
        UnsupportedModel,
    )
    from divulge.influence import Influence
    from divulge.oracles import (
        Budget,
        CallableOracle,
        Clipped,
        Defence,
        GradientOracle,
        InputTimesGradientOracle,
        IntegratedGradientsOracle,
        JacobianOracle,
        LabelOracle,
        Ledger,
        LogOdds,
        Noisy,
        Normalized,
        Oracle,
        Prada,
        ProbabilityOracle,
        Rounded,
        SaliencyOracle,
        SignOnly,
        SmoothGradOracle,
        TopK,
        ValueOracle,
    )
    from divulge.reconstruction import Progress, Reconstruction, reconstruct, reconstruct_many
    from divulge.report import LeakReport, leak_report
    from divulge.surrogate import Stolen, steal
    from divulge.victims import Victim

# Loaded when first used: most of these import torch, a second that `divulge --help` should not take.
_LAZY = {
    "Budget": "divulge.oracles",
    "BudgetExhausted": "divulge.errors",
    "CallableOracle": "divulge.oracles",
    "CheckpointError": "divulge.errors",
    "Clipped": "divulge.oracles",
    "Comparison": "divulge.comparison",
    "Defence": "divulge.oracles",
    "DivulgeError": "divulge.errors",
    "GradientOracle": "divulge.oracles",
    "Influence": "divulge.influence",
    "InputTimesGradientOracle": "divulge.oracles",
    "IntegratedGradientsOracle": "divulge.oracles",
    "JacobianOracle": "divulge.oracles",
    "LabelOracle": "divulge.oracles",
    "LayerComparison": "divulge.comparison",
    "LeakReport": "divulge.report",
    "Ledger": "divulge.oracles",
    "LogOdds": "divulge.oracles",
    "Noisy": "divulge.oracles",
    "Normalized": "divulge.oracles",
    "NotPiecewiseLinear": "divulge.errors",
    "Oracle": "divulge.oracles",
    "OracleError": "divulge.errors",
    "Prada": "divulge.oracles",
    "ProbabilityOracle": "divulge.oracles",
    "Progress": "divulge.reconstruction",
    "Reconstruction": "divulge.reconstruction",
    "Rounded": "divulge.oracles",
    "SaliencyOracle": "divulge.oracles",
    "SignOnly": "divulge.oracles",
    "SmoothGradOracle": "divulge.oracles",
    "Stolen": "divulge.surrogate",
    "TopK": "divulge.oracles",
    "UnsupportedModel": "divulge.errors",
    "ValueOracle": "divulge.oracles",
    "Victim": "divulge.victims",
    "compare": "divulge.comparison",
    "leak_report": "divulge.report",
    "reconstruct": "divulge.reconstruction",
    "reconstruct_many": "divulge.reconstruction",
    "steal": "divulge.surrogate",
}

__all__ = [
    "Budget",
    "BudgetExhausted",
    "CallableOracle",
    "CheckpointError",
    "Clipped",
    "Comparison",
    "Defence",
    "DivulgeError",
    "GradientOracle",
    "Influence",
    "InputTimesGradientOracle",
    "IntegratedGradientsOracle",
    "JacobianOracle",
    "LabelOracle",
    "LayerComparison",
    "LeakReport",
    "Ledger",
    "LogOdds",
    "Noisy",
    "Normalized",
    "NotPiecewiseLinear",
    "Oracle",
    "OracleError",
    "Prada",
    "ProbabilityOracle",
    "Progress",
    "Reconstruction",
    "Rounded",
    "SaliencyOracle",
    "SignOnly",
    "SmoothGradOracle",
    "Stolen",
    "TopK",
    "UnsupportedModel",
    "ValueOracle",
    "Victim",
    "__version__",
    "build_config",
    "compare",
    "leak_report",
    "reconstruct",
    "reconstruct_many",
    "set_threads",
    "steal",
    "threads",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'divulge' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
