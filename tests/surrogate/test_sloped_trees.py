"""Trees grown on classes and on LIME's slopes."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim
from divulge.oracles import LimeOracle, SignOnly
from divulge.surrogate import forest_copy, sloped_tree
from divulge.surrogate.sloped_tree import Sloped, SlopedTree, _Leaf


def boxes(rng, n, d, classes):
    """Answers about the sum of a few boxes with shares of each class, and what boxes say of inputs."""
    x = rng.normal(size=(n, d))
    whole = np.full(d, np.inf)
    leaf = _Leaf(-whole, whole, x)
    leaves = []
    for number in rng.choice(d, size=3, replace=False):
        left, leaf = leaf.split(int(number), float(rng.normal() / 2))
        leaves.append(left)
    leaves.append(leaf)
    values = np.eye(max(2, classes))[rng.permutation(4) % max(2, classes)][:, -classes:]
    shares = np.stack([leaf.inside for leaf in leaves], axis=1) @ values
    own = np.eye(classes)[rng.integers(classes, size=n)]
    slopes = np.einsum("ajd,aj->jd", [leaf.slopes for leaf in leaves], values @ own.T)
    return Sloped(x, shares, slopes, own, np.full(n, 40.0), np.full(n, 150.0))


@pytest.mark.parametrize("seed", range(3))
def test_slopes_of_a_box_are_means_over_normal_samples(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3))
    low, high = np.sort(rng.normal(scale=2, size=(2, 3)), axis=0)
    low[0], high[1] = -np.inf, np.inf
    e = rng.standard_normal((400_000, 3))
    for point, slopes in zip(x, _Leaf(low, high, x).slopes, strict=True):
        inside = ((point + e > low) & (point + e <= high)).all(axis=1)
        assert np.allclose((inside[:, None] * e).mean(axis=0), slopes, atol=6e-3)


@pytest.mark.parametrize("leaves", [1, 2, 3])
@pytest.mark.parametrize("classes", [1, 3])
def test_a_gain_is_what_a_split_explains(classes, leaves, monkeypatch):
    told = boxes(np.random.default_rng(classes + leaves), 60, 4, classes)
    monkeypatch.setattr(sloped_tree, "LEAVES", leaves)
    monkeypatch.setattr(sloped_tree, "APART", 1e-3)
    tree = SlopedTree(told, np.random.default_rng(leaves))
    assert len(tree._leaves) == leaves
    for leaf, sides in zip(tree._leaves, tree._sides, strict=True):
        gain = tree._gain(leaf, sides)
        rest = without(told, tree, leaf)
        before = missed(rest, [leaf])
        tried = np.argwhere(gain > 0)[::7]
        assert len(tried)
        for number, which in tried:
            parts = leaf.split(int(number), float(tree._thresholds[number, which]))
            assert gain[number, which] == pytest.approx(before - missed(rest, parts), rel=1e-3, abs=1e-2)


def without(told, tree, leaf):
    """What was told less what the other leaves of a tree explain."""
    shares, slopes = told.shares.copy(), told.slopes.copy()
    for other, values in zip(tree._leaves, tree._values, strict=True):
        if other is not leaf:
            shares -= np.outer(other.inside, values)
            slopes -= other.slopes * (told.own @ values)[:, None]
    return dataclasses.replace(told, shares=shares, slopes=slopes)


def missed(told, leaves):
    """The least weighted squared error that shares of leaves can have."""
    error = 0.0
    for k in range(told.shares.shape[1]):
        count = np.sqrt(np.r_[told.shares_count, np.repeat(told.slopes_count * told.own[:, k], 1)])
        columns = [
            np.r_[leaf.inside * count[: len(told.x)], (leaf.slopes * count[len(told.x) :, None]).ravel()]
            for leaf in leaves
        ]
        wanted = np.r_[
            told.shares[:, k] * count[: len(told.x)], (told.slopes * count[len(told.x) :, None]).ravel()
        ]
        found = np.linalg.lstsq(np.stack(columns, axis=1), wanted, rcond=None)[0]
        error += float(np.square(np.stack(columns, axis=1) @ found - wanted).sum())
    return error


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_what_was_told_is_explained_and_nothing_else(classes, seed):
    rng = np.random.default_rng(10 + seed)
    told = boxes(rng, 25, 6, classes)
    grown = [SlopedTree(told, rng).shares(told.x) for _ in range(5)]
    assert np.abs(np.mean(grown, axis=0) - told.shares).mean() < 0.12
    silent = dataclasses.replace(told, slopes_count=np.zeros(25), shares_count=np.full(25, 1e-6))
    assert len(np.unique(SlopedTree(silent, rng).shares(told.x), axis=0)) == 1


def treed(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 8))
    y = (x[:, 0] > 0.2) ^ ((x[:, 3] > 0.5) & (x[:, 0] < 1))
    return Victim(DecisionTreeClassifier(random_state=seed).fit(x, y.astype(int))), x


def test_twenty_five_answers_of_lime_tell_more_than_their_classes():
    sloped, labels = [], []
    for seed in range(4):
        victim, x = treed(seed)
        for found, values in ((sloped, True), (labels, False)):
            copy = forest_copy(LimeOracle(victim, values=values, seed=seed), x[:3], queries=25, seed=seed)
            assert (copy.sloped is not None) == values
            found.append(np.mean(copy.classes(x) == victim.classes(x)))
    assert np.mean(sloped) > np.mean(labels) + 0.03


def test_other_slopes_are_left_alone():
    victim, x = treed(0)
    rows = x[:10]
    signs = forest_copy(SignOnly(LimeOracle(victim)), rows, queries=20)
    few = forest_copy(LimeOracle(victim, samples=8), rows, queries=20)
    torch.manual_seed(0)
    logits = Victim(torch.nn.Linear(8, 2).double(), (8,))
    scores = forest_copy(LimeOracle(logits), rows, queries=20)
    assert [copy.sloped for copy in (signs, few, scores)] == [None, None, None]
    assert forest_copy(LimeOracle(victim), rows, queries=20).sloped is not None
