"""Explanations of other kinds: additive models of a model, counterfactuals, trees of local explanations."""

from divulge.explanations.additive import additive
from divulge.explanations.additive_result import Additive
from divulge.explanations.counterfactual_result import Counterfactuals
from divulge.explanations.counterfactuals import counterfactuals
from divulge.explanations.evolution import Rates
from divulge.explanations.multilevel import multilevel
from divulge.explanations.tree import ExplanationTree

__all__ = [
    "Additive",
    "Counterfactuals",
    "ExplanationTree",
    "Rates",
    "additive",
    "counterfactuals",
    "multilevel",
]
