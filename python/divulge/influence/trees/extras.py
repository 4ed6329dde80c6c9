"""XGBoost's and LightGBM's estimators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.influence.trees.boosted import Boosted, refused
from divulge.influence.trees.losses import Initial, Logistic, Softmax, Squared, TreeLoss

__all__ = ["of_lightgbm", "of_xgboost"]

_XGBOOST = {
    "reg:squarederror": "squared",
    "binary:logistic": "logistic",
    "multi:softprob": "softmax",
    "multi:softmax": "softmax",
}
_LIGHTGBM = {"regression": "squared", "binary": "logistic", "multiclass": "softmax"}
# What each of LightGBM's settings must be for leaves to be plain Newton steps on all samples.
_PLAIN = {
    "boosting": "gbdt",
    "data_sample_strategy": "bagging",
    "lambda_l1": 0,
    "max_delta_step": 0,
    "linear_tree": 0,
    "path_smooth": 0,
    "is_unbalance": 0,
    "scale_pos_weight": 1,
    "use_quantized_grad": 0,
    "monotone_constraints": "",
    "reg_sqrt": 0,
}

_ADDED = 1e-6  # XGBoost starts several classes at log(m + 1e-6)
_LEAST = 1e-15  # LightGBM at shares of at least this


def _rule(kind: str, outputs: int, curvature: float) -> tuple[TreeLoss, str]:
    if kind == "squared":
        return Squared(), "identity"
    return (Logistic(), "logit") if kind == "logistic" else (Softmax(curvature), "centred_log")


def _classes(model: Any) -> NDArray[Any] | None:
    return np.asarray(model.classes_) if hasattr(model, "classes_") else None


def of_xgboost(model: Any) -> Boosted:
    """Read an XGBRegressor or XGBClassifier.

    Raises:
        ValueError: rows are drawn, another booster than gbtree, an L1 penalty, or an objective not covered.
    """
    title, classes = type(model).__name__, _classes(model)
    told = json.loads(model.get_booster().save_config())["learner"]
    params = told["learner_model_param"]
    booster, tree = told["gradient_booster"], told["gradient_booster"].get("tree_train_param", {})
    if booster["name"] != "gbtree":
        raise refused(title, f"booster={booster['name']!r}")
    if int(booster["gbtree_model_param"]["num_parallel_tree"]) != 1:
        raise refused(title, "num_parallel_tree above 1")
    for name, plain in (("subsample", 1), ("reg_alpha", 0), ("max_delta_step", 0)):
        if float(tree.get(name, plain)) != plain:
            raise refused(title, f"{name}={float(tree[name]):g}")
    if tree.get("monotone_constraints", "()") not in ("()", ""):
        raise refused(title, "monotone_constraints: leaves are kept within bounds")
    if getattr(model, "multi_strategy", None) == "multi_output_tree":
        raise refused(title, "multi_strategy='multi_output_tree'")
    objective = told["objective"]
    if objective["name"] not in _XGBOOST:
        raise refused(title, f"objective={objective['name']!r}")
    if float(objective.get("reg_loss_param", {}).get("scale_pos_weight", 1)) != 1:
        raise refused(title, "scale_pos_weight; pass the weights as sample_weight, and as weights= here")
    outputs = max(1, int(params["num_class"]))
    loss, link = _rule(_XGBOOST[objective["name"]], outputs, 2.0)  # h = 2 p (1 - p) of several classes
    start = Initial(link, added=_ADDED if link == "centred_log" else 0.0)
    if not int(params.get("boost_from_average", 1)):
        start = Initial("fixed", _base_score(params["base_score"], link, outputs))

    def leaves(rows: Any) -> NDArray[Any]:
        return np.asarray(model.apply(rows)).reshape(len(rows), -1, outputs).astype(np.int64)

    def margins(rows: Any) -> Array:
        return np.asarray(model.predict(rows, output_margin=True), np.float64).reshape(len(rows), -1)

    rate, l2 = float(tree["learning_rate"]), float(tree["reg_lambda"])
    return Boosted(title, loss, rate, l2, start, leaves, margins, classes, model.n_features_in_, 1e-5, 1e-6)


def _base_score(text: str, link: str, outputs: int) -> Array:
    """Return the margins (K,) of a base score that was given."""
    told = np.resize(np.asarray(json.loads(text), np.float64), outputs)
    return np.log(told / (1 - told)) if link == "logit" else told


def of_lightgbm(model: Any) -> Boosted:
    """Read an LGBMRegressor or LGBMClassifier.

    Raises:
        ValueError: samples are drawn, a setting under which leaves are no plain Newton steps, or an objective
            not covered.
    """
    title, classes, booster = type(model).__name__, _classes(model), model.booster_
    told = _settings(booster.model_to_string())
    for name, plain in _PLAIN.items():
        value = told.get(name, str(plain))
        if (value != plain) if isinstance(plain, str) else float(value) != plain:
            raise refused(title, f"{name}={value}")
    if float(told["bagging_freq"]) and float(told["bagging_fraction"]) < 1:
        raise refused(title, f"bagging_fraction={told['bagging_fraction']}: each tree saw other samples")
    if told["objective"] not in _LIGHTGBM:
        raise refused(title, f"objective={told['objective']!r}")
    if float(told["sigmoid"]) != 1:
        raise refused(title, f"sigmoid={told['sigmoid']}")
    if any(tree["num_cat"] for tree in booster.dump_model()["tree_info"]):
        raise refused(title, "splits by categories, whose leaves have a penalty of their own")
    outputs = booster.num_model_per_iteration()
    loss, link = _rule(_LIGHTGBM[told["objective"]], outputs, outputs / max(outputs - 1, 1))
    link = "log" if link == "centred_log" else link
    start = (
        Initial(link, least=_LEAST)
        if float(told["boost_from_average"])
        else Initial("fixed", np.zeros(outputs))
    )

    def leaves(rows: Any) -> NDArray[Any]:
        found = np.asarray(booster.predict(rows, pred_leaf=True))
        return found.reshape(len(rows), -1, outputs).astype(np.int64)

    def margins(rows: Any) -> Array:
        return np.asarray(booster.predict(rows, raw_score=True), np.float64).reshape(len(rows), -1)

    rate, l2 = float(told["learning_rate"]), float(told["lambda_l2"])
    return Boosted(title, loss, rate, l2, start, leaves, margins, classes, model.n_features_in_, 1e-6, 1e-7)


def _settings(text: str) -> Mapping[str, str]:
    """Return LightGBM's settings from a model's text, each a line [name: value]."""
    lines = text[text.index("\nparameters:") :].splitlines()
    pairs = [line[1:-1].partition(":") for line in lines if line.startswith("[") and line.endswith("]")]
    return {name: value.strip() for name, _, value in pairs}
