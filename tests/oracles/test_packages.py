"""Explanations by the packages lime and shap."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from divulge import Victim, steal
from divulge.errors import UnsupportedModel
from divulge.oracles import ShapOracle, TopK, oracle_by_name
from divulge.oracles.exact_shap import of_subsets
from divulge.oracles.packages import ImageLimeOracle, KernelShapOracle, TableLimeOracle, package
from divulge.surrogate import linear_copy

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :10]


def logistic():
    return Victim(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))


def boosted():
    return Victim(GradientBoostingClassifier(n_estimators=8, random_state=0).fit(X, Y))


@pytest.mark.parametrize("make", [logistic, boosted])
def test_kernel_shap_with_all_coalitions_is_exact_on_ten_numbers(make):
    pytest.importorskip("shap")
    victim, background = make(), X[:6]
    told = KernelShapOracle(victim, background=background, samples=2**10).explain(X[20:23], 0).explanations
    every = of_subsets(victim.values, X[20:23], background)[:, :, 0]
    np.testing.assert_allclose(told, every, atol=1e-6 * np.abs(every).max())
    np.testing.assert_allclose(
        ShapOracle(victim, background=background).explain(X[20:23], 0).explanations, every, atol=1e-10
    )


def test_kernel_shap_of_few_coalitions_is_near_and_the_same_for_a_seed():
    pytest.importorskip("shap")
    w, kind = load_wine(return_X_y=True)
    victim = Victim(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(w, kind))
    exact = ShapOracle(victim, background=w[:6]).explain(w[:4]).explanations
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (
        oracle_by_name("kernel_shap:samples=300,seed=3", victim, background=w[:6]).explain(w[:4]).explanations
        for _ in range(2)
    )
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - exact).max() < 0.2 * np.abs(exact).max()


def test_lime_of_a_table_points_along_a_logistic_model():
    pytest.importorskip("lime")
    victim = logistic()
    oracle = TableLimeOracle(victim, data=X, samples=400, seed=1)
    answers = oracle.explain(X[:8])
    assert answers.probabilities.shape == (8, 2)
    assert answers.explanations.shape == (8, 10)
    np.testing.assert_array_equal(answers.labels, victim.classes(X[:8]))
    few, many = (linear_copy(oracle, X, queries=n) for n in (8, 60))
    assert not few.complete
    assert np.mean(few.classes(X) == victim.classes(X)) > 0.9
    assert many.complete, many.notes  # the probabilities beside it are told of a model linear in log-odds
    np.testing.assert_array_equal(many.classes(X), victim.classes(X))
    assert (
        np.count_nonzero(
            oracle_by_name("lime_tabular:samples=100,numbers=3", victim, data=X).explain(X[:3]).explanations,
            axis=1,
        )
        == 3
    ).all()


def test_rules_in_words():
    pytest.importorskip("lime")
    oracle = oracle_by_name("lime_tabular:samples=200,numbers=2,discretize=true", logistic(), data=X)
    told = oracle.rules(X[:2])
    assert [len(rules) for rules in told] == [2, 2]
    assert all(">" in text or "<" in text for rules in told for text, _ in rules)
    assert oracle.ledger.total == 2
    stolen = steal(oracle, "mlp:8", queries=30, data=X, test=(X, None), steps=20)
    assert stolen.queries == 30


def test_lime_of_images_weighs_segments():
    pytest.importorskip("lime")
    torch.manual_seed(0)
    victim = Victim(nn.Sequential(nn.Flatten(), nn.Linear(256, 2)).double(), (1, 16, 16))
    x = np.random.default_rng(0).random((2, 256))
    told = [ImageLimeOracle(victim, samples=30, seed=5).explain(x, 1).explanations for _ in range(2)]
    assert told[0].shape == (2, 256)
    np.testing.assert_array_equal(*told)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        ImageLimeOracle(Victim(nn.Linear(4, 2), (4,)))


def test_what_is_refused():
    with pytest.raises(UnsupportedModel, match=r"needs the package no_such: pip install divulge\[no_such\]"):
        package("no_such.part")
    with pytest.raises(ValueError, match="data= for lime_tabular"):
        oracle_by_name("lime_tabular", logistic())
    with pytest.raises(ValueError, match="nan"):
        TableLimeOracle(logistic(), data=np.where(X > 500, np.nan, X))
    with pytest.raises(ValueError, match="at least one coalition"):
        KernelShapOracle(logistic(), samples=0)
    with pytest.raises(UnsupportedModel, match="names no classes"):
        TableLimeOracle(Victim(LinearRegression().fit(X, Y)), data=X)


def test_names_of_the_largest_numbers_alone():
    oracle = TopK(ShapOracle(logistic(), background=X[:5]), 3, numbers=False)
    told = oracle.explain(X[:6]).explanations
    assert set(np.unique(told)) == {0.0, 1.0}
    full = ShapOracle(logistic(), background=X[:5]).explain(X[:6]).explanations
    np.testing.assert_array_equal(np.argsort(-np.abs(full), axis=1)[:, :3].sum(axis=1), told @ np.arange(10))
    stolen = steal(oracle, "mlp:16", queries=60, data=X, test=(X, None), steps=60)
    assert np.isfinite(stolen.leak_curve["agreement"]).all()
