"""Reports on models that predict numbers."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from typer.testing import CliRunner

from divulge import Victim, leak_report
from divulge.cli.app import app
from divulge.datasets import read_data
from divulge.oracles import CallableOracle

FEW = {"defences": ["none"], "budgets": (20, 40), "steps": 150, "surrogate": "mlp:16"}


def houses(n=120):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["income", "age", "rooms"])
    return frame.assign(price=1e5 * (2 + frame["income"] + np.abs(frame["age"])))


def fitted(model, frame=None):
    data = read_data(houses() if frame is None else frame, "price")
    return data, model.fit(data.frame(data.train_inputs.numpy()), data.train_targets.numpy())


@pytest.mark.parametrize(
    "model", [LinearRegression(), GradientBoostingRegressor(n_estimators=9, max_depth=1)]
)
def test_a_regression_is_rebuilt_from_shap(model):
    data, model = fitted(model)
    report = leak_report(Victim(model, data=data), data, **FEW)
    rows = report.table.set_index("explanation")
    assert {"value", "shap", "lime"} <= set(rows.index)
    assert (rows["measure"] == "explained variance").all()
    assert rows.loc["shap", "exact"] > 0
    assert rows.loc["shap", "risk"] == "critical"
    assert np.isnan(rows.loc["value", "exact"])
    text = " ".join(report.summary())
    assert "99% of the variance" in text
    assert "agree" not in text
    assert "explains the variance" in report.html()
    assert "name the same class" not in report.html()


def test_an_api_that_predicts_numbers_is_reported_on():
    data, model = fitted(LinearRegression())
    victim = Victim(model, data=data)
    oracle = CallableOracle(
        lambda points, output: victim.values(points)[:, 0], 3, output_size=1, gradients=False
    )
    report = leak_report(oracle, data, **FEW)
    assert report.measure == "explained variance"
    assert report.table["best"].iloc[0] > 0.2


def test_commands_take_regressions(tmp_path):
    houses().to_csv(tmp_path / "houses.csv", index=False)
    _, model = fitted(LinearRegression())
    joblib.dump(model, tmp_path / "model.joblib")
    where = ["--data", str(tmp_path / "houses.csv"), "--target", "price", "--trusted"]
    where += ["--model", str(tmp_path / "model.joblib"), "--steps", "60"]
    stolen = CliRunner().invoke(app, ["steal", *where, "--oracle", "value", "--queries", "20"])
    assert stolen.exit_code == 0, stolen.output
    assert "of the variance" in stolen.output
    labels = CliRunner().invoke(app, ["steal", *where, "--oracle", "label", "--queries", "20"])
    assert labels.exit_code != 0
    assert "predicts numbers and names no classes" in str(labels.output) + str(labels.exception)
    made = ["report", *where, "--oracles", "shap", "--defences", "none", "--budgets", "20"]
    report = CliRunner().invoke(app, made)
    assert report.exit_code == 0, report.output
    assert "explains the variance" in report.output
