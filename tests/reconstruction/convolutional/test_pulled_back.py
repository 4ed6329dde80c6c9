"""Answers pulled back to the features of known layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from divulge.reconstruction.convolutional.dense_rows import DenseRow, DenseRows, difference, fragment_of
from divulge.reconstruction.convolutional.dense_sides import agreeing
from divulge.reconstruction.convolutional.feature_sides import sides_by_answers
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.pulled_back import Piece, PulledBack
from divulge.reconstruction.convolutional.walk import Answer

SHAPE = (1, 10, 10)
SIGNS = np.array([1.0, -1.0, -1.0])


def first_layer(pool=None, slope=0.0):
    rng = np.random.default_rng(0)
    filters = rng.standard_normal((3, 1, 4, 4))
    filters /= np.linalg.norm(filters.reshape(3, -1), axis=1)[:, None, None, None]
    return ConvLayer(filters, 0.3 * rng.standard_normal(3), (2, 2), (1, 1), SIGNS, slope, pool)


def answers_of(layer, count=24):
    """Answers of a dense network of 6 units behind a layer, and its weights and offsets."""
    rng = np.random.default_rng(1)
    prefix = Prefix(SHAPE, [layer])
    size = int(np.prod(prefix.map_shape(1)))
    rows, offsets, last = rng.standard_normal((6, size)), rng.standard_normal(6), rng.standard_normal(6)
    found = []
    for point in rng.standard_normal((count, 100)):
        x = prefix.images(point[None]).requires_grad_()
        z = torch.from_numpy(rows) @ prefix.features(x, 1).flatten() + torch.from_numpy(offsets)
        value = torch.relu(z) @ torch.from_numpy(last)
        (gradient,) = torch.autograd.grad(value, x)
        found.append(Answer(point, float(value.detach()), gradient.flatten().numpy()))
    return found, rows, offsets, last


def test_slopes_and_level_are_those_of_what_is_behind():
    layer = first_layer()
    answers, rows, offsets, last = answers_of(layer)
    back = PulledBack(Prefix(SHAPE, [layer]), 1, 1e-7)
    for answer in answers:
        piece = back.piece(answer)
        assert piece is not None
        active = rows @ piece.features + offsets > 0
        assert np.allclose(piece.slopes[piece.on], ((active * last) @ rows)[piece.on], atol=1e-9)
        assert piece.level == pytest.approx(float((active * last) @ offsets), abs=1e-9)


def test_features_of_a_wrong_side_explain_nothing():
    layer = first_layer()
    answers, *_ = answers_of(layer)
    wrong = PulledBack(Prefix(SHAPE, [replace(layer, signs=-SIGNS)]), 1, 1e-7)
    assert all(wrong.piece(answer) is None for answer in answers)


@pytest.mark.parametrize("pool", [None, Pool("avg", 2, 2), Pool("max", 2, 2)])
def test_sides_and_pooling_are_read_from_answers(pool):
    layer = first_layer(pool)
    answers, *_ = answers_of(layer)
    open_ = replace(layer, signs=None, pool=pool if pool and pool.kind == "max" else None)
    found = sides_by_answers(Prefix(SHAPE, [open_]), answers, np.random.default_rng(0), 1e-7)
    assert found is not None
    assert np.array_equal(found.signs, SIGNS)
    assert found.pool == pool


def test_a_missing_channel_leaves_sides_open():
    layer = first_layer()
    answers, *_ = answers_of(layer)
    part = replace(layer.take(np.array([0, 1])), signs=None)
    assert sides_by_answers(Prefix(SHAPE, [part]), answers, np.random.default_rng(0), 1e-7) is None


def piece(slopes, level, features):
    return Piece(np.zeros(2), np.array(features), np.array(slopes), level)


def flat(answer):
    return Answer(answer.point, 0.0, np.zeros_like(answer.gradient))


def test_answers_with_no_slope_tell_no_sides_and_disturb_none():
    layer = first_layer()
    answers, *_ = answers_of(layer)
    open_ = Prefix(SHAPE, [replace(layer, signs=None)])
    rng = np.random.default_rng(0)
    found = sides_by_answers(open_, [flat(answers[0]), *answers[1:]], rng, 1e-7)
    assert found is not None
    assert np.array_equal(found.signs, SIGNS)
    assert sides_by_answers(open_, [flat(answer) for answer in answers], rng, 1e-7) is None


def test_what_is_seen_on_two_walks_is_a_unit_and_completes_itself():
    row = np.array([1.0, -2.0, 3.0, 0.5, 4.0, -1.0, 2.5])  # the offset last
    flat, on = np.zeros(6), np.ones(6)
    rows = DenseRows(1e-7, 1e-6)
    hidden = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    first = fragment_of(difference(piece(flat, 0.0, hidden), piece(2 * row[:6] * hidden, 2 * row[6], hidden)))
    rows.keep(first, 0)
    assert rows.again(first, 0) is None  # on the same walk it may be a unit further behind
    second = fragment_of(difference(piece(flat, 0.0, on), piece(-row[:6], -row[6], on)))
    found = rows.again(second, 1)
    assert found is not None
    assert found.whole
    assert np.allclose(found.weights / found.weights[0], row)


def test_a_row_that_does_not_switch_where_it_should_is_dropped():
    rows = DenseRows(1e-7, 1e-6)
    rows.rows = [
        DenseRow(np.eye(7)[i] + 0.1, np.ones(7, bool), missed=missed) for i, missed in ((0, 0), (1, 5))
    ]
    rows.drop_false()
    assert len(rows.rows) == 1


def test_slopes_agree_where_no_missing_unit_is_on():
    rng = np.random.default_rng(0)
    rest = np.where(rng.random((40, 12)) < 0.3, np.nan, rng.standard_normal(12))
    missing = rng.random(40) < 0.6
    rest[missing] += rng.standard_normal((missing.sum(), 1))
    rest[:, 5] = np.nan
    assert np.array_equal(agreeing(rest, 1e-9), ~missing)
