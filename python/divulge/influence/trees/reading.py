"""Which reader a model needs."""

from __future__ import annotations

from copy import copy
from typing import Any

from divulge.influence.trees.boosted import Boosted, refused
from divulge.influence.trees.extras import of_lightgbm, of_xgboost
from divulge.influence.trees.scikit import of_gradient_boosting, of_histograms

__all__ = ["kept", "read_boosted"]

_READERS = {
    ("sklearn", "GradientBoostingRegressor"): of_gradient_boosting,
    ("sklearn", "GradientBoostingClassifier"): of_gradient_boosting,
    ("sklearn", "HistGradientBoostingRegressor"): of_histograms,
    ("sklearn", "HistGradientBoostingClassifier"): of_histograms,
    ("xgboost", "XGBRegressor"): of_xgboost,
    ("xgboost", "XGBClassifier"): of_xgboost,
    ("lightgbm", "LGBMRegressor"): of_lightgbm,
    ("lightgbm", "LGBMClassifier"): of_lightgbm,
}


def read_boosted(model: Any) -> Boosted:
    """Return what is known of a fitted ensemble.

    Raises:
        TypeError: another kind of model.
        ValueError: not fitted, or trained in a way under which leaves do not follow the rule of `Boosted`.
    """
    kinds = [(kind.__module__.split(".")[0], kind.__name__) for kind in type(model).__mro__]
    reader = next((_READERS[kind] for kind in kinds if kind in _READERS), None)
    if reader is None:
        names = ", ".join(name for _, name in _READERS)
        raise TypeError(
            f"expected a fitted gradient boosting estimator ({names}), got {type(model).__name__}"
        )
    if not _has_trees(model):
        raise ValueError(f"expected a fitted model, this {type(model).__name__} is not")
    if len(getattr(model, "classes_", "ab")) < 2:
        raise refused(type(model).__name__, "one class")
    return reader(model)


def kept(model: Any) -> Any:
    """Return a copy that fitting the model anew leaves as it is: a fit replaces the parts that it shares."""
    found = copy(model)
    if hasattr(found, "_predictors"):  # to these a warm start appends
        found._predictors = list(found._predictors)
    return found


def _has_trees(model: Any) -> bool:
    """Whether a model was fitted."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True
