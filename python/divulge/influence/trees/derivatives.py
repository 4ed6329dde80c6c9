"""LeafInfluence, by running the boosting backwards; BoostIn and leaf similarity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.influence.trees.structure import FixedTrees, Replay

__all__ = ["boost_in", "leaf_influence", "leaf_similarity"]

Leaves = list[NDArray[np.int32]]  # (K, m) of each round


def leaf_influence(trees: FixedTrees, replay: Replay, leaves: Leaves, seeds: Array) -> Array:
    """Return d sum_k seeds[j, k] F_k(x_j) / d w_i (m, n), the trees' structure fixed.

    A leaf's value v = -rate G / (H + l2) changes by -q (dG + u dH), q = rate / (H + l2), u = v / rate. G and
    H change with the weight itself, by g_i and h_i, and with all earlier leaves that its samples passed, by
    g' and h'. The derivatives of all leaves solve a triangular system; it is solved for its transpose, from
    the last round back, with n K m numbers at a time.

    Args:
        trees: fixed.
        replay: with nothing left out.
        leaves: of the m points.
        seeds: (m, K).
    """
    model, y, w = trees.model, trees.targets[:, :, None], trees.weights[:, None, None]
    margins = replay.margins.copy()
    back = np.zeros((len(y), seeds.shape[1], len(seeds)))  # df/dF of the training samples
    scores = np.zeros((len(y), len(seeds)))
    for t in reversed(range(len(trees.rounds))):
        tree = trees.rounds[t]
        for k, value in enumerate(replay.values[t]):
            margins[:, k] -= value[tree.leaf[k]]
        g, h = model.loss.slopes(margins, y)
        pull, turned = np.empty_like(back), np.empty_like(y)
        for k, members in enumerate(tree.members):
            by_leaf = members @ back[:, k]  # df/dv (leaves, m)
            np.add.at(by_leaf, (leaves[t][k], np.arange(len(seeds))), seeds[:, k])
            by_leaf *= -replay.scales[t][k]
            own, turned[:, k] = tree.leaf[k], replay.values[t][k][tree.leaf[k]] / model.rate
            pull[:, k] = by_leaf[own]
            scores += pull[:, k] * (g[:, k] + turned[:, k] * h[:, k])
        back += w * model.loss.pulled(margins, y, pull, pull * turned)
    mean = trees.mean()[:, 0]
    at_start = model.initial.jacobian(mean).T @ (back.sum(axis=0) + seeds.T)  # (K, m)
    scores += (trees.targets - mean) @ at_start / trees.total
    return np.asarray(scores.T)


def boost_in(trees: FixedTrees, replay: Replay, leaves: Leaves, slope: Callable[[Array], Array]) -> Array:
    """Return sum over rounds of df/dF at the point's margins before it, times the leaf's own dv/dw_i (m, n).

    Args:
        trees: fixed.
        replay: with nothing left out.
        leaves: of the m points.
        slope: from margins (m, K) to df/dF (m, K).
    """
    model, y = trees.model, trees.targets[:, :, None]
    margins = np.repeat(replay.initial[None], len(y), axis=0)
    m = leaves[0].shape[1]
    at = np.repeat(replay.initial[None], m, axis=0)[:, :, 0]
    scores = np.zeros((m, len(y)))
    for t, tree in enumerate(trees.rounds):
        g, h = model.loss.slopes(margins, y)
        slopes = slope(at)
        for k, value in enumerate(replay.values[t]):
            own, theirs = tree.leaf[k], leaves[t][k]
            direct = -replay.scales[t][k][own, 0] * (g[:, k, 0] + value[own, 0] / model.rate * h[:, k, 0])
            scores += np.where(theirs[:, None] == own, slopes[:, [k]] * direct, 0.0)
            margins[:, k] += value[own]
            at[:, k] += value[theirs, 0]
    return scores


def leaf_similarity(trees: FixedTrees, leaves: Leaves) -> Array:
    """Return sum over trees of [same leaf] / (samples in it)^2 (m, n)."""
    m = leaves[0].shape[1]
    found = np.zeros((m, len(trees.targets)))
    for tree, theirs in zip(trees.rounds, leaves, strict=True):
        for k, own in enumerate(tree.leaf):
            weight = 1 / np.bincount(own).astype(np.float64) ** 2
            found += np.where(theirs[k][:, None] == own, weight[own], 0.0)
    return found
