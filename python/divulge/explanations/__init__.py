"""Explanations of other kinds: additive models of a model, counterfactuals, trees of local explanations."""

from divulge.explanations.additive import additive
from divulge.explanations.additive_result import Additive
from divulge.explanations.counterfactual_result import Counterfactuals
from divulge.explanations.counterfactuals import counterfactuals
from divulge.explanations.evolution import Rates

__all__ = ["Additive", "Counterfactuals", "Rates", "additive", "counterfactuals"]
