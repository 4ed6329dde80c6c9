"""Few labels a sample in the place of all: what they keep exactly, and how near scores stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence import kronecker
from divulge.influence.label_cotangents import label_cotangents
from divulge.influence.losses import resolve_loss

LOSS = resolve_loss("cross_entropy", 0)
# A single test point's correlation, by the number of classes.
LEAST = {9: 0.97, 10: 0.97, 16: 0.96, 30: 0.95, 100: 0.9}


class Residual(nn.Module):
    """What torch computes, not the compiled core."""

    def __init__(self, features, width, classes):
        super().__init__()
        self.first, self.norm = nn.Linear(features, width), nn.LayerNorm(width)
        self.inner, self.last = nn.Linear(width, width), nn.Linear(width, classes)

    def forward(self, x):
        z = torch.tanh(self.first(x))
        return self.last(z + nn.functional.gelu(self.inner(self.norm(z))))


def trained(n, classes, steps, seed):
    """Return a module and n + 10 inputs and labels, of which the first n trained it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + 10, 8))
    noise = (1.0 if steps < 100 else 0.3) * rng.gumbel(size=(n + 10, classes))
    y = (2 * x @ rng.standard_normal((8, classes)) + noise).argmax(1)
    module = Residual(8, 12, classes).double()
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    inputs, labels = torch.tensor(x[:n]), torch.tensor(y[:n])
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs), labels).backward()
        optimizer.step()
    return module, x, y


def scores(module, x, y, n, curvature="ekfac", **options):
    influence = Influence(module, (x[:n], y[:n]), curvature=curvature, lower=False, **options)
    return influence.scores((x[n:], y[n:]))


def covariances(outer):
    return np.einsum("nsa,nsb->nab", outer, outer)


def of_probabilities(z):
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return np.stack([np.diag(row) - np.outer(row, row) for row in p])


@pytest.mark.parametrize("k", [2, 3, 10, 16])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0])
def test_one_less_than_the_classes_are_exact(k, scale):
    z = scale * np.random.default_rng(k).standard_normal((40, k))
    found = label_cotangents(z, LOSS, 0).reshape(40, k - 1, k)
    np.testing.assert_allclose(covariances(found), of_probabilities(z), rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(found, label_cotangents(z, LOSS, 0, few=k).reshape(found.shape))


@pytest.mark.parametrize(("k", "few"), [(10, 2), (10, 1), (16, 3), (30, 2), (30, None)])
def test_of_fewer_labels_the_mean_is_the_same(k, few):
    z = 2 * np.random.default_rng(k).standard_normal((1, k))
    labels = few or 8
    found = label_cotangents(np.repeat(z, 6000, axis=0), LOSS, 0, few=few).reshape(6000, labels, k)
    np.testing.assert_allclose(covariances(found).mean(0), of_probabilities(z)[0], atol=0.02)
    np.testing.assert_allclose(found.sum(2), 0, atol=1e-12)
    part = label_cotangents(np.repeat(z, 40, axis=0), LOSS, 0, 700, few).reshape(40, labels, k)
    np.testing.assert_array_equal(part, found[700:740])
    other = label_cotangents(np.repeat(z, 40, axis=0), LOSS, 1, few=few).reshape(40, labels, k)
    assert not np.array_equal(other, found[:40])


@pytest.mark.parametrize(("k", "few"), [(10, 2), (16, 3), (30, 2), (100, None)])
@pytest.mark.parametrize("seed", range(3))
def test_of_samples_alike_in_one_block_the_mean_is_exact(k, few, seed):
    size = 1 << (k - 1).bit_length()
    z = np.repeat(np.random.default_rng(k).standard_normal((1, k)), size, axis=0)
    found = label_cotangents(z, LOSS, seed, 3 * size, few).reshape(size, -1, k)
    np.testing.assert_allclose(covariances(found).mean(0), of_probabilities(z)[0], rtol=1e-9, atol=1e-12)
    halves = [label_cotangents(z[:7], LOSS, seed, 3 * size + i, few) for i in range(5)]
    for i, half in enumerate(halves):
        np.testing.assert_array_equal(half.reshape(7, -1, k), found[i : i + 7])


@pytest.mark.parametrize(("n", "classes"), [(200, 10), (600, 8), (60, 16)])
@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_few_classes_or_few_samples_are_exact(n, classes, curvature, monkeypatch):
    module, x, y = trained(n, classes, 3, n)
    found = scores(module, x, y, n, curvature, damping=0.01, seed=3)
    monkeypatch.setattr(kronecker, "_PASSES", 10**9)
    np.testing.assert_array_equal(found, scores(module, x, y, n, curvature, damping=0.01, seed=4))


@pytest.mark.parametrize(("n", "classes"), [(300, 10), (256, 16), (512, 9), (512, 16), (512, 30), (512, 100)])
@pytest.mark.parametrize("steps", [1, 30, 300])
def test_many_samples_and_classes_correlate_with_all_labels(n, classes, steps, monkeypatch):
    module, x, y = trained(n, classes, steps, classes + steps)
    for damping in (1e-4, 1e-2):
        monkeypatch.undo()
        few = scores(module, x, y, n, damping=damping)
        monkeypatch.setattr(kronecker, "_PASSES", 10**9)
        monkeypatch.setattr("divulge.influence.label_cotangents._EXACT_CLASSES", classes)
        every = scores(module, x, y, n, damping=damping)
        assert not np.array_equal(few, every)
        told = [np.corrcoef(a, b)[0, 1] for a, b in zip(few, every, strict=True)]
        assert np.mean(told) > 0.99
        assert min(told) > LEAST[classes]
