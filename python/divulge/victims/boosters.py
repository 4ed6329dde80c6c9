"""The native models of XGBoost and LightGBM, `Booster`, with the methods of an estimator."""

from __future__ import annotations

import json
from abc import abstractmethod
from importlib import import_module
from typing import Any

import numpy as np

from divulge.arrays import Array


def as_estimator(model: Any) -> Any:
    """Return a booster as an estimator, anything else as it is."""
    kind, package = type(model).__name__, type(model).__module__.split(".")[0]
    if kind != "Booster" or package not in ("xgboost", "lightgbm"):
        return model
    booster = _OfXgboost(model) if package == "xgboost" else _OfLightgbm(model)
    if booster.outputs is None:
        return booster
    return _Classifier(booster) if package == "xgboost" else _OfProbabilities(booster)


class Booster:
    """What both libraries' boosters are asked.

    Attributes:
        outputs: margins a row of a classifier, None of a regression.
        model: as the library made it.
        package: the library.
        n_features_in_: how many columns it takes.
    """

    title = "Booster"
    package: str
    outputs: int | None

    def __init__(self, model: Any, width: int) -> None:
        self.model, self.n_features_in_ = model, width

    @abstractmethod
    def predict(self, rows: Any) -> Array:
        """Return predictions."""

    @abstractmethod
    def margins(self, rows: Any) -> Array:
        """Return what the trees add up to, of rows (n, d)."""


class _OfXgboost(Booster):
    package = "xgboost"

    def __init__(self, model: Any) -> None:
        super().__init__(model, model.num_features())
        told = json.loads(model.save_config())["learner"]
        classifies = told["objective"]["name"].startswith(("binary:", "multi:"))
        self.outputs = max(1, int(told["learner_model_param"]["num_class"])) if classifies else None

    def predict(self, rows: Any) -> Array:
        """Return predictions."""
        return self._predict(rows, output_margin=False)

    def margins(self, rows: Any) -> Array:
        """Return what the trees add up to, of rows (n, d)."""
        return self._predict(rows, output_margin=True)

    def _predict(self, rows: Any, *, output_margin: bool) -> Array:
        # `inplace_predict` refuses linear boosters
        matrix = import_module("xgboost").DMatrix(rows, enable_categorical=True)
        return np.asarray(self.model.predict(matrix, output_margin=output_margin, validate_features=False))


class _OfLightgbm(Booster):
    package = "lightgbm"

    def __init__(self, model: Any) -> None:
        super().__init__(model, model.num_feature())
        told = model.dump_model(num_iteration=1)
        classifies = told.get("objective", "").startswith(("binary", "multiclass"))
        self.outputs = told["num_tree_per_iteration"] if classifies else None

    def predict(self, rows: Any) -> Array:
        """Return predictions."""
        return np.asarray(self.model.predict(rows))

    def margins(self, rows: Any) -> Array:
        """Return what the trees add up to, of rows (n, d)."""
        return np.asarray(self.model.predict(rows, raw_score=True))


class _Classifier:
    """A booster whose classes are 0, 1, ...: a booster keeps no other names."""

    title = "Booster"

    def __init__(self, booster: Booster) -> None:
        self.booster, self.n_features_in_ = booster, booster.n_features_in_
        assert booster.outputs is not None
        self.classes_ = np.arange(max(2, booster.outputs))

    def decision_function(self, rows: Any) -> Array:
        """Return margins (n,) of two classes, (n, K) of more."""
        return self.booster.margins(rows)

    def predict(self, rows: Any) -> Array:
        """Return the classes (n,)."""
        told = self.decision_function(rows)
        return np.asarray(told > 0, np.intp) if told.ndim == 1 else told.argmax(axis=1)


class _OfProbabilities(_Classifier):
    """One of LightGBM, whose probabilities are not always the softmax of margins, as with `sigmoid=2`."""

    def predict_proba(self, rows: Any) -> Array:
        """Return probabilities (n, K)."""
        told = self.booster.predict(rows)
        return np.column_stack([1 - told, told]) if told.ndim == 1 else told
