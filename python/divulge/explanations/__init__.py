"""Explanations of other kinds: additive models of a model, counterfactuals, trees of local explanations."""

from divulge.explanations.additive import additive
from divulge.explanations.additive_result import Additive

__all__ = ["Additive", "additive"]
