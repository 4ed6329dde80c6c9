"""Linear models rebuilt from explanations and counterfactuals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import (
    DEFENCES,
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
from divulge.surrogate.linear_session import CHECKS
from divulge.training import mlp

W, KIND = load_wine(return_X_y=True)
WIDTH = W.std(axis=0)


def logistic(x=W, y=KIND, last=None):
    return Victim(make_pipeline(StandardScaler(), last or LogisticRegression(max_iter=1000)).fit(x, y))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "make",
    [
        lambda victim: ShapOracle(victim, background=W[:20]),
        lambda victim: LimeOracle(victim, width=WIDTH),
        lambda victim: OcclusionOracle(victim, background=W[:20]),
        GradientOracle,
    ],
)
@pytest.mark.parametrize("checks", [1, CHECKS])
def test_one_explanation_an_output_tells_it_and_others_check(make, checks, classes):
    victim = logistic(y=np.minimum(KIND, classes - 1))
    oracle = make(victim)
    copy = linear_copy(oracle, W, queries=(1 + checks) * victim.output_size, seed=classes)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total == (1 + checks) * victim.output_size
    np.testing.assert_allclose(copy.values(W), victim.values(W), rtol=1e-5, atol=1e-5)


def test_shap_values_against_a_mean_that_is_not_known():
    victim = logistic(y=KIND == 1)

    def told(points):
        return ShapOracle(victim, background=W[5:25]).explain(points, 0).explanations

    copy = linear_copy(LiveOracle(told, 13, tells="shap", classes=[0, 1]), W)
    assert copy.queries == 1 + CHECKS
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
    assert copy.queries < 100
    np.testing.assert_array_equal(copy.classes(x), victim.classes(x))
    told, true = copy.values(x), victim.values(x)
    true = np.column_stack([np.zeros(len(x)), true]) if true.shape[1] == 1 else true - true[:, :1]
    scale = (told * true).sum() / (told**2).sum()
    assert np.abs(scale * told - true).max() < 1e-4 * np.abs(true).max()


@pytest.mark.parametrize("weights", [1.0, 1 / WIDTH], ids=["plain", "weighted"])
@pytest.mark.parametrize("norm", [1, 1.5, 3, np.inf])
@pytest.mark.parametrize("y", [KIND == 1, KIND], ids=["two", "three"])
def test_the_nearest_by_other_distances_tell_borders_too(norm, weights, y):
    victim = logistic(W, y)
    oracle = CounterfactualOracle(victim, data=W, nearest=True, norm=norm, weights=weights)
    copy = linear_copy(oracle, W, queries=200, seed=4)
    assert copy.complete, copy.notes
    smooth, points = CHECKS + 1, victim.output_size * W.shape[1]
    if victim.output_size == 1:
        assert copy.queries in ((smooth,) if norm == 3 else range(smooth, 2 * CHECKS + 2 * points))
    np.testing.assert_array_equal(copy.classes(W), victim.classes(W))


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


def few_units(seed):
    return Victim(mlp((4,), [2], 1 + seed % 3, seed=seed, dtype=torch.float64).eval(), (4,))


def stump(seed):
    return Victim(DecisionTreeClassifier(max_leaf_nodes=2, random_state=seed).fit(W, seed % 3 == KIND))


@pytest.mark.parametrize(
    ("make", "oracle"),
    [
        (few_units, GradientOracle),
        (few_units, lambda victim: CounterfactualOracle(victim, nearest=True)),
        (stump, OcclusionOracle),
        (stump, lambda victim: ShapOracle(victim, background=W[:1])),
    ],
    ids=["gradient", "counterfactual", "occlusion", "shap"],
)
def test_models_that_are_linear_nearly_everywhere_are_not_complete(make, oracle):
    """Two answers agree there often: of 30 such models one or more were called complete by two."""
    rows = W if make is stump else np.random.default_rng(0).uniform(-1, 1, (200, 4))
    for seed in range(30):
        victim = make(seed)
        copy = linear_copy(oracle(victim), rows, seed=seed)
        assert not copy.complete or np.mean(copy.classes(rows) == victim.classes(rows)) > 0.999


@pytest.mark.parametrize(
    "defence", ["sign", "top:k=2", "top:k=2,numbers=false", "rounded:decimals=2", "clipped:limit=0.1"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_defence_changes_is_never_complete(defence, seed):
    torch.manual_seed(seed)
    victim = Victim(nn.Linear(5, 1).double(), (5,))
    copy = linear_copy(DEFENCES.make(defence, GradientOracle(victim)), seed=seed)
    assert not copy.complete
    assert any("a defence changes" in note or "values of output 0" in note for note in copy.notes)


def test_values_that_are_not_of_the_row_are_noticed():
    """Explanations of log-odds beside probabilities, as many APIs tell them."""
    victim = Victim(nn.Linear(4, 1).double(), (4,))

    class Api(GradientOracle):
        def _explain(self, points, outputs):
            told = super()._explain(points, outputs)
            return replace(told, values=1 / (1 + np.exp(-told.values)))

    copy = linear_copy(Api(victim))
    assert not copy.complete
    assert "values of output 0 are not those" in copy.notes[0]
    np.testing.assert_allclose(copy.values(W[:9, :4] / 99), victim.values(W[:9, :4] / 99), rtol=1e-6)


def test_columns_of_any_unit_count_alike():
    """A square of a column of millions moves gradients by 1e-9 only, and values by as much as others."""
    x = np.random.default_rng(0).random((50, 2)) * [1.0, 1e7]

    def told(points):
        return np.column_stack([np.ones(len(points)), points[:, 1] * 1e-14])

    copy = linear_copy(LiveOracle(told, 2, tells="gradient", classes=[0, 1]), x)
    assert copy.error > 0.1


def test_a_regression_between_0_and_1_is_not_taken_for_log_odds():
    rng = np.random.default_rng(2)
    x, w = rng.random((300, 8)), rng.random(8) / 8
    victim = Victim(LinearRegression().fit(x, x @ w))
    copy = linear_copy(LimeOracle(victim, samples=5), x)
    assert np.abs(copy.values(x) - victim.values(x)).max() < 0.1


def test_a_budget_is_shared_by_the_outputs():
    victim = logistic()
    copy = linear_copy(LimeOracle(victim, width=WIDTH, samples=6, budget=60), W)
    assert copy.queries == 60
    assert copy.notes[0] == "the budget left 60 of 100 queries"
    assert np.isfinite(copy.weights).all()
    assert np.abs(copy.weights).max(axis=1).min() > 0


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
    assert copy.queries == 3  # one of each output
    with pytest.raises(TypeError, match="got Victim"):
        linear_copy(victim)
    for oracle, word in ((LabelOracle(victim), "label"), (HeatMapOracle(victim), "heat_map")):
        with pytest.raises(ValueError, match=f"got {word}"):
            linear_copy(oracle)
    with pytest.raises(ValueError, match="at least 2 queries"):
        linear_copy(GradientOracle(victim), queries=1)
    with pytest.raises(ValueError, match="at least 2 queries for each of 3 outputs, got 5"):
        linear_copy(GradientOracle(victim), queries=5)
    with pytest.raises(ValueError, match="nan"):
        linear_copy(GradientOracle(victim), np.where(W > 1600, np.nan, W))
    with pytest.raises(ValueError, match="no domain"):
        CounterfactualOracle(victim, nearest=True, domain=(0, 1))


@pytest.mark.parametrize("norm", [1, 1.5, np.inf])
def test_other_distances_do_not_make_such_models_complete_either(norm):
    rows = np.random.default_rng(0).uniform(-1, 1, (200, 4))
    for seed in range(4):
        victim = few_units(seed)
        oracle = CounterfactualOracle(victim, nearest=True, norm=norm)
        copy = linear_copy(oracle, rows, queries=40, seed=seed)
        assert not copy.complete or np.mean(copy.classes(rows) == victim.classes(rows)) > 0.999


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_are_all_but_alike_make_no_copy_complete_that_is_wrong_elsewhere(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(300, 4))
    rows[:, 1] = rows[:, 0] + 1e-7 * rng.normal(size=300)
    layer = torch.nn.Linear(4, 3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.normal(size=(3, 4))))
        layer.bias.zero_()
    victim = Victim(layer, input_shape=(4,))
    oracle = CounterfactualOracle(victim, data=rows, nearest=True, norm=1)
    copy = linear_copy(oracle, rows, queries=200, seed=seed)
    anywhere = rng.uniform(rows.min(axis=0), rows.max(axis=0), (2000, 4))
    assert not copy.complete or np.mean(copy.classes(anywhere) == victim.classes(anywhere)) > 0.999
