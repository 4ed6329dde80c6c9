"""Does an attribution point at what a model uses? (Shah, Jain, Netrapalli 2021)."""

from divulge.evaluation.block_leakage import Leakage, leakage
from divulge.evaluation.debugging import debugging_tests, spurious_mark
from divulge.evaluation.power import AdamTrainer, ModuleFactory, Trainer, predictive_power
from divulge.evaluation.randomisation import parameter_randomisation
from divulge.evaluation.roar import diffroar, diffroar_runs
from divulge.evaluation.similarity import rank_correlation, structural_similarity
from divulge.evaluation.summary import summarise
from divulge.evaluation.unmasking import unmask

__all__ = [
    "AdamTrainer",
    "Leakage",
    "ModuleFactory",
    "Trainer",
    "debugging_tests",
    "diffroar",
    "diffroar_runs",
    "leakage",
    "parameter_randomisation",
    "predictive_power",
    "rank_correlation",
    "spurious_mark",
    "structural_similarity",
    "summarise",
    "unmask",
]
