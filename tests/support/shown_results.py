"""Every result that shows itself, made of few numbers, and the public classes."""

import pkgutil
from importlib import import_module
from inspect import isclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

import divulge
from divulge.backdoors import BackdoorScan, Mitigation, Trigger
from divulge.bits import CodeLength
from divulge.comparison import Comparison, LayerComparison
from divulge.evaluation import Leakage
from divulge.influence import (
    DatamodelingScore,
    DomainInfluence,
    FixCurve,
    MislabelCurve,
    Ranking,
    TrainingAttack,
)
from divulge.reconstruction import Reconstruction
from divulge.report import LeakReport
from divulge.saliency import SaliencyMaps, Unit
from divulge.surrogate import Stolen, Weights
from divulge.sweep import Sweep

EVIL = "<script>alert('&')</script>"


def maps():
    return SaliencyMaps(
        (0, Unit(EVIL, 1)), torch.rand(2, 1, 4, 4), torch.zeros(1, 4, 4), (0.0, 1.0), torch.rand(5, 2),
        torch.rand(5, 2), (True, False), (EVIL,),
    )  # fmt: skip


def scan():
    triggers = tuple(Trigger(torch.rand(4, 4), torch.rand(1, 4, 4)) for _ in range(3))
    sizes = np.array([9.0, 8.0, np.inf])
    unknown = np.full(3, np.nan)
    found = sizes, sizes / 9, unknown, unknown, triggers, (1,), {1: EVIL}
    return BackdoorScan(3, EVIL, "data", *found, (0.0, 1.0), None, (EVIL,), 1.5)


def curve():
    return pd.DataFrame(
        {
            "queries": [10, 100],
            "agreement": [0.5, 0.9],
            "accuracy": [0.4, 0.8],
            "gradient_cosine": [np.nan, 0.9],
        }
    )


def report():
    row = {"explanation": EVIL, "defence": "none", "queries_90": 20.0, "queries_95": np.nan, "exact": np.nan}
    row |= {"queries_99": np.nan, "best": 0.9, "rank_correlation": np.nan, "attack": EVIL}
    row["measure"] = "agreement"
    return LeakReport(pd.DataFrame([row]), curve().assign(explanation=EVIL, defence="none"), EVIL, 0)


def comparison():
    layers = (LayerComparison(4, 4, 4, 1e-13), LayerComparison(3, 2, 0, None))
    return Comparison((4, 2), (4, 3), layers, 7, None, 4, None, 0.1, 1.0, 1.0, 0.5, 100, ())


def sweep():
    columns = {"victim": [EVIL, "digits"], "queries": [10, 20], "agreement": [0.9, 0.8], "error": ["", EVIL]}
    return Sweep(pd.DataFrame(columns), Path("results"), 1)


RESULTS = {
    "Reconstruction": lambda: Reconstruction(
        nn.Sequential(), (4, 3), 70, (40, 30), {"gradient": 70}, EVIL, 1e-13, True, 0, [EVIL]
    ),
    "Comparison": comparison,
    "LeakReport": report,
    "Stolen": lambda: Stolen(nn.Identity(), curve(), 100, EVIL, False, Weights(), 0),
    "BackdoorScan": scan,
    "Mitigation": lambda: Mitigation(nn.Identity(), 0.9, 0.8, {1: 1.0}, {1: 0.0}),
    "SaliencyMaps": maps,
    "Leakage": lambda: Leakage((1, 0.5), torch.rand(6, 2), torch.rand(2)),
    "Sweep": sweep,
    "CodeLength": lambda: CodeLength(
        80.0, 0.99, pd.DataFrame({"bits": [99.0, 70.0], "agreement": [1, 0.9]}), 0
    ),
    "DatamodelingScore": lambda: DatamodelingScore(np.ones(1), 1.0, np.ones((1, 2)), np.ones((1, 2))),
    "DomainInfluence": lambda: DomainInfluence(
        np.array([3, 4]), np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 7))
    ),
    "FixCurve": lambda: FixCurve(np.array([0, 0.1]), np.array([0, 0.5]), np.array([0.9, 0.95])),
    "MislabelCurve": lambda: MislabelCurve(np.array([0.0, 1.0]), np.array([0.0, 1.0])),
    "TrainingAttack": lambda: TrainingAttack(
        np.array([4, 7]),
        np.array([True, False]),
        np.zeros((2, 1), int),
        np.zeros((2, 1, 3)),
        np.array([1, 9]),
        np.full((2, 2), 0.5),
    ),
    "Ranking": lambda: Ranking(np.array([[4]]), np.array([[-1.0]]), np.array([[7]]), np.array([[np.nan]])),
}


def public_classes():
    for part in pkgutil.iter_modules(divulge.__path__):
        if part.ispkg and part.name not in {"cli", "reference"}:
            package = import_module(f"divulge.{part.name}")
            yield from filter(isclass, (getattr(package, name) for name in package.__all__))
