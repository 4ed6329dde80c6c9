"""Refitting and checking copies found from values."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from divulge import ValueOracle, Victim
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.value_probe import ValueProbe
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.refit import refit_and_check as mend
from divulge.reconstruction.refit.refit_and_check import (
    mended,
    settled,
    spread,
    without_doubtful_unit,
    without_idle_units,
    worst_miss,
)

SIZES = (5, 6, 4)


@pytest.fixture
def model() -> DeepModel:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(b, a)) for a, b in pairwise(SIZES)]
    rows = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in rows]
    offsets = [rng.normal(size=size) / 2 for size in SIZES[1:]]
    base = np.zeros((1, SIZES[1] + 1))
    return DeepModel(
        Prefix(SIZES[0], [Dense(rows[0], offsets[0])]),
        Layer(np.column_stack([rows[1], offsets[1]]), rng.uniform(1, 2, size=(1, SIZES[2])), base),
    )


def oracle_of(model: DeepModel, budget: int | None = None) -> ValueOracle:
    module = model.module(torch.float64, with_slope=False)
    return ValueOracle(Victim(module, input_shape=(SIZES[0],)), budget=budget)


def attack_on(model: DeepModel, budget: int | None = None) -> tuple[DeepAttack, ValueProbe]:
    return attack_by(oracle_of(model, budget))


def attack_by(oracle: ValueOracle) -> tuple[DeepAttack, ValueProbe]:
    lines = Lines(SIZES[0], None, np.random.default_rng(1))
    probe = ValueProbe(ValueTranscript(AskedOutput(oracle, 0), lines))
    return DeepAttack(lambda _: probe, [0], lines, lambda _: None, lambda _: None), probe


def a_result(model: DeepModel) -> DeepResult:
    return DeepResult(model, [0], 1e-6, solved=True, slope=False, decided=True)


def moved(model: DeepModel, size: float) -> DeepModel:
    rows = model.layer.rows + size * np.random.default_rng(5).normal(size=model.layer.rows.shape)
    return DeepModel(model.prefix, Layer(rows, model.layer.weights, model.layer.base))


def with_one_more(model: DeepModel) -> DeepModel:
    """Add a unit that is none: it has a little weight, as a fit to blunt gradients would give it."""
    row = np.random.default_rng(6).normal(size=(1, SIZES[1] + 1))
    layer = model.layer
    weights = np.column_stack([layer.weights, [1e-7]])
    return DeepModel(model.prefix, Layer(np.concatenate([layer.rows, row]), weights, layer.base))


def test_a_right_copy_misses_nothing_and_a_wrong_one_is_seen_at_once(model):
    oracle = oracle_of(model)
    attack, probe = attack_by(oracle)
    _, missed = worst_miss(attack, model, [probe.values])
    many = oracle.ledger.total
    assert missed < 1e-13
    point, missed = worst_miss(attack, moved(model, 1e-6), [probe.values])
    assert 1e-8 < missed < 1e-4
    assert oracle.ledger.total - many < many / 2
    again = probe.values.misses(point[None], moved(model, 1e-6).pieces(point[None], 0))
    np.testing.assert_allclose(again, missed)


def test_a_refit_removes_errors_and_units_that_are_none(model):
    attack, probe = attack_on(model)
    probe.values.ask(spread(attack, model, 1500))
    found = settled(attack, a_result(with_one_more(moved(model, 1e-8))), [probe.values])
    assert found.model.hidden_sizes == [6, 4]
    assert worst_miss(attack, found.model, [probe.values])[1] < 1e-12


def test_a_doubtful_unit_goes_if_a_fit_may_be_made(model, monkeypatch):
    attack, probe = attack_on(model)
    probe.values.ask(spread(attack, model, 1500))
    doubtful = with_one_more(model)
    assert without_doubtful_unit(doubtful, [probe.values], slope=False).hidden_sizes == [6, 4]
    assert without_doubtful_unit(model, [probe.values], slope=False) is model
    monkeypatch.setattr(mend, "MENDING", replace(mend.MENDING, most_numbers=1))
    assert without_doubtful_unit(doubtful, [probe.values], slope=False) is doubtful


def test_mending_asks_for_what_the_fit_has_not_seen(model):
    attack, probe = attack_on(model)
    found = mended(attack, a_result(moved(model, 1e-8)), [probe.values])
    assert found.solved
    assert found.certificate < 1e-12


def test_a_copy_far_off_is_left_alone(model):
    oracle = oracle_of(model)
    attack, probe = attack_by(oracle)
    asked = oracle.ledger.total
    far = DeepResult(model, [0], 0.5, solved=False, slope=False, decided=True)
    assert mended(attack, far, [probe.values]) is far
    assert oracle.ledger.total == asked


def test_idle_units_go(model):
    model.layer.weights[:, 1] = 1e-14
    model.layer.rows[:, 3] = 0
    smaller = without_idle_units(model)
    assert smaller.hidden_sizes == [5, 3]
    points = np.random.default_rng(0).normal(size=(50, SIZES[0]))
    np.testing.assert_allclose(smaller.pieces(points, 0), model.pieces(points, 0), atol=1e-12)
