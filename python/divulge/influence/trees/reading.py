"""Which reader a model needs."""

from __future__ import annotations

from typing import Any

from divulge.influence.trees.boosted import Boosted
from divulge.influence.trees.extras import of_lightgbm, of_xgboost
from divulge.influence.trees.scikit import of_gradient_boosting, of_histograms

__all__ = ["read_boosted"]

_READERS = {
    "GradientBoostingRegressor": of_gradient_boosting,
    "GradientBoostingClassifier": of_gradient_boosting,
    "HistGradientBoostingRegressor": of_histograms,
    "HistGradientBoostingClassifier": of_histograms,
    "XGBRegressor": of_xgboost,
    "XGBClassifier": of_xgboost,
    "LGBMRegressor": of_lightgbm,
    "LGBMClassifier": of_lightgbm,
}


def read_boosted(model: Any) -> Boosted:
    """Return what is known of a fitted ensemble.

    Raises:
        TypeError: another kind of model.
        ValueError: not fitted, or trained in a way under which leaves do not follow the rule of `Boosted`.
    """
    name = next((kind.__name__ for kind in type(model).__mro__ if kind.__name__ in _READERS), None)
    if name is None:
        raise TypeError(
            f"expected a gradient boosting estimator of scikit-learn, XGBoost or LightGBM "
            f"({', '.join(_READERS)}), got {type(model).__name__}"
        )
    if not hasattr(model, "n_features_in_") or not _has_trees(model):
        raise ValueError(f"expected a fitted model, this {type(model).__name__} is not")
    return _READERS[name](model)


def _has_trees(model: Any) -> bool:
    """Whether a model was fitted; XGBoost's and LightGBM's raise where it was not."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True
