"""Boosted trees of four libraries, their data, and how each library boosts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

N, TEST = 60, 7


def data(kind, n=N, seed=0):
    """Columns with ties and a constant one; targets of a kind."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(n, 4)), 1)
    x[:, 3] = 2
    value = x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=n)
    targets = {
        "numbers": value,
        "counts": np.round(np.exp(value / 2)),
        "two": (value > 0.3).astype(int),
        "three": np.digitize(value, [-0.5, 0.7]),
    }
    return x, targets[kind]


def extra(package, name, **options):
    """Makes an estimator of a package that may not be installed."""
    return getattr(pytest.importorskip(package), name)(n_estimators=5, n_jobs=1, **options)


exact = {"n_estimators": 5, "max_depth": 3, "learning_rate": 0.3}
histograms = {"max_iter": 5, "max_depth": 3, "min_samples_leaf": 3, "learning_rate": 0.3}
light = {"num_leaves": 6, "min_child_samples": 3, "verbose": -1}
SINGLE = float(np.float32(0.3))  # XGBoost keeps its rate so
logit, log = lambda m: np.log(m / (1 - m)), np.log


def centred(m):
    return np.log(m) - np.log(m).mean()


def added(m):
    """XGBoost's, of several classes."""
    return centred(m + 1e-6)


# kind of targets, estimator, loss, F_0 of the mean, rate, l2, factor of the second derivatives
CASES = {
    "exact": ("numbers", partial(GradientBoostingRegressor, **exact), "squared", np.array, 0.3, 0, 1),
    "exact two": ("two", partial(GradientBoostingClassifier, **exact), "logistic", logit, 0.3, 0, 1),
    "exact three": ("three", partial(GradientBoostingClassifier, **exact), "softmax", centred, 0.2, 0, 1),
    "exact zero": (
        "three",
        partial(GradientBoostingClassifier, init="zero", **exact),
        "softmax",
        np.zeros_like,
        0.2,
        0,
        1,
    ),
    "exponential": (
        "two",
        partial(GradientBoostingClassifier, loss="exponential", **exact),
        "exponential",
        lambda m: logit(m) / 2,
        0.3,
        0,
        1,
    ),
    "histograms": (
        "numbers",
        partial(HistGradientBoostingRegressor, l2_regularization=2, **histograms),
        "squared",
        np.array,
        0.3,
        2,
        1,
    ),
    "poisson": (
        "counts",
        partial(HistGradientBoostingRegressor, loss="poisson", **histograms),
        "poisson",
        log,
        0.3,
        0,
        1,
    ),
    "histograms two": (
        "two",
        partial(HistGradientBoostingClassifier, **histograms),
        "logistic",
        logit,
        0.3,
        0,
        1,
    ),
    "histograms three": (
        "three",
        partial(HistGradientBoostingClassifier, **histograms),
        "softmax",
        centred,
        0.3,
        0,
        1,
    ),
    "xgboost": ("numbers", partial(extra, "xgboost", "XGBRegressor"), "squared", np.array, SINGLE, 1, 1),
    "xgboost two": (
        "two",
        partial(extra, "xgboost", "XGBClassifier", learning_rate=0.2, reg_lambda=3, base_score=0.3),
        "logistic",
        lambda m: logit(np.array([0.3])),
        float(np.float32(0.2)),
        3,
        1,
    ),
    "xgboost three": ("three", partial(extra, "xgboost", "XGBClassifier"), "softmax", added, SINGLE, 1, 2),
    "lightgbm": (
        "numbers",
        partial(extra, "lightgbm", "LGBMRegressor", reg_lambda=1, **light),
        "squared",
        np.array,
        0.1,
        1,
        1,
    ),
    "lightgbm two": (
        "two",
        partial(extra, "lightgbm", "LGBMClassifier", **light),
        "logistic",
        logit,
        0.1,
        0,
        1,
    ),
    "lightgbm three": (
        "three",
        partial(extra, "lightgbm", "LGBMClassifier", **light),
        "softmax",
        log,
        0.1,
        0,
        1.5,
    ),
}
