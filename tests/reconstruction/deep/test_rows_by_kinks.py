"""Whole rows of the second layer, kink by kink."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import of_all_strengths, prefix_of, probe_of, random_deep, units_of

from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.deep.kinks_elsewhere import KinksElsewhere
from divulge.reconstruction.deep.positive_features import FeatureOutput, PositiveLines
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.rows_by_kinks import RowsByKinks
from divulge.reconstruction.network.units import Units


def searched(network, seed=1):
    """A search behind the first layer, points beside the axes asked."""
    points = np.random.default_rng(0).standard_normal((50, network[0].in_features))
    free = FreeLayer.of(prefix_of(network, 1), None, points)
    assert free is not None
    lines = PositiveLines(free, np.random.default_rng(seed))
    transcript = Transcript(FeatureOutput(probe_of(network), free))
    transcript.ask(lines.axes())
    return RowsByKinks(transcript, lines)


def errors(units, network):
    """How far rows and offsets are off, up to sign, and which unit each is."""
    truth = units_of(network, 1)
    size = np.linalg.norm(units.jumps[:, :-1], axis=1)
    rows, offsets = units.jumps[:, :-1] / size[:, None], units.jumps[:, -1] / size
    cosines = rows @ truth.rows.T
    own = np.abs(cosines).argmax(axis=1)
    sign = np.sign(cosines[np.arange(len(own)), own])
    off = np.linalg.norm(sign[:, None] * rows - truth.rows[own], axis=1)
    return off, np.abs(sign * offsets - truth.offsets[own]), own


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_exact_while_others_are_missing(seed):
    network = random_deep(30, 20, 30, 1, seed=seed)
    search = searched(network)
    line = search.next_line()
    units, places = search.measured(line, search.kinks(line))
    assert 0 < len(units) < 30
    rows, offsets, own = errors(units, network)
    assert len(set(own)) == len(own)
    assert rows.max() < 1e-10
    assert offsets.max() < 1e-8
    levels = np.einsum("nd,nd->n", places, units.jumps[:, :-1]) + units.jumps[:, -1]
    assert (np.abs(levels) < 1e-5 * np.linalg.norm(places, axis=1)).all()


@pytest.mark.parametrize("seed", range(3))
def test_units_down_to_a_hundred_millionth_are_found(seed):
    network = of_all_strengths(40, 20, 24, 1, seed=seed, least=1e-8)
    units = searched(network).run()
    assert units is not None
    rows, _, own = errors(units, network)
    assert len(set(own)) == len(own)
    weights = np.abs(network[4].weight.detach().numpy()[0]) * np.linalg.norm(
        network[2].weight.detach().numpy(), axis=1
    )
    assert set(np.flatnonzero(weights > 3e-9 * weights.max())) <= set(own)
    assert (rows * weights[own]).max() < 1e-10 * weights.max()


def test_a_kink_placed_roughly_is_sought_and_none_is_made_up():
    network = random_deep(12, 8, 6, 1, seed=2)
    search = searched(network)
    line = search.next_line()
    kinks = search.kinks(line)
    assert len(kinks)
    at = search.lines.to_s(kinks.t)
    moved = replace(kinks, t=search.lines.to_t(at + 0.2 * np.diff(at).min()))
    again, truth = search.measured(line, moved)[0], search.measured(line, kinks)[0]
    np.testing.assert_allclose(again.jumps, truth.jumps, atol=1e-6 * search.transcript.scale)
    np.testing.assert_array_equal(again.sides, truth.sides)
    search.units = truth
    none = Kinks(kinks.line[:0], kinks.t[:0], kinks.points[:0], kinks.jumps[:0])
    assert not len(search.measured(line, none)[0])
    assert not len(search.measured(line, moved)[0])


def test_no_answer_is_drawn_to_twice():
    search = searched(random_deep(12, 8, 6, 1, seed=2))
    search.units = Units(np.ones((1, 9)), np.ones(1))  # explains nothing
    for _ in range(4):
        before = len(search.tried)
        search.next_line()
        assert len(search.tried) == before + 1


@pytest.mark.parametrize("seed", range(2))
def test_units_known_behind_another_output_are_weighed_and_only_others_sought(seed):
    network = random_deep(30, 20, 24, 1, seed=seed)
    first = searched(network)
    units = first.run()
    assert units is not None
    with torch.no_grad():  # another output, to which two units add what the first does not show
        network[4].weight[0, :2] = 0.0
        network[4].weight[0, 2:] *= -2.0
    other = searched(network)
    size = np.linalg.norm(units.jumps[:, :-1], axis=1)
    kept = errors(units, network)[2] != 5
    asked = len(other.transcript)
    other.begin_with(
        units.jumps[kept, :-1] / size[kept, None], units.jumps[kept, -1] / size[kept], first.places[kept]
    )
    assert len(other.transcript) == asked + 2 * kept.sum()
    assert len(other.units) == 21
    found = other.run()
    assert found is not None
    rows, _, own = errors(found, network)
    assert set(own) == set(range(2, 24))
    assert len(found) == 22
    assert rows.max() < 1e-9
    assert len(other.transcript) < asked + 2 * kept.sum() + 60


def test_behind_another_output_no_deeper_layer_is_looked_for(monkeypatch):
    network = random_deep(30, 20, 24, 1, seed=0)
    first = searched(network)
    units = first.run()
    monkeypatch.setattr(KinksElsewhere, "shown_by", lambda *_: True)
    assert searched(network).run() is None
    other = searched(network)
    size = np.linalg.norm(units.jumps[:, :-1], axis=1)
    other.begin_with(
        units.jumps[:20, :-1] / size[:20, None], units.jumps[:20, -1] / size[:20], first.places[:20]
    )
    assert len(other.run()) == 24


@pytest.mark.parametrize("seed", range(8))
def test_layers_behind_are_told_however_few_kinks_a_line_has(seed):
    search = searched(random_deep(12, 8, 6, 4, 1, seed=seed), seed=seed)
    before = len(search.transcript)
    assert search.run() is None
    assert len(search.transcript) - before < 300


def test_units_of_one_layer_are_hardly_ever_called_deeper_however_weak():
    """Far out, or of a weak unit, the jump is another's at one place or other."""
    called = []
    for seed in range(6):
        search = searched(of_all_strengths(10, 4, 20, 1, seed=seed, least=1e-8), seed=seed)
        lines = [search.lines.add_line() for _ in range(40)]
        called += [
            KinksElsewhere(search.transcript, search.lines).shown_by(search.kinks(line)) for line in lines
        ]
    assert np.mean(called) < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_rows_known_bluntly_are_read_anew_behind_another_output_and_met_twice_they_are_one(seed):
    network, rng = random_deep(30, 20, 12, 1, seed=seed), np.random.default_rng(seed)
    first = searched(network)
    units = first.run()
    assert units is not None
    _, _, own = errors(units, network)
    truth, places = units_of(network, 1).take(own), first.places
    blunt = 1e-5 / np.sqrt(20) * rng.standard_normal((2, 3, 20))
    rows = np.concatenate([truth.rows, truth.rows[:3] + blunt[1]])
    rows[:3] += blunt[0]
    offsets = np.concatenate([truth.offsets + 1e-4 * (np.arange(12) == 5), truth.offsets[:3] - 1e-3])
    other = searched(network)
    told, twin = other.begin_with(rows, offsets, np.concatenate([places, places[:3]]))
    assert len(other.units) == 12
    assert set(np.flatnonzero(twin)) == {12, 13, 14}
    np.testing.assert_allclose(told[:12, :-1], truth.rows, atol=1e-9)
    far = np.linalg.norm(places, axis=1)  # a place is known to a step
    assert (np.abs(told[:12, -1] - truth.offsets) <= 1e-6 * np.maximum(far, 1.0)).all()


def test_two_units_that_are_weak_and_alike_stay_two_where_their_jumps_differ():
    search = searched(random_deep(12, 8, 6, 1, seed=2))
    row = np.append(np.ones(8), 0.5)
    weak = 1e-3 * search.transcript.scale * row
    search.add(Units(weak[None], np.ones(1)), np.ones((1, 8)))
    search.add(Units(1.001 * weak[None] + 1e-6 * weak * np.eye(9)[:1], np.ones(1)), np.ones((1, 8)))
    assert len(search.units) == 1  # of one hyperplane
    search.add(Units((weak + 1e-3 * weak * np.eye(9)[0])[None], np.ones(1)), np.ones((1, 8)))
    assert len(search.units) == 2
    faint = 1e-8 * search.transcript.scale * row
    search.add(Units(faint[None] * [1, 1, 1, 1, -1, -1, -1, -1, 1], np.ones(1)), np.ones((1, 8)))
    assert len(search.units) == 3
    search.add(
        Units((faint * [1, 1, 1, 1, -1, -1, -1, -1, 1] * (1 + 1e-5 * np.eye(9)[0]))[None], np.ones(1)),
        np.ones((1, 8)),
    )
    assert len(search.units) == 3  # rounding of one


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_parallel_units_of_one_strength_stay_two_unless_rounding_explains_the_gap(seed, sign):
    search, rng = searched(random_deep(12, 8, 6, 1, seed=seed)), np.random.default_rng(seed)
    scale = search.transcript.scale
    row = np.append(rng.standard_normal(8) / np.sqrt(8), 0.5)
    apart = row + 5e-3 * np.eye(9)[8]
    search.add(Units(scale * row[None], np.ones(1)), np.ones((1, 8)))
    search.add(Units(sign * scale * apart[None], np.ones(1)), np.ones((1, 8)))
    assert len(search.units) == 2
    faint, other = 1e-8 * scale * row * [*[-1] * 4, *[1] * 5], [*[-1] * 4, *[1] * 5]
    search.add(Units(faint[None], np.ones(1)), np.ones((1, 8)))
    search.add(Units(sign * 1e-8 * scale * (apart * other)[None], np.ones(1)), np.ones((1, 8)))
    assert len(search.units) == 3
