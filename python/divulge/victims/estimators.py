"""Models with a predict method, as scikit-learn, XGBoost and LightGBM make them, run as torch modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from divulge.arrays import Array
from divulge.datasets.columns import plain, shown
from divulge.errors import UnsupportedModel

if TYPE_CHECKING:
    from divulge.datasets import Dataset

_SAME = 1e-5  # of probabilities in the precision of boosted trees, float32


def is_estimator(model: Any) -> bool:
    """Whether a model is fed rows of a table by its method predict."""
    return not isinstance(model, nn.Module) and callable(getattr(model, "predict", None))


class EstimatorModule(nn.Module):
    """An estimator as a module from rows (n, d) to outputs (n, K) in float64; it has no input gradients.

    Outputs are decision values where their softmax (sigmoid, of one) are the probabilities told, as for
    boosted trees; else probabilities; else decision values; of a model that tells classes alone 1 for the
    class and 0 for others; of a regression its prediction.

    Args:
        estimator: fitted.
        data: whose columns rows are given in; None: the estimator is fed arrays, or its own column names.
        rows: some inputs, shape (n, d), on which to see what it tells.

    Attributes:
        differentiable: False.
        class_names: the classes, or None of a regression.
        tells_probabilities: whether the outputs are probabilities.

    Raises:
        UnsupportedModel: it fails on the rows, was not fitted, names other classes than its `classes_`, or
            tells another number of probabilities.
    """

    differentiable = False

    def __init__(self, estimator: Any, data: Dataset | None, rows: Array) -> None:
        super().__init__()
        self.estimator = estimator
        self.data = data if data is not None and data.columns else None
        self.register_buffer("of_precision", torch.zeros(0, dtype=torch.float64))
        self.class_names = class_names_of(estimator)
        self.method = ""
        try:
            self.method = self._chosen(rows)
        except Exception as error:
            raise self._failure(rows, error) from error
        self.tells_probabilities = self.method == "predict_proba"
        self._check_named(rows)

    def _check_named(self, rows: Array) -> None:
        """Raise UnsupportedModel where `predict` names a class that is none of `classes_`."""
        if self.class_names is None:
            return
        try:
            told = np.asarray(self.estimator.predict(self._table(rows)))
        except Exception as error:
            raise UnsupportedModel(f"{self.title} fails to predict classes: {error}") from error
        strange = [plain(name) for name in told.reshape(-1) if plain(name) not in self.class_names]
        if strange:
            raise UnsupportedModel(
                f"{self.title} names {strange[0]!r} where its classes_ are {shown(self.class_names)}"
            )

    @property
    def title(self) -> str:
        """The name of the estimator, of a pipeline's last step."""
        last = last_step(self.estimator)
        return str(getattr(last, "title", type(last).__name__))

    def _failure(self, rows: Array, error: Exception) -> UnsupportedModel:
        """What is said where the estimator fails on rows (n, d), in one line."""
        said = " ".join(str(error).split())
        return UnsupportedModel(
            f"{self.title} fails on rows of {rows.shape[1]} columns: {said}{self._named(said)}"
        )

    def _named(self, error: str) -> str:
        """The columns whose categories an error tells: estimators count those of one of their steps."""
        if self.data is None or "categories" not in error:
            return ""
        told = (c.name for c in self.data.columns if any(repr(entry) in error for entry in c.categories))
        return "".join(f"; these are of column {name!r}" for name in told)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return outputs (n, K) of rows (n, d)."""
        rows = x.detach().cpu().numpy().astype(np.float64)
        try:
            told = self.outputs(rows, self.method)
        except ValueError as error:  # as of a category in a row that no probe met
            raise self._failure(rows, error) from error
        return torch.from_numpy(told).to(x.device)

    def outputs(self, rows: Array, method: str) -> Array:
        """Return what a method says of rows (n, d), shape (n, K)."""
        if method == "predict" and self.class_names is not None:
            named = np.asarray(self.estimator.predict(self._table(rows)))
            return np.stack([named == name for name in self.class_names], axis=1).astype(np.float64)
        told = np.asarray(
            _METHODS.get(method, _plainly(method))(self.estimator, self._table(rows)), np.float64
        )
        return told.reshape(len(rows), -1)

    def _table(self, rows: Array) -> Any:
        """Rows as the estimator was fitted with them."""
        if self.data is not None:
            return self.data.frame(rows)
        names = getattr(self.estimator, "feature_names_in_", None)
        if names is None:
            return rows
        import pandas as pd

        return pd.DataFrame(rows, columns=names)

    def _chosen(self, rows: Array) -> str:
        """What to ask it for."""
        if self.class_names is None:
            self.outputs(rows, "predict")
            return "predict"
        margin, told = self._margin(rows), hasattr(self.estimator, "predict_proba")
        if not told:
            return margin or "predict"
        probabilities = self.outputs(rows, "predict_proba")
        if probabilities.shape[1] != len(self.class_names):
            many = probabilities.shape[1]
            raise ValueError(f"predict_proba tells {many} probabilities of {shown(self.class_names)}")
        if margin is not None and np.abs(softmax(self.outputs(rows, margin)) - probabilities).max() < _SAME:
            return margin
        return "predict_proba"

    def _margin(self, rows: Array) -> str | None:
        """The method that tells a decision value for each class, or one of two classes; None without."""
        margin, classes = margin_method(self.estimator), len(self.class_names or ())
        pairs = getattr(fitted(self.estimator), "decision_function_shape", "") == "ovo" and classes > 2
        if margin is None or pairs:  # a value for each pair of classes names none
            return None
        return margin if self.outputs(rows, margin).shape[1] == (1 if classes == 2 else classes) else None


def margin_method(estimator: Any) -> str | None:
    """The method that tells decision values, or None."""
    if hasattr(estimator, "decision_function"):
        return "decision_function"
    kind = next((base.__module__.split(".")[0] for base in type(estimator).__mro__), "")
    return {"xgboost": "xgboost_margin", "lightgbm": "lightgbm_margin"}.get(kind)


_METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "xgboost_margin": lambda model, rows: model.predict(rows, output_margin=True),
    "lightgbm_margin": lambda model, rows: model.predict_proba(rows, raw_score=True),
}


def _plainly(method: str) -> Callable[[Any, Any], Any]:
    return lambda model, rows: getattr(model, method)(rows)


def softmax(outputs: Array) -> Array:
    """Return probabilities (n, K) of outputs (n, K); of one output z those of the logits (0, z)."""
    if outputs.shape[1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def last_step(estimator: Any) -> Any:
    """The last step of a pipeline, or the estimator."""
    return last_step(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def fitted(estimator: Any) -> Any:
    """The estimator that answers, behind pipelines and searches."""
    last = last_step(estimator)
    return fitted(last.best_estimator_) if hasattr(last, "best_estimator_") else last


def class_names_of(estimator: Any) -> tuple[Any, ...] | None:
    """The classes of a classifier as Python values, None of a regression."""
    names: NDArray[Any] | None = getattr(estimator, "classes_", None)
    if names is None:
        return None
    if isinstance(names, list):
        raise UnsupportedModel(f"expected one target, {type(estimator).__name__} has {len(names)}")
    return tuple(plain(name) for name in names)


def width_of(estimator: Any) -> int | None:
    """How many columns an estimator takes, None where it does not say."""
    count = getattr(estimator, "n_features_in_", None)
    return None if count is None else int(count)
