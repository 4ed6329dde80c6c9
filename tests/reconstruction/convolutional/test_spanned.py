"""Channels that are missing before dense layers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, kinds, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.convolutional.feature_sides import sides_by_answers
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.spanned import Spanned
from divulge.reconstruction.convolutional.walk import Answer

SHAPE = (1, 14, 14)


def layer_of(rng, shape, **options):
    filters = rng.standard_normal(shape)
    filters /= np.linalg.norm(filters.reshape(len(filters), -1), axis=1)[:, None, None, None]
    signs = rng.choice([-1.0, 1.0], len(filters))
    return ConvLayer(filters, 0.2 * rng.standard_normal(len(filters)), signs=signs, **options)


def two_layers(seed):
    rng = np.random.default_rng(seed)
    first = layer_of(rng, (4, 1, 4, 4), stride=(2, 2), padding=(1, 1))
    return Prefix(SHAPE, [first, layer_of(rng, (3, 4, 3, 3))]), rng


def answers_behind(prefix, rng, count=24):
    """Answers of a dense network of 6 units behind known layers."""
    rows = torch.from_numpy(rng.standard_normal((6, int(np.prod(prefix.map_shape(len(prefix.layers)))))))
    last, found = torch.from_numpy(rng.standard_normal(6)), []
    for point in rng.standard_normal((count, prefix.size)):
        x = prefix.images(point[None]).requires_grad_()
        value = torch.relu(rows @ prefix.features(x, len(prefix.layers)).flatten()) @ last
        (gradient,) = torch.autograd.grad(value, x)
        found.append(Answer(point, float(value.detach()), gradient.flatten().numpy()))
    return found


def walk_of(prefix):
    return SimpleNamespace(known=prefix, tolerances=SimpleNamespace(missing=1e-7))


@pytest.mark.parametrize("seed", range(4))
def test_answers_are_explained_unless_a_missing_channel_is_on(seed):
    prefix, rng = two_layers(seed)
    answers = answers_behind(prefix, rng)
    whole = Spanned(walk_of(prefix), None)
    assert False not in [whole.explains(answer) for answer in answers]
    part = Prefix(SHAPE, [prefix.layers[0], prefix.layers[1].take(np.array([0, 2]))])
    with torch.no_grad():
        points = prefix.images(np.stack([answer.point for answer in answers]))
        z = prefix.layers[1].turned(prefix.before(points)[-1])[:, 1]
    on = (z > 0).flatten(1).any(dim=1).tolist()
    told = [Spanned(walk_of(part), None).explains(answer) for answer in answers]
    assert told.count(False) > len(told) / 2
    assert all(here for here, explained in zip(on, told, strict=True) if explained is False)


def test_an_answer_at_which_anything_would_be_explained_tells_nothing():
    prefix, rng = two_layers(0)
    prefix.layers[1] = layer_of(rng, (40, 4, 3, 3))  # more channels than a window has features
    assert {Spanned(walk_of(prefix), None).explains(answer) for answer in answers_behind(prefix, rng)} == {
        None
    }


def test_an_answer_at_which_all_behind_is_off_tells_nothing():
    prefix, rng = two_layers(0)
    points = rng.standard_normal((4, prefix.size))
    told = [Spanned(walk_of(prefix), None).explains(Answer(x, 1.0, np.zeros(prefix.size))) for x in points]
    assert told == [None] * 4


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("seed", range(3))
def test_sides_of_more_units_than_numbers_are_read_where_pooled_ones_are_fewer(kind, seed):
    rng, shape, pool = np.random.default_rng(seed), (1, 10, 10), Pool(kind, 2, 2)
    layer = layer_of(rng, (3, 1, 3, 3), pool=pool)
    answers = answers_behind(Prefix(shape, [layer]), rng)
    open_ = Prefix(shape, [replace(layer, signs=None, pool=None)])
    found = sides_by_answers(open_, answers, rng, 1e-7)
    assert found is not None
    assert np.array_equal(found.signs, layer.signs)
    assert found.pool == pool


def test_a_channel_that_is_seldom_on_and_filters_clipped_at_the_edges_are_found():
    parts = [conv(1, 3, 4, stride=2, padding=1), nn.ReLU, conv(3, 5, 4, stride=2, padding=1), nn.ReLU]
    net = conv_net(SHAPE, *parts, nn.Flatten, lambda: nn.Linear(45, 8), nn.ReLU, seed=1)
    with torch.no_grad():
        images = torch.randn(400, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        net[2].bias[0] -= torch.quantile(net[:3](images)[:, 0].flatten(), 0.995)
    result = reconstruct(GradientOracle(victim_of(net, SHAPE), budget=4000), seed=1, input_shape=SHAPE)
    assert result.complete, result.notes
    assert result.hidden_sizes == (147, 45, 8)
    assert error_of(result, net, SHAPE, scale=10.0) < 1e-8
    assert kinds(result.module) == kinds(net)
