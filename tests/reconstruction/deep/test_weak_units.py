"""Offsets of weak units of the first layer, measured again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from deep_networks import of_all_strengths, probe_of, random_deep, units_of

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep.weak_units import weak_sharpened


def test_offsets_of_weak_units_are_measured_again_near_by():
    network = of_all_strengths(20, 8, 6, 1, seed=2, least=1e-6)
    probe, first = probe_of(network), units_of(network, 0)
    rough = replace(first, offsets=first.offsets + 1e-5)
    probe.pieces(np.random.default_rng(0).standard_normal((100, 20)))
    sharp = weak_sharpened(probe, rough, Lines(20, None, np.random.default_rng(1)), 5.0)
    off = np.abs(sharp.offsets - first.offsets)
    assert (off < 1e-7).any()  # weak ones
    assert (np.isclose(off, 1e-5)).any()  # strong ones stay
    assert ((off < 1e-7) | np.isclose(off, 1e-5)).all()


def test_offsets_of_units_met_far_out_are_measured_again_near_by():
    network = random_deep(20, 8, 6, 1, seed=2)
    probe, first = probe_of(network), units_of(network, 0)
    points = first.points + 1.0
    points[3] *= 1e3
    rough = replace(first, offsets=first.offsets + 1e-6, points=points)
    probe.pieces(np.random.default_rng(0).standard_normal((100, 20)))
    sharp = weak_sharpened(probe, rough, Lines(20, None, np.random.default_rng(1)), 5.0)
    off = np.abs(sharp.offsets - first.offsets)
    assert off[3] < 1e-10
    np.testing.assert_allclose(np.delete(off, 3), 1e-6, rtol=1e-6)


def test_units_none_of_which_is_weak_stay_as_they_are():
    network = random_deep(20, 8, 6, 1, seed=2)
    probe, first = probe_of(network), units_of(network, 0)
    probe.pieces(np.random.default_rng(0).standard_normal((100, 20)))
    asked = len(probe.transcript)
    assert weak_sharpened(probe, first, Lines(20, None, np.random.default_rng(1)), 5.0) is first
    assert len(probe.transcript) == asked


def test_without_answers_or_units_nothing_is_asked():
    network = random_deep(20, 8, 6, 1, seed=2)
    probe, first = probe_of(network), units_of(network, 0)
    lines = Lines(20, None, np.random.default_rng(1))
    assert weak_sharpened(probe, first, lines, 5.0) is first
    none = first.take(np.empty(0, np.intp))
    probe.pieces(np.random.default_rng(0).standard_normal((10, 20)))
    assert weak_sharpened(probe, none, lines, 5.0) is none
    assert len(probe.transcript) == 10


def test_offsets_are_asked_for_again_where_the_second_layer_is_off_at_most_places():
    off = []
    for seed in range(3):
        network = random_deep(20, 8, 6, 1, seed=seed)
        with torch.no_grad():
            network[2].bias -= 1.5 * network[2].weight.norm(dim=1)
        probe, first = probe_of(network), units_of(network, 0)
        rough = replace(first, offsets=first.offsets + 1e-6, points=1e3 * (first.points + 1.0))
        probe.pieces(np.random.default_rng(0).standard_normal((200, 20)))
        sharp = weak_sharpened(probe, rough, Lines(20, None, np.random.default_rng(1)), 5.0)
        off.extend(np.abs(sharp.offsets - first.offsets))
    assert (np.array(off) < 1e-10).mean() > 0.7  # some never show near by


def test_offsets_that_values_show_only_roughly_are_halved_in_on():
    off = []
    for seed in range(3):
        network = of_all_strengths(20, 8, 6, 1, seed=seed, least=1e-8)
        probe, first = probe_of(network), units_of(network, 0)
        rough = replace(first, offsets=first.offsets + 1e-5)
        probe.pieces(np.random.default_rng(0).standard_normal((100, 20)))
        sharp = weak_sharpened(probe, rough, Lines(20, None, np.random.default_rng(1)), 5.0)
        off.append(np.abs(sharp.offsets - first.offsets))
    again = np.concatenate(off)[~np.isclose(np.concatenate(off), 1e-5)]
    assert len(again) > 6
    assert again.max() < 1e-8
