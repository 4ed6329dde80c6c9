"""Copies of models that predict numbers: what they are measured by, and the unit that they learn in."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from torch import nn

from divulge import Victim, steal
from divulge.datasets import read_data
from divulge.oracles import CallableOracle, LabelOracle, oracle_by_name
from divulge.report.attacks import same_values
from divulge.surrogate.measure_numbers import explained_share


def prices(seed=0, n=150, unit=1e5):
    """Rows of four numbers of other units, and prices in a large one."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * (1, 10, 100, 0.1)
    return read_data((x, unit * (3 + x[:, 0] + x[:, 1] / 10 + np.abs(x[:, 2]) / 100)), name="prices")


def fitted(model, data):
    return Victim(model.fit(data.train_inputs.numpy(), data.train_targets.numpy()), data=data)


@pytest.mark.parametrize("shape", [(30,), (30, 2)])
def test_the_share_explained_is_that_of_scikit_learn(shape):
    rng = np.random.default_rng(len(shape))
    true, told = rng.normal(size=shape), rng.normal(size=shape)
    assert explained_share(told, true) == pytest.approx(r2_score(true, told))
    assert explained_share(true, true) == 1
    assert explained_share(np.ones(3), np.ones(3)) == 1
    assert explained_share(np.zeros(3), np.ones(3)) == 0
    assert explained_share(np.full(3, 0.2), np.full(3, 0.1)) == 0  # whose mean is none of them


@pytest.mark.parametrize("unit", [1e5, 1e-4])
@pytest.mark.parametrize("answers", ["value", "shap", "gradient"])
def test_copies_learn_numbers_of_any_unit(answers, unit):
    data = prices(unit=unit)
    victim = fitted(LinearRegression(), data)
    found = steal(oracle_by_name(answers, victim, data=data), "mlp:32", queries=60, data=data, steps=300)
    row = found.leak_curve.iloc[-1]
    assert found.measure == "explained variance"
    assert row["agreement"] > 0.5
    own = found.module(data.test_inputs.to(next(found.module.parameters()).dtype)).detach().numpy()[:, 0]
    assert row["agreement"] == pytest.approx(r2_score(victim.values(data.test_inputs)[:, 0], own), rel=1e-3)
    assert found.plot().get_ylabel() == "explained variance"


def test_a_linear_regression_is_solved_from_gradients():
    data = prices()
    victim = fitted(LinearRegression(), data)
    found = steal(oracle_by_name("gradient", victim, data=data), "linear", queries=2, data=data)
    assert found.solved
    assert found.leak_curve["agreement"].iloc[0] == pytest.approx(1, abs=1e-9)


def test_a_module_of_one_output_is_measured_by_numbers_where_targets_are():
    data = prices(unit=1.0)
    torch.manual_seed(0)
    victim = Victim(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).double(), (4,))
    found = steal(oracle_by_name("gradient", victim, data=data), "mlp:16", queries=60, data=data, steps=200)
    assert found.measure == "explained variance"
    assert not np.isnan(found.leak_curve["gradient_cosine"]).any()
    apart = (data.test_inputs, (data.test_targets > 3).long())
    classes = steal(
        oracle_by_name("gradient", victim, data=data), "mlp:16", queries=9, data=data, test=apart, steps=9
    )
    assert classes.measure == "agreement"


def test_numbers_that_an_api_told_are_measured_too():
    data = prices()
    victim = fitted(GradientBoostingRegressor(n_estimators=20), data)
    oracle = CallableOracle(
        lambda points, output: victim.values(points)[:, 0], 4, output_size=1, gradients=False
    )
    told = victim.values(data.test_inputs)[:, 0]
    found = steal(oracle, "mlp:32", queries=60, data=data, victim=told, steps=300)
    assert found.measure == "explained variance"
    assert found.leak_curve["agreement"].iloc[0] > 0.2


def test_what_does_not_fit_numbers_is_refused():
    data = prices()
    victim = fitted(LinearRegression(), data)
    oracle = oracle_by_name("value", victim, data=data)
    with pytest.raises(ValueError, match="bits are of these: numbers are predicted"):
        steal(oracle, queries=5, data=data, bits=0.9)
    words = data.train_inputs.numpy(), np.where(data.train_targets > 3e5, "dear", "cheap")
    naming = Victim(LogisticRegression().fit(*words))
    with pytest.raises(ValueError, match=r"the victim names, .cheap., .dear., got numbers"):
        steal(oracle_by_name("value", naming), queries=5, data=data)
    labels = LabelOracle(Victim(nn.Linear(4, 1).double(), (4,)))
    with pytest.raises(ValueError, match="expected an oracle that tells values, the numbers"):
        steal(labels, queries=5, data=data, victim=np.zeros(len(data.test_inputs)))


def test_whole_numbers_of_few_values_are_those_that_a_regression_predicts():
    """As classes they are numbered from 0 on, and a model that is right would seem to explain nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    data = read_data((x, np.clip(np.rint(50 + 10 * x[:, 0]), 30, 70).astype(int) // 5 * 5), name="marks")
    assert not data.numbers
    victim = Victim(LinearRegression().fit(data.train_inputs, data.with_numbers().train_targets), data=data)
    found = steal(oracle_by_name("value", victim, data=data), queries=40, data=data, steps=50)
    assert found.measure == "explained variance"
    true = data.with_numbers().test_targets.numpy()
    assert 30 <= true.min() < true.max() <= 70
    row = found.leak_curve.iloc[0]
    assert row["accuracy"] == pytest.approx(row["agreement"], abs=0.2)
    words = read_data((x, np.where(x[:, 0] > 0, "high", "low")), name="words")
    with pytest.raises(ValueError, match=r"expected numbers as targets of words.*got 'high'"):
        words.with_numbers()
    dates = replace(words, class_names=(date(2026, 1, 1), date(2026, 1, 2)))
    with pytest.raises(ValueError, match=r"expected numbers as targets of words.*got datetime.date"):
        dates.with_numbers()


@pytest.mark.parametrize(("unit", "offset"), [(1e-7, 0.0), (10.0, 1e6), (1.0, 0.0)])
def test_numbers_are_the_same_beside_how_far_they_differ(unit, offset):
    true = offset + unit * np.random.default_rng(0).normal(size=(50, 2))
    assert same_values(true, true, numbers=True)
    assert same_values(true.astype(np.float32), true, numbers=True)
    assert not same_values(true + 0.1 * unit, true, numbers=True)
