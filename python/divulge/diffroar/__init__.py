"""Does an attribution point at what a model uses? (Shah, Jain, Netrapalli 2021)."""

from divulge.diffroar.attributions import METHODS, Attribution, attribute
from divulge.diffroar.debugging import debugging_tests, spurious_mark
from divulge.diffroar.leakage import Leakage, leakage
from divulge.diffroar.power import Fit, ModuleFactory, Trainer, predictive_power
from divulge.diffroar.randomisation import parameter_randomisation
from divulge.diffroar.roar import diffroar, diffroar_runs
from divulge.diffroar.similarity import rank_correlation, structural_similarity
from divulge.diffroar.summary import summarise
from divulge.diffroar.unmasking import unmask

__all__ = [
    "METHODS",
    "Attribution",
    "Fit",
    "Leakage",
    "ModuleFactory",
    "Trainer",
    "attribute",
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
