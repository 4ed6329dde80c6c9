"""Linear models rebuilt from explanations and counterfactuals."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import (
    CounterfactualOracle,
    GradientOracle,
    HeatMapOracle,
    LabelOracle,
    LimeOracle,
    LiveOracle,
    OcclusionOracle,
    ShapOracle,
)
from divulge.surrogate import linear_copy

W, KIND = load_wine(return_X_y=True)
WIDTH = W.std(axis=0)


def logistic(x=W, y=KIND, last=None):
    return Victim(make_pipeline(StandardScaler(), last or LogisticRegression(max_iter=1000)).fit(x, y))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    ("make", "answers"),
    [
        (lambda victim: ShapOracle(victim, background=W[:20]), 2),
        (lambda victim: LimeOracle(victim, width=WIDTH), 2),
        (lambda victim: OcclusionOracle(victim, background=W[:20]), 2),
        (GradientOracle, 2),
    ],
)
def test_one_explanation_an_output_tells_it_and_one_checks(make, answers, classes):
    victim = logistic(y=np.minimum(KIND, classes - 1))
    oracle = make(victim)
    copy = linear_copy(oracle, W, seed=classes)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total == answers * victim.output_size
    np.testing.assert_allclose(copy.values(W), victim.values(W), rtol=1e-5, atol=1e-5)


def test_shap_values_against_a_mean_that_is_not_known():
    victim = logistic(y=KIND == 1)

    def told(points):
        return ShapOracle(victim, background=W[5:25]).explain(points, 0).explanations

    copy = linear_copy(LiveOracle(told, 13, tells="shap", classes=[0, 1]), W)
    assert copy.queries == 3
    assert np.isnan(copy.offsets).all()
    assert "explanations alone do not show offsets" in copy.notes[0]
    np.testing.assert_allclose(copy.weights[0], victim.values_and_gradients(W[:1], 0)[1][0], rtol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_noise_of_few_samples_averages_out(seed):
    victim = logistic()
    oracle = LimeOracle(victim, width=WIDTH, samples=6, seed=seed)
    few, many = (linear_copy(oracle, W, queries=n, seed=seed) for n in (6, 3000))
    assert not many.complete
    assert "do not agree on one row" in many.notes[0]
    same = [np.mean(copy.classes(W) == victim.classes(W)) for copy in (few, many)]
    assert same[1] >= max(0.999, same[0])


@pytest.mark.parametrize(
    ("x", "y"), [(W, KIND == 0), (W, KIND), load_digits(return_X_y=True)], ids=["two", "three", "ten"]
)
def test_nearest_counterfactuals_tell_all_borders(x, y):
    victim = logistic(x, y)
    copy = linear_copy(CounterfactualOracle(victim, data=x, nearest=True), x, seed=3)
    assert copy.complete, copy.notes
    assert copy.queries < 60
    np.testing.assert_array_equal(copy.classes(x), victim.classes(x))
    told, true = copy.values(x), victim.values(x)
    true = np.column_stack([np.zeros(len(x)), true]) if true.shape[1] == 1 else true - true[:, :1]
    scale = (told * true).sum() / (told**2).sum()
    assert np.abs(scale * told - true).max() < 1e-4 * np.abs(true).max()


def test_other_counterfactuals_are_fitted():
    victim = logistic()
    copy = linear_copy(CounterfactualOracle(victim, data=W), W)
    assert not copy.complete
    assert "not the nearest" in copy.notes[-1]
    assert np.mean(copy.classes(W) == victim.classes(W)) > 0.95


def test_a_model_that_is_not_linear_is_never_complete():
    victim = logistic(last=MLPClassifier((16,), max_iter=1000, random_state=0))
    for oracle in (
        GradientOracle(victim),
        ShapOracle(victim, background=W[:5]),
        LimeOracle(victim, width=WIDTH),
        CounterfactualOracle(victim, data=W, nearest=True),
    ):
        copy = linear_copy(oracle, W, queries=30)
        assert not copy.complete
        assert copy.notes


def test_a_regression_and_a_float32_module():
    x, y = load_diabetes(return_X_y=True)
    victim = Victim(LinearRegression().fit(x, y))
    copy = linear_copy(
        ShapOracle(victim, background=x[:3]), Dataset("t", *map(torch.from_numpy, (x, y, x, y)))
    )
    assert copy.complete
    np.testing.assert_allclose(copy.values(x), victim.values(x), rtol=1e-9)
    torch.manual_seed(0)
    victim = Victim(nn.Linear(7, 4), (7,))
    for oracle in (GradientOracle(victim), CounterfactualOracle(victim, nearest=True)):
        copy = linear_copy(oracle)
        assert copy.error < 1e-4


def test_a_budget_that_ends_and_what_is_refused():
    victim = logistic()
    copy = linear_copy(GradientOracle(victim, budget=4), W)
    assert not copy.complete
    assert "budget" in copy.notes[0]
    assert copy.queries == 4
    with pytest.raises(TypeError, match="got Victim"):
        linear_copy(victim)
    for oracle, word in ((LabelOracle(victim), "label"), (HeatMapOracle(victim), "heat_map")):
        with pytest.raises(ValueError, match=f"got {word}"):
            linear_copy(oracle)
    with pytest.raises(ValueError, match="at least 2 queries"):
        linear_copy(GradientOracle(victim), queries=1)
    with pytest.raises(ValueError, match="nan"):
        linear_copy(GradientOracle(victim), np.where(W > 1600, np.nan, W))
    with pytest.raises(ValueError, match="no domain"):
        CounterfactualOracle(victim, nearest=True, domain=(0, 1))
