"""SHAP values: the exact ways against all subsets, the sampled way against the exact ones."""

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim
from divulge.attributions import Shap
from divulge.datasets import digits
from divulge.oracles import ShapOracle, oracle_by_name
from divulge.oracles.exact_shap import of_subsets

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
Y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
BACKGROUND = X[100:109]
MODELS = [
    LogisticRegression(),
    DecisionTreeClassifier(max_depth=4, random_state=0),
    RandomForestClassifier(7, max_depth=5, random_state=0),
    GradientBoostingClassifier(n_estimators=8, random_state=0),
    HistGradientBoostingClassifier(max_iter=6),
    ExtraTreesRegressor(5, random_state=0),
]


def named(model):
    return type(model).__name__


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_exact_values_are_those_of_all_subsets(model):
    victim = Victim(model.fit(X, Y))
    oracle = ShapOracle(victim, background=BACKGROUND)
    assert oracle.exact
    answers = oracle.explain(X[:5])
    every = of_subsets(victim.values, X[:5], BACKGROUND)
    np.testing.assert_allclose(answers.explanations, every[np.arange(5), :, answers.outputs], atol=1e-12)
    mean = victim.values(BACKGROUND).mean(axis=0)[answers.outputs]
    np.testing.assert_allclose(answers.explanations.sum(axis=1), answers.values - mean, atol=1e-12)


def test_sampled_values_come_near():
    victim = Victim(MODELS[2].fit(X, Y))
    exact = ShapOracle(victim, background=BACKGROUND).explain(X[:3], 1).explanations
    few, many = (
        ShapOracle(victim, background=BACKGROUND, exact=False, samples=n).explain(X[:3], 1)
        for n in (10, 1000)
    )
    assert not ShapOracle(victim, exact=False).exact
    assert np.abs(many.explanations - exact).max() < 0.02
    assert np.abs(many.explanations - exact).mean() < np.abs(few.explanations - exact).mean() / 3
    assert many.attribution == Shap(BACKGROUND, 1000)


def test_the_data_are_the_background():
    data = digits()
    victim = Victim(LogisticRegression().fit(data.train_inputs.flatten(1), data.train_targets))
    told = oracle_by_name("shap", victim, data=data).explain(data.test_inputs[:4].flatten(1), 3)
    row = victim.layers.weights[0][3]
    mean = data.train_inputs[:20].flatten(1).double().mean(dim=0).numpy()
    np.testing.assert_allclose(told.explanations, (told.points - mean) * row, atol=1e-12)


def test_the_shap_package_says_the_same():
    shap = pytest.importorskip("shap")
    model = MODELS[3].fit(X, (Y > 0).astype(int))
    theirs = shap.TreeExplainer(model, BACKGROUND).shap_values(X[:5])
    ours = ShapOracle(Victim(model), background=BACKGROUND).explain(X[:5]).explanations
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
