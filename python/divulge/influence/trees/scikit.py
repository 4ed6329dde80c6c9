"""scikit-learn's gradient boosting, with exact splits and on histograms."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.influence.trees.boosted import Boosted, refused
from divulge.influence.trees.losses import Exponential, Initial, Logistic, Poisson, Softmax, Squared, TreeLoss

__all__ = ["of_gradient_boosting", "of_histograms"]

_NAMED: dict[str, tuple[TreeLoss, str]] = {
    "squared_error": (Squared(), "identity"),
    "poisson": (Poisson(), "log"),
    "exponential": (Exponential(), "half_logit"),
}


def of_gradient_boosting(model: Any) -> Boosted:
    """Read a GradientBoostingRegressor or GradientBoostingClassifier.

    Raises:
        ValueError: samples are drawn or held out, or a loss without a Newton step.
    """
    title, classes = type(model).__name__, getattr(model, "classes_", None)
    if model.subsample < 1:
        raise refused(title, f"subsample={model.subsample:g}: each tree saw other samples")
    if model.n_iter_no_change is not None:
        raise refused(title, "n_iter_no_change: some samples were held out")
    if model.init is not None and not _is_zero(model.init):
        raise refused(title, f"init={type(model.init).__name__}")
    loss, link = _loss(title, model.loss, classes)
    outputs = model.estimators_.shape[1]
    rate = model.learning_rate * ((outputs - 1) / outputs if outputs > 1 else 1.0)
    start = Initial("fixed", np.zeros(outputs)) if _is_zero(model.init) else Initial(link)

    def leaves(rows: Any) -> NDArray[Any]:
        x = np.asarray(rows)  # its trees know no columns' names
        missing = np.flatnonzero(~np.isfinite(x.astype(np.float64)).all(axis=1))
        if len(missing):  # apply sends them somewhere, predict refuses them
            raise ValueError(f"expected finite inputs, got a NaN or an infinity in row {missing[0]}")
        return np.asarray(model.apply(x)).reshape(len(rows), -1, outputs).astype(np.int64)

    def margins(rows: Any) -> Array:
        told = model.predict(rows) if classes is None else model.decision_function(rows)
        return np.asarray(told, np.float64).reshape(len(rows), -1)

    return Boosted(title, loss, rate, 0.0, start, leaves, margins, classes, model.n_features_in_, 1e-7, 1e-12)


def of_histograms(model: Any) -> Boosted:
    """Read a HistGradientBoostingRegressor or HistGradientBoostingClassifier.

    Raises:
        ValueError: samples are held out, a loss without a Newton step, or leaves within bounds.
    """
    title, classes = type(model).__name__, getattr(model, "classes_", None)
    if getattr(model, "do_early_stopping_", False):
        raise refused(title, "early_stopping: some samples were held out")
    if model.monotonic_cst is not None:
        raise refused(title, "monotonic_cst: leaves are kept within bounds")
    if getattr(model, "class_weight", None) is not None:
        raise refused(title, "class_weight; pass the weights as sample_weight, and as weights= here")
    loss, link = _loss(title, model.loss, classes)
    numbered = [[_numbered(tree) for tree in stage] for stage in model._predictors]

    def leaves(rows: Any) -> NDArray[Any]:
        x = model._preprocess_X(rows, reset=False)
        known, places = model._bin_mapper.make_known_categories_bitsets()
        told = [[tree.predict(x, known, places, 1) for tree in stage] for stage in numbered]
        return np.moveaxis(np.array(told), -1, 0).astype(np.int64)  # (n, T, K)

    def margins(rows: Any) -> Array:
        if classes is not None:
            return np.asarray(model.decision_function(rows), np.float64).reshape(len(rows), -1)
        told = np.asarray(model.predict(rows), np.float64)
        return (np.log(told) if model.loss == "poisson" else told).reshape(-1, 1)

    rate, l2, width = model.learning_rate, model.l2_regularization, model.n_features_in_
    return Boosted(title, loss, rate, l2, Initial(link), leaves, margins, classes, width, 1e-6, 1e-12)


def _numbered(tree: Any) -> Any:
    """A tree that tells the number of the leaf in place of its value."""
    nodes = tree.nodes.copy()
    nodes["value"] = np.arange(len(nodes))
    other = copy(tree)
    other.nodes = nodes
    return other


def _is_zero(init: Any) -> bool:
    return isinstance(init, str) and init == "zero"


def _loss(title: str, name: str, classes: NDArray[Any] | None) -> tuple[TreeLoss, str]:
    if name == "log_loss" and classes is not None:
        return (Logistic(), "logit") if len(classes) == 2 else (Softmax(), "centred_log")
    if name not in _NAMED:
        raise refused(title, f"loss={name!r}, whose leaves are no Newton steps")
    return _NAMED[name]
