"""Scores from layers' gradients, as K-FAC sees them, against derivatives along vectors by autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from token_models import Tagger, Tied, texts, words
from torch import nn

from divulge import Influence
from divulge.influence import layer_gradients, layer_products


def tokens(make):
    return Tagger(form="plain").double(), texts(13, 0)


def tied(make):
    return Tied(bias=True).double().eval(), words(13, 0)


CASES = {
    "tokens": tokens,
    "tied": tied,
    "cnn": lambda make: make("cnn")[:2],
    "attention": lambda make: make("attention")[:2],
    "tanh": lambda make: make("tanh")[:2],
}


@pytest.mark.parametrize("numbers", [1, 1 << 24])
@pytest.mark.parametrize("m", [1, 2, 30])
@pytest.mark.parametrize("name", CASES)
def test_as_by_autograd(make, name, m, numbers, monkeypatch):
    monkeypatch.setattr(layer_products, "_NUMBERS", numbers)
    module, train = CASES[name](make)
    operator = Influence(module, train, lower=False, batch_size=6).operator
    vectors = np.random.default_rng(0).standard_normal((m, operator.parameters))
    expected = operator.scores(vectors)
    assert operator.layers  # from here on gradients are sums of what layers see times what comes back
    got = operator.scores(vectors)
    assert got.dtype == expected.dtype
    assert not np.array_equal(got, expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert operator.scores(vectors[:0]).shape == (0, len(train[1]))


def test_in_single_precision(make):
    module, (x, y), _ = make("cnn", dtype=torch.float32)
    operator = Influence(module, (x, y), lower=False).operator
    vectors = np.random.default_rng(0).standard_normal((4, operator.parameters)).astype(np.float32)
    expected = operator.scores(vectors)
    assert operator.layers
    got = operator.scores(vectors)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", CASES)
def test_factors_do_not_depend_on_how_many_gradients_are_formed_together(make, name, monkeypatch):
    module, train = CASES[name](make)
    found = []
    for numbers, fewest in ((1, 1), (1, 3), (300, 1), (1 << 24, 1)):
        monkeypatch.setattr(layer_gradients, "_FEWEST_TOGETHER", fewest)
        monkeypatch.setattr(layer_gradients, "_TOGETHER", numbers)
        influence = Influence(module, train, curvature="ekfac", damping=0.1, lower=False, batch_size=50)
        fitted = influence._inverse.kronecker
        found.append(np.concatenate([influence.self_influence(), *(np.ravel(v) for v in fitted.values)]))
        assert numbers > 1 or influence.operator._together == fewest
    assert influence.operator._together == 50
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_factors_do_not_depend_on_which_product_comes_first(make, name, monkeypatch):
    module, train = CASES[name](make)
    found = []
    for first in (True, False):
        monkeypatch.setattr(layer_products, "_is_less_whole", lambda *_, first=first: first)
        influence = Influence(module, train, curvature="ekfac", damping=0.1, lower=False)
        values = influence._inverse.kronecker.values
        found.append(np.concatenate([influence.self_influence(), *(np.ravel(v) for v in values)]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-8, atol=1e-12)


def test_samples_of_a_large_layer_still_go_together():
    module = nn.Sequential(nn.Linear(900, 700), nn.LayerNorm(700), nn.Linear(700, 3))
    data = np.zeros((20, 900), np.float32), np.arange(20) % 3
    operator = Influence(module, data, curvature="ekfac", damping=0.1, lower=False).operator
    assert operator.layers
    assert operator._together == 8
