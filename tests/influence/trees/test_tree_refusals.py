"""What influence in boosted trees refuses, and how it says so."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from tree_models import TEST, N, data, exact, extra, histograms, light

from divulge.influence import TreeInfluence


def test_what_is_not_covered_is_refused_by_name():
    x, y = data("numbers")
    two = data("two")[1]
    cases = [
        (GradientBoostingRegressor(subsample=0.5), y, "subsample=0.5"),
        (GradientBoostingRegressor(loss="huber"), y, "loss='huber'"),
        (GradientBoostingRegressor(n_iter_no_change=3), y, "n_iter_no_change"),
        (GradientBoostingRegressor(init=RandomForestClassifier()), two, "init=RandomForestClassifier"),
        (HistGradientBoostingRegressor(early_stopping=True), y, "early_stopping"),
        (HistGradientBoostingRegressor(loss="absolute_error"), y, "loss='absolute_error'"),
        (HistGradientBoostingRegressor(monotonic_cst=[1, 0, 0, 0]), y, "monotonic_cst"),
        (HistGradientBoostingClassifier(class_weight="balanced"), two, "class_weight"),
    ]
    for model, targets, reason in cases:
        with pytest.raises(ValueError, match=reason):
            TreeInfluence(model.fit(x, targets), (x, targets))
    with pytest.raises(TypeError, match=r"gradient boosting estimator .* got RandomForestClassifier"):
        TreeInfluence(RandomForestClassifier().fit(x, two), (x, two))
    with pytest.raises(ValueError, match="expected a fitted model, this GradientBoostingRegressor is not"):
        TreeInfluence(GradientBoostingRegressor(), (x, y))


@pytest.mark.parametrize(
    ("package", "name", "options", "reason"),
    [
        ("xgboost", "XGBClassifier", {"subsample": 0.5}, "subsample=0.5"),
        ("xgboost", "XGBClassifier", {"reg_alpha": 1}, "reg_alpha=1"),
        ("xgboost", "XGBClassifier", {"booster": "dart"}, "booster='dart'"),
        ("xgboost", "XGBClassifier", {"num_parallel_tree": 2}, "num_parallel_tree"),
        ("xgboost", "XGBClassifier", {"scale_pos_weight": 2}, "scale_pos_weight"),
        ("xgboost", "XGBRegressor", {"objective": "reg:absoluteerror"}, "objective='reg:absoluteerror'"),
        ("lightgbm", "LGBMClassifier", {"boosting_type": "dart", **light}, "boosting=dart"),
        ("lightgbm", "LGBMClassifier", {"reg_alpha": 1, **light}, "lambda_l1=1"),
        ("lightgbm", "LGBMClassifier", {"subsample": 0.5, "subsample_freq": 1, **light}, "bagging_fraction"),
        ("lightgbm", "LGBMRegressor", {"objective": "l1", **light}, "objective='regression_l1'"),
    ],
)
def test_what_is_not_covered_of_the_extras_is_refused(package, name, options, reason):
    model, (x, y) = extra(package, name, **options), data("two")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y)
    with pytest.raises(ValueError, match=reason):
        TreeInfluence(model, (x, y))


def test_bad_input_is_named(two):
    model, influence, (x, y) = two
    train = data("two")
    for given, message in (
        (x, "expected training data as .inputs, targets., got ndarray"),
        ((x[:, :3], y), r"expected training inputs of shape \(n, 4\), got \(7, 3\)"),
        ((x, y[:3]), r"expected training targets of shape \(7,\), got \(3,\)"),
        ((x[:0], y[:0]), "expected training data, got none"),
        ((x, y + 1), r"among the model's classes \[0, 1\], got 2 at row"),
        ((train[0][::-1], train[1]), "does not follow from these training data"),
    ):
        with pytest.raises((ValueError, TypeError), match=message.replace("[0, 1]", ".*")):
            TreeInfluence(model, given)
    with pytest.raises(ValueError, match=r"expected a method leaf_influence, .* got 'x'"):
        influence.scores((x, y), method="x")
    with pytest.raises(ValueError, match="expected of="):
        influence.scores((x, y), "x")
    with pytest.raises(ValueError, match="expected a whole k from 1 to 60, got 0"):
        influence.top_k((x, y), 0)
    with pytest.raises(ValueError, match="expected rows from 0 to 59, got 60"):
        influence.leave_one_out((x, y), rows=[60])
    with pytest.raises(ValueError, match="expected groups as 60 whole numbers"):
        influence.leave_groups_out((x, y), np.full(N, -1))
    with pytest.raises(ValueError, match="expected weights as 60 finite numbers"):
        TreeInfluence(model, train, weights=-np.ones(N))
    with pytest.raises(ValueError, match="expected jobs of at least 1"):
        influence.leave_one_out((x, y), jobs=0)
    numbers = data("numbers")
    regression = GradientBoostingRegressor(**exact).fit(*numbers)
    with pytest.raises(ValueError, match="expected finite training targets, got nan at row 2"):
        TreeInfluence(regression, (numbers[0], np.where(np.arange(N) == 2, np.nan, numbers[1])))
    three = data("three")
    several = TreeInfluence(GradientBoostingClassifier(**exact).fit(*three), three)
    with pytest.raises(ValueError, match="of='prediction' needs one margin, the model has 3"):
        several.scores(three, "prediction")
    assert "GradientBoostingClassifier, 15 trees, 60 training samples" in repr(several)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_other_targets_are_seen_at_any_scale(scale):
    x, y = data("numbers")
    model = HistGradientBoostingRegressor(**histograms).fit(x, scale * y)
    TreeInfluence(model, (x, scale * y))
    other = scale * np.where(np.arange(N) == 7, y + 0.1, y)
    with pytest.raises(ValueError, match="does not follow from these training data"):
        TreeInfluence(model, (x, other))


def test_functions_that_are_none_of_each_point_are_refused(two):
    _, influence, test = two
    for ask in (influence.scores, influence.leave_one_out):
        with pytest.raises(ValueError, match=r"expected a function that returns 7 numbers, got shape \(\)"):
            ask(test, lambda z, _: z.mean())
    with pytest.raises(ValueError, match=r"the function fails on outputs of shape \(7, 1\)"):
        influence.leave_one_out(test, lambda z, _: z[:, 5])


def test_one_class_is_refused():
    model = extra("xgboost", "XGBClassifier")
    x, _ = data("two")
    model.fit(x, np.zeros(N, int))
    with pytest.raises(ValueError, match="does not cover XGBClassifier with one class"):
        TreeInfluence(model, (x, np.zeros(N, int)))


def test_log_odds_are_not_the_margin_of_the_exponential_loss():
    (x, y), test = data("two"), data("two", TEST, seed=1)
    model = GradientBoostingClassifier(loss="exponential", **exact).fit(x, y)
    influence = TreeInfluence(model, (x, y))
    for of in ("margin", "log_probability", "logit"):
        with pytest.raises(ValueError, match=f"of='{of}' needs classes"):
            influence.scores(test, of)
    signs = np.where(test[1] == 1, -1, 1)[:, None]
    by_hand = influence.scores(test, lambda z, t: torch.exp((1 - 2 * t) * z[:, 0]))
    np.testing.assert_allclose(influence.scores(test), by_hand)
    assert (np.sign(influence.scores(test)) == signs * np.sign(influence.scores(test, "prediction"))).all()


@pytest.mark.parametrize(
    ("make", "moved"),
    [
        (lambda: GradientBoostingRegressor(**exact), 0.05),
        (lambda: HistGradientBoostingRegressor(**histograms), 0.05),
        (lambda: extra("xgboost", "XGBRegressor"), 4.0),
        (lambda: extra("lightgbm", "LGBMRegressor", **light), 2.0),
    ],
)
def test_other_targets_are_seen_far_from_zero(make, moved):
    x, y = data("numbers")
    model = make().fit(x, y + 1e6)
    TreeInfluence(model, (x, y + 1e6))
    with pytest.raises(ValueError, match="does not follow from these training data"):
        TreeInfluence(model, (x, np.where(np.arange(N) == 7, y + moved, y) + 1e6))


def test_tables_are_matched_by_their_columns_names():
    x, y = data("two")
    table = pd.DataFrame(x, columns=list("abcd"))
    for model in (
        GradientBoostingClassifier(**exact),
        HistGradientBoostingClassifier(**histograms),
    ):
        influence = TreeInfluence(model.fit(table, y), (table, y))
        assert influence.scores((table[:3], y[:3])).shape == (3, N)
        with pytest.raises(
            ValueError, match=r"training columns \['a', 'b', 'c', 'd'\], got \['d', 'c', 'b',"
        ):
            influence.scores((table[list("dcba")], y))


def test_nothing_left_and_missing_inputs_are_refused(two):
    model, influence, (x, y) = two
    train, places = data("numbers"), np.arange(N)
    weights = np.where(places < 5, 1.0, 0.0)
    alone = GradientBoostingRegressor(**exact).fit(*train, sample_weight=weights)
    few = TreeInfluence(alone, train, weights=weights)
    groups = np.where(places < 5, 1, np.where(places < 9, 0, -1))
    with pytest.raises(ValueError, match="leaving out group 1 leaves no training sample of weight above 0"):
        few.leave_groups_out((x, y), groups)
    with pytest.raises(ValueError, match="leaves no training sample"):
        influence.leave_groups_out((x, y), np.zeros(N, int))
    with pytest.raises(TypeError, match="expected test inputs as an array or a table, got a sparse matrix"):
        influence.scores((csr_matrix(x), y))
    with pytest.raises(ValueError, match=r"numbers of at least 0, not all 0, got -1 at 2$"):
        TreeInfluence(model, data("two"), weights=np.where(np.arange(N) == 2, -1.0, 1.0))
    with pytest.raises(ValueError, match=r"got float64 of shape \(60,\)$"):
        influence.leave_one_out((x, y), rows=np.linspace(0, 1, N))
    regression = GradientBoostingRegressor(**exact).fit(*data("numbers"))
    with pytest.raises(ValueError, match="expected finite inputs, got a NaN or an infinity in row 0"):
        TreeInfluence(regression, data("numbers")).scores((np.full_like(x, np.nan), y))
    with pytest.raises(ValueError, match="expected training targets as numbers: could not convert"):
        TreeInfluence(regression, (data("numbers")[0], np.repeat("b", N)))
