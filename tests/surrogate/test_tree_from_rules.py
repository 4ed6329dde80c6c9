"""Trees rebuilt from rules in words."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim
from divulge.datasets import read_data
from divulge.errors import OracleError, UnsupportedModel
from divulge.oracles import Budget, RuleOracle
from divulge.surrogate import tree_copy
from divulge.surrogate.rule_text import RuleReader

INF = np.inf


def anywhere(x, seed, n=3000):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(x.min(axis=0), x.max(axis=0), (n, x.shape[1]))
    return np.concatenate([x, rng.permuted(x, axis=0), spread])


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_tree_falls_to_an_answer_a_leaf_and_its_sides(load, named, seed):
    frame = load(as_frame=True).frame
    data = read_data(frame, "target", seed=seed)
    x, y = frame.drop(columns="target"), frame["target"]
    model = DecisionTreeClassifier(random_state=seed, max_depth=(None, 4, 2)[seed])
    victim = Victim(model.fit(x, y), data=data) if named else Victim(model.fit(x.to_numpy(), y))
    oracle = RuleOracle(victim)
    box = (x.to_numpy().min(axis=0), x.to_numpy().max(axis=0))
    copy = tree_copy(oracle, ranges=box, seed=seed)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total < 7 * model.get_n_leaves()
    points = anywhere(x.to_numpy(), seed)
    assert (copy.values(points) == victim.classes(points)).all()
    tree = model.tree_
    for number, found in enumerate(copy.thresholds):
        true = np.unique(tree.threshold[tree.feature == number])
        assert (found.astype(np.float32) > true).all()
        assert (np.nextafter(found.astype(np.float32), np.float32(-INF)) <= true).all()


@pytest.mark.parametrize("package", ["xgboost", "lightgbm"])
def test_a_tree_of_another_library(package):
    library = pytest.importorskip(package)
    x, y = load_breast_cancer(return_X_y=True)
    make = {"xgboost": lambda: library.XGBClassifier(n_estimators=1, max_depth=4),
            "lightgbm": lambda: library.LGBMClassifier(n_estimators=1, max_depth=4, verbose=-1)}  # fmt: skip
    victim = Victim(make[package]().fit(x, y))
    copy = tree_copy(RuleOracle(victim), ranges=(x.min(axis=0), x.max(axis=0)), single=package == "xgboost")
    assert copy.complete, copy.notes
    assert (copy.values(anywhere(x, 0)) == victim.classes(anywhere(x, 0))).all()


def test_rounded_rules_are_said_to_be_rounded():
    x, y = load_wine(return_X_y=True)
    victim = Victim(DecisionTreeClassifier(random_state=0).fit(x, y))
    copy = tree_copy(RuleOracle(victim, decimals=1), ranges=(x.min(axis=0), x.max(axis=0)))
    assert not copy.complete
    assert any("thresholds are rounded" in note for note in copy.notes)
    assert (copy.values(x) == victim.classes(x)).mean() > 0.9


def test_where_the_budget_ends_what_is_known_is_returned():
    x, y = load_wine(return_X_y=True)
    victim = Victim(DecisionTreeClassifier(random_state=0).fit(x, y))
    copy = tree_copy(Budget(RuleOracle(victim), 5), ranges=(x.min(axis=0), x.max(axis=0)))
    assert (copy.complete, copy.queries, copy.model.leaves) == (False, 5, 5)
    assert "budget" in copy.notes[0]


def test_rules_are_those_of_one_tree():
    x, y = load_wine(return_X_y=True)
    with pytest.raises(UnsupportedModel, match="a single decision tree, which the model is not"):
        RuleOracle(Victim(RandomForestClassifier(3).fit(x, y)))


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [
        ("always", (-INF, -INF, -INF), (INF, INF, INF)),
        ("because income > 3 and age <= 40.5", (-INF, np.nextafter(3, 4), -INF), (40.5, INF, INF)),
        ("If 30 < age <= 40, age of car >= 2", (np.nextafter(30, 31), -INF, 2), (40, INF, INF)),
        ("income < -1e-3", (-INF, -INF, -INF), (INF, np.nextafter(-1e-3, -1), INF)),
        ("age = 4 and 1 <= income < 3", (4, 1, -INF), (4, np.nextafter(3, 0), INF)),
        ("age > 1 AND age > 2 & age < 5", (np.nextafter(2, 3), -INF, -INF), (np.nextafter(5, 0), INF, INF)),
    ],
)
def test_rules_are_read(rule, least, most):
    found = RuleReader(["age", "income", "age of car"], single=False).box(rule)
    assert found[0].tolist() == list(least)
    assert found[1].tolist() == list(most)


@pytest.mark.parametrize("rule", ["because wage > 3", "age 3", "age > 3 or income > 2", "age", "age > old"])
def test_rules_that_are_not_understood_are_named(rule):
    with pytest.raises(OracleError, match=f"the rule '{rule}' is not understood"):
        RuleReader(["age", "income"], single=True).box(rule)
