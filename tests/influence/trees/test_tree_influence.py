"""Influence in boosted trees: what the numbers must be."""

from __future__ import annotations

import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from tree_models import CASES, TEST, N, data, extra, histograms, light

from divulge.influence import TreeInfluence
from divulge.influence.trees.reading import read_boosted
from divulge.influence.trees.structure import FixedTrees
from divulge.reference.boosting import refit_boosting


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A model, its influence, data, and how the slow twin fits it."""
    kind, make, loss, start, rate, l2, curvature = CASES[request.param]
    x, y = data(kind)
    model = make().fit(x, y)
    points = data(kind, TEST, seed=1)
    refit = partial(refit_boosting, loss, start=start, rate=rate, l2=l2, curvature=curvature)
    return model, TreeInfluence(model, (x, y)), (x, y), points, refit


def columns(targets, model):
    """Targets (n, K) as boosting takes them."""
    if not hasattr(model, "classes_") or len(model.classes_) == 2:
        return targets[:, None].astype(float)
    return np.eye(len(model.classes_))[targets]


def predicted(initial, trees, leaves):
    """Margins (m, K) of points with leaf numbers (m, T, K)."""
    out = np.tile(initial, (len(leaves), 1))
    for i, t, k in np.ndindex(leaves.shape):
        out[i, k] += trees[t][k][leaves[i, t, k]]
    return out


def test_margins_are_the_models(case):
    model, influence, _, (x, _), _ = case
    told = influence._model.margins(x)
    np.testing.assert_allclose(influence.margins(x), told, atol=3e-6)
    if type(model).__module__.startswith("sklearn.ensemble._gb"):
        np.testing.assert_allclose(influence.margins(x), told, atol=1e-12)


def test_leaving_out_is_training_with_the_structure_fixed(case):
    model, influence, (x, y), test, refit = case
    leaves, others = influence._model.leaves(x), influence._model.leaves(test[0])
    rows = [0, 17, N - 1]
    expected = []
    for row in (None, *rows):
        weights = np.ones(N)
        if row is not None:
            weights[row] = 0
        margins = predicted(*refit(leaves, columns(y, model), weights), others)
        expected.append(influence._function("loss", targets_of(test[1], model))(margins))
    changes = influence.leave_one_out(test, rows=rows)
    np.testing.assert_allclose(changes, np.array(expected[1:]).T - expected[0][:, None], atol=1e-10)
    np.testing.assert_allclose(
        influence.margins(x), predicted(*refit(leaves, columns(y, model), np.ones(N)), leaves)
    )


def targets_of(targets, model):
    return targets.astype(float) if not hasattr(model, "classes_") else targets.astype(np.int64)


def test_scores_are_derivatives_by_the_weights(case):
    model, influence, (x, y), test, _ = case
    found, leaves = influence._model.leaves(x), influence._leaves(test[0])
    value = influence._function("loss", targets_of(test[1], model))
    step, rows = 1e-4, [2, 30, 41]
    sides = []
    for row in rows:
        for size in (step, -step):
            weights = np.ones(N)
            weights[row] += size
            fixed = FixedTrees(influence._model, found, columns(y, model), weights)
            sides.append(value(fixed.replay().at(leaves)[:, :, 0]))
    up, down = np.array(sides[::2]), np.array(sides[1::2])
    scores = influence.scores(test)[:, rows]
    np.testing.assert_allclose(scores, N * (up - down).T / (2 * step), atol=1e-6 * np.abs(scores).max())


def test_refit_scores_are_changes_in_the_same_scale(case):
    _, influence, _, test, _ = case
    refit = influence.scores(test, method="leaf_refit")
    np.testing.assert_allclose(refit, -N * influence.leave_one_out(test), rtol=1e-12)
    likeness = [np.corrcoef(a, b)[0, 1] for a, b in zip(refit, influence.scores(test), strict=True)]
    assert np.median(likeness) > 0.95


def test_boost_in_is_leaf_influence_of_one_round_but_for_the_start():
    x, y = data("two")
    model = GradientBoostingClassifier(n_estimators=1, init="zero", max_depth=3).fit(x, y)
    influence, test = TreeInfluence(model, (x, y)), data("two", TEST, seed=1)
    first = influence.scores(test, "prediction", method="boost_in")
    np.testing.assert_allclose(first, influence.scores(test, "prediction"), atol=1e-12)


def test_boost_in_is_zero_without_a_common_leaf(two):
    _, influence, (x, y) = two
    apart = (influence._model.leaves(x)[:, None] != influence._model.leaves(data("two")[0])).all(axis=(2, 3))
    assert apart.any()
    assert (influence.scores((x, y), method="boost_in")[apart] == 0).all()
    assert (influence.scores((x, y), method="leaf_similarity")[apart] == 0).all()


def test_similar_samples_of_the_same_class_are_helpful(two):
    _, influence, _ = two
    x, y = data("two")
    scores = influence.scores((x[:5], y[:5]), method="leaf_similarity")
    assert (scores[y[:5, None] == y] <= 0).all()
    assert (scores[y[:5, None] != y] >= 0).all()
    ranking = influence.top_k((x[:5], y[:5]), 3, method="leaf_similarity")
    assert (y[ranking.helpful] == y[:5, None]).all()


def test_groups_leave_together(two):
    _, influence, test = two
    x, y = data("two")
    groups = np.full(N, -1)
    groups[[3, 8, 20]], groups[[1, 2]] = 0, 1
    changes = influence.leave_groups_out(test, groups)
    kept = groups != 0
    weights = kept.astype(float)
    found = influence._model.leaves(x)
    fixed = FixedTrees(influence._model, found, y[:, None].astype(float), weights)
    value = influence._function("loss", test[1].astype(np.int64))
    leaves = influence._leaves(test[0])
    after = value(fixed.replay().at(leaves)[:, :, 0])
    np.testing.assert_allclose(changes[:, 0], after - value(influence.margins(test[0])), atol=1e-12)
    assert changes.shape == (TEST, 2)


def test_weights_are_those_of_the_fit():
    x, y = data("two")
    weights = np.random.default_rng(0).integers(1, 4, N).astype(float)
    model = HistGradientBoostingClassifier(**histograms).fit(x, y, sample_weight=weights)
    with pytest.raises(ValueError, match="does not follow from these training data"):
        TreeInfluence(model, (x, y))
    influence, test = TreeInfluence(model, (x, y), weights=weights), data("two", TEST, seed=1)
    rough = -influence.scores(test) * weights / weights.sum()
    exact = influence.leave_one_out(test)
    assert np.corrcoef(rough.ravel(), exact.ravel())[0, 1] > 0.95


def test_same_result_whatever_the_threads_and_blocks(two, monkeypatch):
    _, influence, test = two
    expected = influence.leave_one_out(test)
    scores = influence.scores(test)
    monkeypatch.setattr("divulge.influence.trees.tree_influence._HELD", 3 * N)
    np.testing.assert_allclose(influence.scores(test), scores, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr("divulge.influence.trees.tree_influence._REFITS", 7)
    told = []
    np.testing.assert_array_equal(influence.leave_one_out(test, jobs=2), expected)
    again = influence.leave_one_out(test, progress=lambda *done: told.append(done))
    np.testing.assert_array_equal(again, expected)
    assert told[-1] == (9, 9)


def test_after_an_interruption_what_is_known_is_returned(two, monkeypatch):
    _, influence, test = two
    expected = influence.leave_one_out(test)
    monkeypatch.setattr("divulge.influence.trees.tree_influence._REFITS", 20)

    def stop(done, _):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted: 20 of 60 changes are known"):
        found = influence.leave_one_out(test, progress=stop)
    np.testing.assert_array_equal(found[:, :20], expected[:, :20])
    assert np.isnan(found[:, 20:]).all()


def test_an_emptied_leaf_and_a_class_that_is_gone():
    x, y = np.array([[0.0], [0.0], [1.0], [1.0], [5.0]]), np.array([0, 0, 0, 0, 1])
    model = GradientBoostingClassifier(n_estimators=2, max_depth=1).fit(x, y)
    influence = TreeInfluence(model, (x, y))
    changes = influence.leave_one_out((x, y))
    assert np.isfinite(changes).all()
    assert changes[4, 4] > 10  # nothing speaks for its class any more
    assert np.isfinite(influence.scores((x, y))).all()


def test_missing_values_categories_and_names_as_the_model_takes_them():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=N), "b": rng.choice(["x", "y", "z"], N)})
    table.loc[::7, "a"] = np.nan
    table["b"] = table["b"].astype("category")
    y = np.where(table["a"].fillna(0) + (table["b"] == "x") > 0.3, "yes", "no")
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", **histograms).fit(table, y)
    influence = TreeInfluence(model, (table, y))
    assert influence.scores((table[:3], y[:3])).shape == (3, N)


def test_functions_of_the_margins(two):
    _, influence, (x, y) = two
    signs = np.where(y == 1, 1, -1)[:, None]
    plain = influence.scores((x, y), "prediction")
    np.testing.assert_allclose(influence.scores((x, y), "margin"), signs * plain, atol=1e-12)
    np.testing.assert_allclose(influence.scores((x, y), lambda z, _: 2 * z[:, 0]), 2 * plain, atol=1e-12)
    np.testing.assert_allclose(
        influence.scores((x, y), "log_probability"), -influence.scores((x, y)), atol=1e-12
    )


def test_float32_inputs_give_the_same():
    x, y = data("numbers")
    model = HistGradientBoostingRegressor(**histograms).fit(x.astype(np.float32), y.astype(np.float32))
    influence = TreeInfluence(model, (x.astype(np.float32), y.astype(np.float32)))
    scores = influence.scores((x[:2].astype(np.float32), y[:2]))
    assert scores.dtype == np.float64


def test_xgboosts_own_refit_without_a_sample_agrees():
    xgboost = pytest.importorskip("xgboost")
    (x, y), test = data("two", 200), data("two", 20, seed=1)
    settings = {"max_depth": 3, "base_score": 0.4, "min_child_weight": 0}
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1, **settings).fit(x, y)
    changes = TreeInfluence(model, (x, y)).leave_one_out(test, "prediction", rows=[3, 50])
    refresh = {"process_type": "update", "updater": "refresh", "refresh_leaf": True, "nthread": 1}
    for row, change in zip([3, 50], changes.T, strict=True):
        kept = xgboost.DMatrix(x, y, weight=np.where(np.arange(200) == row, 0.0, 1.0))
        options = {**refresh, **settings, "objective": "binary:logistic"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an updater was named
            again = xgboost.train(options, kept, 10, xgb_model=model.get_booster())
        told = again.predict(xgboost.DMatrix(test[0]), output_margin=True)
        np.testing.assert_allclose(change, told - model.predict(test[0], output_margin=True), atol=2e-6)
        assert np.abs(change).max() > 1e-3


def test_lightgbms_own_refit_without_a_sample_agrees():
    lightgbm = pytest.importorskip("lightgbm")
    (x, y), test = data("two", 200), data("two", 20, seed=1)
    options = {"boost_from_average": False, "n_jobs": 1, **light}
    model = lightgbm.LGBMClassifier(n_estimators=10, **options).fit(x, y)
    changes = TreeInfluence(model, (x, y)).leave_one_out(test, "prediction", rows=[3, 50])
    for row, change in zip([3, 50], changes.T, strict=True):
        kept = np.delete(np.arange(200), row)
        again = model.booster_.refit(x[kept], y[kept], decay_rate=0.0)
        told = again.predict(test[0], raw_score=True) - model.booster_.predict(test[0], raw_score=True)
        np.testing.assert_allclose(change, told, atol=1e-7)
        assert np.abs(change).max() > 1e-3


@pytest.mark.parametrize(
    ("package", "name", "options"),
    [("xgboost", "XGBClassifier", {}), ("lightgbm", "LGBMClassifier", light)],
)
def test_missing_values_names_and_weights_of_the_extras(package, name, options):
    x, y = data("three")
    x[::5, 1] = np.nan
    table, weights = pd.DataFrame(x, columns=list("abcd")), 1.0 + np.arange(N) % 3
    model = extra(package, name, **options).fit(table, y, sample_weight=weights)
    with pytest.raises(ValueError, match="does not follow from these training data"):
        TreeInfluence(model, (table, y))
    influence = TreeInfluence(model, (table, y), weights=weights)
    rough = -influence.scores((table[:9], y[:9])) * weights / weights.sum()
    exact = influence.leave_one_out((table[:9], y[:9]))
    assert np.corrcoef(rough.ravel(), exact.ravel())[0, 1] > 0.9


def test_constant_columns_and_constant_targets():
    x, y = np.ones((N, 2)), np.arange(N, dtype=float)
    for targets in (y, np.ones(N)):
        model = HistGradientBoostingRegressor(**histograms).fit(x, targets)
        influence = TreeInfluence(model, (x, targets))
        changes = influence.leave_one_out((x[:2], targets[:2]), "prediction")
        expected = (targets.mean() - targets) / (N - 1)  # a mean without a sample
        np.testing.assert_allclose(changes, np.tile(expected, (2, 1)), atol=1e-12)


@pytest.mark.parametrize("name", ["exact three", "histograms two", "xgboost two", "lightgbm three"])
def test_it_can_be_pickled_and_outlives_another_fit(name):
    kind, make, *_ = CASES[name]
    (x, y), test = data(kind), data(kind, TEST, seed=1)
    model = make().fit(x, y)
    influence = TreeInfluence(model, (x, y))
    expected = influence.scores(test)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(influence)).scores(test), expected)
    model.fit(x[::-1] + 1, y)
    np.testing.assert_array_equal(influence.scores(test), expected)


@pytest.mark.parametrize(("package", "name"), [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier")])
def test_a_rare_class_begins_where_the_library_lets_it(package, name):
    x, y = np.repeat([[0.0], [1.0]], 500, axis=0), np.arange(1000) % 2
    y[3] = 2
    without = np.where(y == 2, 0.0, 1.0)
    options = {"learning_rate": 1e-6} | ({"verbose": -1} if package == "lightgbm" else {})
    models = [extra(package, name, **options).fit(x, y, sample_weight=w) for w in (np.ones(1000), without)]
    influence = TreeInfluence(models[0], (x, y))
    told = [read_boosted(model).margins(x[3:4])[0] for model in models]
    np.testing.assert_allclose(influence.margins(x[3:4])[0], told[0], atol=1e-5)
    for k in range(3):
        change = influence.leave_one_out((x[3:4], y[3:4]), lambda z, _, k=k: z[:, k], rows=[3])
        np.testing.assert_allclose(change[0, 0], (told[1] - told[0])[k], atol=1e-4)


def test_a_warm_start_changes_no_pickle():
    x, y = data("numbers")
    model = HistGradientBoostingRegressor(warm_start=True, **histograms).fit(x, y)
    influence = TreeInfluence(model, (x, y))
    model.set_params(max_iter=9).fit(x, y)
    assert pickle.loads(pickle.dumps(influence)).trees == influence.trees == 5
