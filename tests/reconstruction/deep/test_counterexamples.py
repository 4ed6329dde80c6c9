"""Where a copy is wrong: what is asked of one that is right, and of one that is not."""

from dataclasses import replace

import numpy as np
from deep_networks import probe_of, random_deep

from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.deep import layer_by_layer
from divulge.reconstruction.deep.counterexamples import wrong_at_points
from divulge.reconstruction.deep.layer_by_layer import DeepSearch
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
