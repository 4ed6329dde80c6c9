"""Counterfactuals as answers: their classes, the ledger, the domain, and what they teach a copy."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from divulge import Victim, steal
from divulge.datasets import read_data
from divulge.errors import BudgetExhausted
from divulge.oracles import Budget, CounterfactualOracle, LabelOracle, oracle_by_name

X = np.random.default_rng(0).uniform(-1, 1, (80, 4))


def victim(outputs=3, dtype=torch.float64):
    torch.manual_seed(1)
    return Victim(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs)).to(dtype), (4,))


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_answer_holds_points_and_others_of_other_classes(outputs, dtype):
    model = victim(outputs, dtype)
    oracle = CounterfactualOracle(model, data=X)
    answers = oracle.explain(X[:30])
    assert len(answers) == 60
    np.testing.assert_array_equal(answers.points[:30], X[:30])
    np.testing.assert_array_equal(answers.labels, model.classes(answers.points))
    if len(set(model.classes(X))) > 1:
        assert (answers.labels[:30] != answers.labels[30:]).mean() > 0.9
    assert oracle.ledger.by_kind == {"counterfactual": 30}
    assert oracle.query(X[:2]) == (None, None)
    assert len(oracle.explain(X[:0])) == 0


def test_counterfactuals_stay_in_the_domain_and_the_budget_holds():
    oracle = CounterfactualOracle(victim(), data=X, domain=(-1, 1), budget=6)
    answers = oracle.explain(X[:6])
    assert np.abs(answers.points).max() <= 1
    with pytest.raises(BudgetExhausted):
        oracle.explain(X[:1])
    with pytest.raises(BudgetExhausted):
        Budget(CounterfactualOracle(victim(), data=X), 3).explain(X[:4])


def test_in_a_wider_domain_they_stay_within_the_data():
    module = nn.Linear(4, 1).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 0, 0, 0]]))
        module.bias.fill_(-3.0)  # no row of the data's range is of class 1
    answers = CounterfactualOracle(Victim(module, (4,)), data=X, domain=(-50, 50)).explain(X[:10])
    assert (answers.points >= X.min(axis=0)).all()
    assert (answers.points <= X.max(axis=0)).all()


def test_of_a_table_they_stay_in_the_domain():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(grade=np.where(X[:, 0] > 0, "yes", "no"))
    data = read_data(frame, "grade")
    oracle = CounterfactualOracle(victim(), data=data, domain=(-0.3, 0.3))
    answers = oracle.explain(X[:10] * 0.3)
    assert np.abs(answers.points).max() <= 0.3


def test_of_a_table_they_are_rows_that_there_can_be():
    frame = pd.DataFrame(
        {
            "age": np.arange(60) % 40 + 20,
            "job": np.array(["cook", "nurse", "pilot"])[np.arange(60) % 3],
            "length": np.linspace(0, 1, 60),
            "married": np.arange(60) % 2 == 0,
            "grade": np.where(np.arange(60) % 4 < 2, "no", "yes"),
        }
    )
    data = read_data(frame, "grade", fixed=["age"])
    told = oracle_by_name("counterfactual:generations=3", victim(), data=data).explain(data.test_inputs)
    n = len(data.test_inputs)
    np.testing.assert_array_equal(data.snap(told.points), told.points)
    np.testing.assert_array_equal(told.points[n:, 0], told.points[:n, 0])


def test_a_copy_learns_more_from_them_than_from_labels():
    torch.manual_seed(0)
    model = Victim(nn.Sequential(nn.Linear(4, 2)).double(), (4,))
    test = np.random.default_rng(1).uniform(-1, 1, (500, 4))
    agreement = {}
    for name, oracle in {
        "counterfactual": CounterfactualOracle(model, data=X),
        "label": LabelOracle(model),
    }.items():
        stolen = steal(oracle, "linear", queries=12, data=X, test=(test, None), steps=300)
        agreement[name] = stolen.leak_curve["agreement"].iloc[-1]
    assert agreement["counterfactual"] > agreement["label"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 1}, "a population of at least 2, got 1"),
        ({"generations": -1}, "generations of at least 0, got -1"),
        ({"data": X[:, :2]}, "expected data of 4 numbers, got 2"),
    ],
)
def test_what_makes_no_sense_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        CounterfactualOracle(victim(), **options)


@pytest.mark.parametrize("kind", ["border", "clamped", "example"])
def test_copies_take_counterfactuals_in_three_ways(kind):
    torch.manual_seed(0)
    model = Victim(nn.Linear(4, 2).double(), (4,))
    rows = np.random.default_rng(0).standard_normal((300, 4))
    oracle = CounterfactualOracle(model, data=rows, nearest=True)
    same = {"queries": 40, "data": rows, "test": (rows, None), "steps": 200}
    stolen = steal(oracle, "mlp:16", counterfactuals=kind, **same)
    assert stolen.leak_curve["agreement"].iloc[-1] > 0.7


def test_another_way_is_refused():
    model = Victim(nn.Linear(4, 2), (4,))
    with pytest.raises(ValueError, match="one of border, clamped, example, got 'middle'"):
        steal(CounterfactualOracle(model), queries=5, counterfactuals="middle")
