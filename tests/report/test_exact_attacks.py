"""The exact attacks that a report tries of its own accord, chosen by the model's kind."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import divulge
from divulge import Victim, leak_report
from divulge.datasets import digits as digits_data
from divulge.datasets import read_data
from divulge.oracles import defence_by_name, oracle_by_name
from divulge.report.attacks import attacked
from divulge.report.pairs import usual_oracles


def table_of(model, classes=2, seed=0, columns=3):
    """A victim of a kind, and the table it learned."""
    x = np.random.default_rng(seed).normal(size=(200, columns))
    y = np.searchsorted(np.quantile(x[:, 0] + x[:, 1], np.arange(1, classes) / classes), x[:, 0] + x[:, 1])
    data = read_data(pd.DataFrame(x, columns=list("abcdef")[:columns]).assign(y=y), "y")
    model.fit(data.frame(data.train_inputs), data.train_targets)
    return Victim(model, data=data), data


STUMPS = GradientBoostingClassifier(n_estimators=8, max_depth=1)
DOUBLE = HistGradientBoostingClassifier(max_iter=1, max_depth=2)  # reads its inputs in float64
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)


@pytest.mark.parametrize(
    ("model", "classes", "told", "exact"),
    [
        (LogisticRegression(), 2, "shap", True),
        (LogisticRegression(), 3, "shap", True),
        (LogisticRegression(), 2, "lime:samples=20", True),
        (LogisticRegression(), 2, "counterfactual:nearest=true", True),
        (LogisticRegression(), 2, "label", False),
        (STUMPS, 2, "shap", True),
        (TREE, 2, "shap", True),
        (TREE, 3, "lime", True),
        (TREE, 2, "counterfactual:nearest=true", True),
        (TREE, 2, "rule", True),
        (TREE, 3, "rule", True),
        (TREE, 2, "rule:decimals=1", False),
        (DOUBLE, 2, "rule", True),
        (DOUBLE, 2, "counterfactual:nearest=true", True),
        (TREE, 2, "probability", False),
        (GradientBoostingClassifier(n_estimators=8, max_depth=3), 2, "shap", False),
    ],
)
def test_what_falls_exactly_to_an_explanation_is_said(model, classes, told, exact):
    victim, data = table_of(clone(model), classes)
    found = attacked(oracle_by_name(told, victim, data=data), victim, data, 20_000, 0)
    assert found.exact == exact
    assert (found.queries > 0 and found.agreement == 1) or not exact
    behind = defence_by_name("rounded:1", oracle_by_name("shap", victim, data=data))
    assert not attacked(behind, victim, data, 20_000, 0).exact


def test_why_an_attack_is_not_exact_is_said():
    victim, data = table_of(LogisticRegression())
    told = {"oracles": ("label", "shap"), "defences": ("none", "rounded:1"), "budgets": (5,), "steps": 1}
    report = leak_report(victim, data, **told)
    rows = report.table.set_index(["explanation", "defence"])["attack"]
    assert rows["label", "none"] == ""
    assert rows["shap", "none"] == "linear_copy is exact"
    assert rows["shap", "rounded:1"].startswith("linear_copy is not exact: ")
    assert f"Of shap answers behind rounded:1 {rows['shap', 'rounded:1']}." in report.summary()
    assert any("as if whoever asks knew that kind" in said for said in report.summary())
    assert "Agreement of copies that learn, shap" in report.html()


def test_an_attack_that_ends_in_an_error_says_which(monkeypatch):
    victim, data = table_of(LogisticRegression())
    shap = oracle_by_name("shap", victim, data=data)
    found = attacked(shap, victim, data, 1, 0)
    assert not found.exact
    assert found.attack == "linear_copy"
    assert "budget" in found.note

    def fails(*args, **options):
        raise ValueError("a sentence")

    monkeypatch.setattr("divulge.report.attacks.linear_copy", fails)
    assert attacked(shap, victim, data, 100, 0).words() == "linear_copy is not exact: a sentence"


def test_what_calls_itself_complete_is_checked_on_fresh_inputs(monkeypatch):
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 3)).double()
    x = np.random.default_rng(0).normal(size=(100, 4))
    data = read_data(pd.DataFrame(x, columns=list("abcd")).assign(y=np.arange(100) % 3), "y")
    victim = Victim(net, (4,))
    gradient = oracle_by_name("gradient", victim, data=data)
    assert attacked(gradient, victim, data, 20_000, 0).exact
    real = divulge.reconstruct

    def wrong(*args, **options):
        found = real(*args, **options)
        with torch.no_grad():
            for parameter in found.module[-1].parameters():
                parameter.mul_(-1)
        return found

    monkeypatch.setattr("divulge.report.attacks.reconstruct", wrong)
    found = attacked(gradient, victim, data, 20_000, 0)
    assert not found.exact
    assert found.agreement < 1
    assert "refute" in found.note


@pytest.mark.parametrize("told", ["shap", "counterfactual:nearest=true"])
def test_an_attack_that_the_user_interrupts_ends_the_report(told):
    victim, data = table_of(TREE)
    oracle = oracle_by_name(told, victim, data=data)
    answers = []

    def stops(*args):
        answers.append(args)
        if len(answers) > 3:
            raise KeyboardInterrupt
        return real(*args)

    real, oracle._explain = oracle._explain, stops
    with pytest.raises(KeyboardInterrupt):
        attacked(oracle, victim, data, 20_000, 0)


def test_an_attack_that_is_not_exact_counts_by_its_agreement():
    victim, data = table_of(LogisticRegression())
    told = {"defences": ("none", "rounded:2"), "budgets": (5,), "steps": 1}
    rows = leak_report(victim, data, oracles="shap", **told).table.set_index("defence")
    assert np.isnan(rows.loc["rounded:2", "exact"])
    assert rows.loc["rounded:2", "queries_95"] < 100
    assert rows.loc["rounded:2", "best"] > 0.95


def test_of_a_table_what_apis_return_of_tables_is_compared():
    victim, data = table_of(TREE)
    assert usual_oracles(victim, data) == ("label", "probability", "shap", "lime", "counterfactual")
    assert "gradient" in usual_oracles(table_of(LogisticRegression())[0], data)
    images = digits_data()
    assert "shap" not in usual_oracles(Victim(torch.nn.Linear(64, 10)), images)
    found = leak_report(victim, data, defences="none", budgets=(10,), steps=5)
    assert list(found.table["explanation"]) == ["label", "probability", "shap", "lime", "counterfactual"]
    assert found.table.set_index("explanation").loc["shap", "risk"] == "critical"
