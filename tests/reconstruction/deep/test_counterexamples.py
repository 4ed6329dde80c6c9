"""Where a copy is wrong: what is asked of one that is right, and of one that is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, probe_of, random_deep, victim_of

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep import layer_by_layer
from divulge.reconstruction.deep.attack import DeepAttack
from divulge.reconstruction.deep.counterexamples import nearer, wrong_at_points, wrongly_answered
from divulge.reconstruction.deep.layer_by_layer import DeepSearch
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.settings import COUNTEREXAMPLES


def rebuilt(seed):
    """A search that has found a network, and its copy."""
    probe = probe_of(random_deep(8, 6, 4, 1, seed=seed))
    lines = Lines(8, None, np.random.default_rng(seed))
    search = DeepSearch(probe, lines, lambda _: None, lambda _: None)
    return search, search.run().model


def asked(search, model):
    """How many points were asked about, and the one at which the copy is wrong."""
    before = len(search.probe.answered()[0])
    found = wrong_at_points(search.pool, model, search.enough)
    return len(search.probe.answered()[0]) - before, found


def test_a_right_copy_is_asked_about_at_every_point_a_wrong_one_at_the_first_of_them():
    search, model = rebuilt(0)
    count, found = asked(search, model)
    assert found is None
    assert count == COUNTEREXAMPLES.point_checks
    wrong = replace(model, layer=replace(model.layer, weights=1.01 * model.layer.weights))
    count, found = asked(search, wrong)
    assert count == COUNTEREXAMPLES.parts[0]
    assert search.probe.misses(found[None], wrong.pieces(found[None], 0)) > search.enough


def test_a_copy_that_is_wrong_at_few_points_is_found_out():
    """Its last unit is missing where it is on at one point in a hundred."""
    search, model = rebuilt(1)
    levels = model.prefix.features(search.lines.samples(2000)) @ model.layer.rows[0, :-1]
    rows = model.layer.rows.copy()
    rows[0, -1] = -np.quantile(levels, 0.99)
    layer = replace(model.layer, rows=np.concatenate([model.layer.rows, rows[:1]]))
    layer = replace(layer, weights=np.column_stack([layer.weights, np.ones(1)]))
    count, found = asked(search, replace(model, layer=layer))
    assert found is not None
    assert count <= COUNTEREXAMPLES.point_checks


def test_units_that_were_borne_out_are_tested_again_only_once_a_copy_was_wrong(monkeypatch):
    search, _ = rebuilt(0)
    tested = []
    monkeypatch.setattr(layer_by_layer, "wrong_at_points", lambda *_: tested.append(1))
    monkeypatch.setattr(search, "seen_whole", lambda _: False)
    monkeypatch.setattr(search, "leaves_slope", lambda _: True)
    search.run()
    assert len(tested) == 1
    search.forget()
    search.run()
    assert len(tested) == 2


def with_far_unit(sizes, seed):
    """A random network whose first unit of the last hidden layer is on far out alone, in a narrow cone."""
    network, rng = random_deep(*sizes, seed=seed), np.random.default_rng(seed)
    features = prefix_of(network, len(sizes) - 3).features(1e6 * rng.standard_normal((20_000, sizes[0])))
    while True:
        row = rng.standard_normal(sizes[-3]) - 0.8
        if 0 < (features @ row > 0).mean() < 2e-3:
            break
    last = network[-3]
    with torch.no_grad():
        last.weight[0], last.bias[0] = torch.from_numpy(row), -5.0
    return network


def without_far_unit(network):
    """The same network without that unit."""
    *layers, (rows, offsets), (weights, bias) = parameters(network)
    prefix = prefix_of(network, len(layers))
    base = np.append(np.zeros(prefix.width), bias)[None]
    return DeepModel(prefix, Layer(np.column_stack([rows, offsets])[1:], weights[:, 1:], base))


def where_it_is_on(network, model, scale=1e6):
    """A point so many times as far out as usual where the unit that a copy lacks is on."""
    points = scale * np.random.default_rng(7).standard_normal((200_000, model.prefix.input_size))
    row, offset = (array[0] for array in parameters(network)[-2])
    return points[np.argmax(model.prefix.features(points) @ row + offset)]


@pytest.mark.parametrize("seed", range(3))
def test_a_point_far_out_is_brought_to_where_the_copy_begins_to_be_wrong(seed):
    network = with_far_unit((20, 8, 8, 5, 1), seed)
    model, probe = without_far_unit(network), probe_of(network)
    point = where_it_is_on(network, model)
    right, wrong = nearer(probe, model, point, 1e-8)
    assert np.linalg.norm(wrong) <= COUNTEREXAMPLES.step * np.linalg.norm(right) * (1 + 1e-9)
    assert np.allclose(right / np.linalg.norm(right), point / np.linalg.norm(point))
    misses = probe.misses(np.stack([right, wrong]), model.pieces(np.stack([right, wrong]), 0))
    assert misses[0] < 1e-8 < misses[1]
    assert wrongly_answered(probe, model, 1e-8).any()
    assert nearer(probe, model, point / 1e6, 1e-8) is None  # usual already
    right_copy = DeepModel(model.prefix, Layer(*whole_layer(network)))
    assert nearer(probe, right_copy, point, 1e-8) is None
    assert not wrongly_answered(probe, right_copy, 1e-8).any()


def test_a_point_in_a_box_is_not_brought_out_of_it():
    network = random_deep(6, 5, 4, 1, seed=0)
    rows, weights, base = whole_layer(network)
    wrong = DeepModel(prefix_of(network, 1), Layer(rows, 1.5 * weights, base))
    probe = probe_of(network, (60.0, 100.0))
    before = len(probe.answered()[0])
    assert nearer(probe, wrong, np.full(6, 80.0), 1e-8) is None
    assert len(probe.answered()[0]) == before  # nothing was asked on the way to the origin


def whole_layer(network):
    """Rows, weights and base of the last hidden layer of a network."""
    *_, (rows, offsets), (weights, bias) = parameters(network)
    return np.column_stack([rows, offsets]), weights, np.append(np.zeros(rows.shape[1]), bias)[None]


def test_units_that_are_on_far_out_alone_are_found_or_the_copy_is_not_called_complete():
    complete = 0
    for seed in range(4):
        network = with_far_unit((30, 7, 7, 5, 1), seed)
        result = reconstruct(GradientOracle(victim_of(network), budget=15_000), seed=seed)
        if result.complete:
            complete += 1
            points = torch.from_numpy(100 * np.random.default_rng(5).standard_normal((20_000, 30)))
            with torch.no_grad():
                truth, copied = network(points), result.module(points)
            assert (truth - copied).abs().max() < 1e-8 * truth.abs().max()
    assert complete >= 2


def test_a_search_that_ends_after_a_copy_was_refuted_returns_that_copy_with_all_outputs(monkeypatch):
    network = with_far_unit((30, 7, 7, 5, 2), 0)
    monkeypatch.setattr(DeepAttack, "run_on", lambda self, *_: replace(self.known(), stopped="it is enough"))
    result = reconstruct(GradientOracle(victim_of(network), budget=15_000))
    points = torch.from_numpy(np.random.default_rng(5).standard_normal((2000, 30)))
    with torch.no_grad():
        truth, copied = network(points), result.module(points)
    assert not result.complete
    assert {NoteKind.STOPPED, NoteKind.UNEXPLAINED} <= {note.kind for note in result.notes}
    assert (truth - copied).abs().max() < 1e-8 * truth.abs().max()
