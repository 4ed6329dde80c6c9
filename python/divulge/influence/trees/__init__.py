"""Influence in ensembles of boosted trees: leaves fitted anew, and their derivatives."""

from divulge.influence.trees.tree_influence import TreeInfluence

__all__ = ["TreeInfluence"]
