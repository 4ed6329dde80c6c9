"""Copies made of what an oracle answers: labels, probabilities, gradients and other explanations."""

from divulge.surrogate.additive import AdditiveCopy, additive_copy
from divulge.surrogate.copied_trees import TreeCopy, tree_copy
from divulge.surrogate.forest import ForestCopy, forest_copy
from divulge.surrogate.linear import LinearCopy, linear_copy
from divulge.surrogate.losses import Weights
from divulge.surrogate.stolen import Stolen
from divulge.surrogate.thief import steal

__all__ = [
    "AdditiveCopy",
    "ForestCopy",
    "LinearCopy",
    "Stolen",
    "TreeCopy",
    "Weights",
    "additive_copy",
    "forest_copy",
    "linear_copy",
    "steal",
    "tree_copy",
]
