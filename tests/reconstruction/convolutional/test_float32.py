"""Victims of single precision: whole copies, no side taken for certain where it is not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conv_networks import conv, conv_net, error_of, filter_error, pool, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.reconstruction.convolutional.ending import ConvResult
from divulge.reconstruction.convolutional.judge import certain, certain_of, error_at
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.falsification.judge import Judgement
from divulge.reconstruction.fresh_convolutional import Fresh
from divulge.reconstruction.settings import Tolerances
from divulge.reconstruction.stage_convolutional import result as result_of


@pytest.mark.parametrize(("outputs", "seed"), [(1, 1), (2, 2)])
def test_two_convolutions_are_found(outputs, seed):
    shape = (1, 14, 14)
    parts = conv(1, 4, 5), nn.ReLU, pool(), conv(4, 8, 3), nn.ReLU
    net = conv_net(shape, *parts, outputs=outputs, seed=seed, dtype=torch.float32)
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete, result.notes
    assert filter_error(result, net) < 1e-4
    assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 30.0)) < 1e-3
    assert result.hidden_sizes == (400, 72)


def test_a_side_is_certain_far_from_the_hyperplane():
    layer = ConvLayer(np.array([[[[1.0]]], [[[0.6]]]]), np.array([0.0, 0.5]))
    prefix = Prefix((1, 1, 2), [layer])
    points = np.array([[1.0, 2.0], [1e-5, 2.0], [-0.5 / 0.6, 2.0], [-0.8, 2.0]])
    assert certain(prefix, points, Tolerances.of(1.2e-7)).tolist() == [True, False, False, True]
    assert certain(prefix, points, Tolerances.of(2e-16)).all()


SINGLE, DOUBLE = Tolerances.of(1.2e-7), Tolerances.of(2e-16)


def many_units(seed):
    """Known layers of 2,904 units: at some three points in ten all sides are certain in single precision."""
    rng = np.random.default_rng(seed)
    return Prefix((1, 13, 13), [ConvLayer(rng.standard_normal((24, 1, 3, 3)), rng.standard_normal(24))])


@pytest.mark.parametrize("seed", range(3))
def test_other_outputs_are_asked_about_a_point_that_counts(seed):
    prefix = many_units(seed)
    drawn = [Fresh(prefix, Lines(169, None, np.random.default_rng(i), 1.0), SINGLE).one() for i in range(16)]
    assert np.mean([certain(prefix, each.points, SINGLE)[0] for each in drawn]) > 0.8
    assert all(each.points.shape == (1, 169) for each in drawn)


def test_in_double_precision_no_point_is_passed_over():
    prefix = many_units(0)
    drawn = Fresh(prefix, Lines(169, None, np.random.default_rng(0), 1.0), DOUBLE).everywhere()
    usual = Lines(169, None, np.random.default_rng(0), 1.0).inside(len(drawn[0].points))
    assert np.array_equal(drawn[0].points, usual)
    assert all(certain(prefix, each.points, DOUBLE).all() for each in drawn)


def test_without_an_answer_that_counts_nothing_is_complete():
    prefix = Prefix((1, 1, 2), [ConvLayer(np.array([[[[1.0]]], [[[1e-6]]]]), np.zeros(2))])
    points = np.array([[1.0, 2.0], [3.0, -1.0]])
    transcript = SimpleNamespace(points=np.column_stack([points, np.ones(2)]), tolerances=SINGLE)
    assert certain_of(np.array([1, 0]), prefix, transcript).tolist() == [0, 1]
    network = ConvNetwork(prefix, np.zeros((2, 5)))
    assert error_at(network, transcript, np.empty(0, np.intp), 0) == np.inf
    notes = []
    session = SimpleNamespace(
        note=lambda kind, sentence: notes.append(sentence),
        output_places=lambda outputs: ([0, 1], 2),
        dtype=torch.float32,
        result=lambda module, sizes, certificate, complete: complete,
    )
    prefix.layers[0].signs = np.ones(2)
    some = Sample("standard normal", 9, 1e-6), Sample("one for each other output", 0, 0.0)
    found = ConvResult(network, [0, 1])
    assert not result_of(session, found, Judgement(Certificate(some)))
    assert "one for each other output" in notes[0]
    assert result_of(session, found, Judgement(Certificate(some[:1])))
