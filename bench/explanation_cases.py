"""The models and data that explanations are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from divulge import Victim
from divulge.datasets import Dataset, read_data

ROWS = 100


@dataclass(frozen=True)
class Case:
    """A model, its data, the rows to change and the interval wanted."""

    name: str
    model: Any
    data: Any
    points: np.ndarray
    target: tuple[float, float]
    output: int | None = None


# Like German credit's twenty columns: seven numbers, thirteen of words, with how they move the log-odds.
_WORDS: dict[str, dict[str, float]] = {
    "checking": {"none": 1.3, "little": -0.6, "moderate": 0.0, "rich": 0.8},
    "history": {"critical": 0.6, "delayed": -0.2, "paid": 0.1, "paid here": -0.8, "none taken": -0.7},
    "purpose": {"car": 0.0, "furniture": 0.1, "radio": 0.3, "education": -0.6, "business": -0.1},
    "saving": {"little": -0.1, "moderate": 0.2, "rich": 0.9, "unknown": 0.6},
    "employment": {"none": -0.4, "short": -0.3, "medium": 0.1, "long": 0.4},
    "sex": {"female": 0.0, "male": 0.0},
    "guarantor": {"none": 0.0, "one": 0.5},
    "property": {"estate": 0.3, "insurance": 0.0, "car": 0.0, "unknown": -0.5},
    "other plans": {"none": 0.3, "bank": -0.4, "stores": -0.3},
    "housing": {"own": 0.3, "rent": -0.3, "free": -0.2},
    "job": {"unskilled": 0.0, "skilled": 0.1, "highly skilled": 0.0},
    "telephone": {"no": 0.0, "yes": 0.1},
    "foreign": {"no": 0.8, "yes": 0.0},
}


def credit(n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return rows like German credit: numbers, whole numbers and words, with a risk in words."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "duration": rng.choice([6, 12, 18, 24, 36, 48, 60], n),
            "amount": np.exp(rng.normal(7.8, 0.8, n)).round(),
            "instalment": rng.integers(1, 5, n),
            "residence": rng.integers(1, 5, n),
            "age": rng.integers(19, 75, n),
            "credits": rng.integers(1, 5, n),
            "liable": rng.integers(1, 3, n),
        }
    )
    odds = 1.4 - frame["duration"] / 24 - frame["amount"] / 8000 - frame["instalment"] / 5
    odds += (frame["age"] - 35) / 60
    for name, effects in _WORDS.items():
        frame[name] = rng.choice(list(effects), n, p=rng.dirichlet(np.full(len(effects), 5.0)))
        odds += frame[name].map(effects)
    odds -= ((frame["purpose"] == "education") & (frame["duration"] > 24)) * 1.0
    good = rng.random(n) < 1 / (1 + np.exp(-2 * odds))
    return frame.assign(risk=np.where(good, "good", "bad"))


def cases() -> dict[str, Callable[[], Case]]:
    """Return the four cases by name."""
    return {"breast cancer": _cancer, "wine": _wine, "credit": _credit, "diabetes": _diabetes}


def _perceptron(data: Dataset) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), MLPClassifier((32,), alpha=1.0, max_iter=2000, random_state=0))
    return model.fit(data.frame(data.train_inputs.numpy()), data.train_targets.numpy())


def _all_rows(data: Dataset) -> np.ndarray:
    """Test rows, then training rows where these are too few."""
    return np.concatenate([data.test_inputs.numpy(), data.train_inputs.numpy()])


def _cancer() -> Case:
    from sklearn.datasets import load_breast_cancer

    data = read_data(load_breast_cancer(as_frame=True).frame, "target", name="breast cancer", test_share=0.5)
    model = _perceptron(data)
    victim = Victim(model, data=data)
    rows = _all_rows(data)
    return Case("breast cancer", model, data, rows[victim.classes(rows) == 0][:ROWS], (0.5, 1.0))


def _wine() -> Case:
    from sklearn.datasets import load_wine

    data = read_data(load_wine(as_frame=True).frame, "target", name="wine", test_share=0.5)
    model = _perceptron(data)
    victim = Victim(model, data=data)
    rows = _all_rows(data)
    return Case("wine", model, data, rows[victim.classes(rows) != 1][:ROWS], (0.5, 1.0), 1)


def _credit() -> Case:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    data = read_data(credit(), "risk", name="credit", fixed=["age", "sex"], test_share=0.3)
    words = [column.name for column in data.columns if column.kind == "categorical"]
    encoder = make_column_transformer((OneHotEncoder(), words), remainder="passthrough")
    model = make_pipeline(encoder, RandomForestClassifier(50, min_samples_leaf=3, random_state=0))
    classes = np.array(data.class_names)[data.train_targets.numpy()]
    model.fit(data.frame(data.train_inputs.numpy()), classes)
    victim = Victim(model, data=data)
    rows = _all_rows(data)
    return Case("credit", model, data, rows[victim.classes(rows) == 0][:ROWS], (0.5, 1.0), 1)


def _diabetes() -> Case:
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = load_diabetes(as_frame=True, scaled=False).frame
    inputs, y = frame.drop(columns="target"), frame["target"]
    inputs["sex"] = inputs["sex"].map({1.0: "first", 2.0: "second"})
    inputs["age"] = inputs["age"].astype(int)
    coded = inputs.assign(sex=(inputs["sex"] == "second").astype(float)).to_numpy(float)
    model = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(coded, y)
    told = model.predict(coded)
    return Case("diabetes", model.predict, inputs, coded[told > 150][:ROWS], (-np.inf, 120.0))
