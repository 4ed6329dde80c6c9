"""Trees rebuilt from rules in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim
from divulge.datasets import read_data
from divulge.errors import OracleError, UnsupportedModel
from divulge.oracles import Budget, CallableOracle, RuleOracle
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
    assert copy.queries == oracle.ledger.total < 20 + 7 * model.get_n_leaves()
    points = anywhere(x.to_numpy(), seed)
    assert (copy.values(points) == victim.classes(points)).all()
    tree = model.tree_
    for number, found in enumerate(copy.thresholds):
        true = np.unique(tree.threshold[tree.feature == number])
        assert (found.astype(np.float32) > true).all()
        assert (np.nextafter(found.astype(np.float32), np.float32(-INF)) <= true).all()


def test_a_wide_and_deep_tree_is_covered():
    x, y = load_digits(return_X_y=True)
    victim = Victim(DecisionTreeClassifier(random_state=0).fit(x, y))
    copy = tree_copy(RuleOracle(victim), ranges=(x.min(axis=0), x.max(axis=0)))
    assert copy.complete, copy.notes
    assert (copy.values(anywhere(x, 0)) == victim.classes(anywhere(x, 0))).all()


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


class SaysLittle(RuleOracle):
    """Tells the first so many conditions of each rule: the same one now of this class, now of that."""

    def _explain(self, points, outputs):
        told = super()._explain(points, outputs)
        rules = [" and ".join(rule.split(" and ")[: self.most]) or "always" for rule in told.rules]
        return replace(told, rules=np.array(rules))


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_rules_that_hold_for_inputs_of_other_classes_are_found_out(seed, most):
    x, y = load_wine(return_X_y=True)
    oracle = SaysLittle(Victim(DecisionTreeClassifier(random_state=seed).fit(x, y)))
    oracle.most = most
    copy = tree_copy(oracle, ranges=(x.min(axis=0), x.max(axis=0)), seed=seed)
    assert not copy.complete
    assert any("name different classes" in note for note in copy.notes)


def test_columns_that_are_numbered_are_read():
    x, y = load_wine(return_X_y=True)
    frame = pd.DataFrame(np.column_stack([x, y]))
    victim = Victim(DecisionTreeClassifier(random_state=0).fit(x, y), data=read_data(frame, 13))
    assert RuleOracle(victim).names[:2] == ("0", "1")
    copy = tree_copy(RuleOracle(victim), ranges=(x.min(axis=0), x.max(axis=0)))
    assert copy.complete, copy.notes
    assert (copy.values(anywhere(x, 0)) == victim.classes(anywhere(x, 0))).all()


def test_rules_need_names():
    told = CallableOracle(lambda p: p[:, 0], 2, gradients=False, kind="rule")
    with pytest.raises(TypeError, match="expected a RuleOracle, which names columns"):
        tree_copy(told, ranges=(0, 1))


@pytest.mark.parametrize("names", [["age", "age"], ["age", " age"], ["age", ""]])
def test_columns_of_one_name_are_refused(names):
    with pytest.raises(OracleError, match="expected columns that rules tell apart"):
        RuleReader(names, single=True)


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


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [
        ("because 3 <= 1", (-INF, -INF, -INF), (INF, INF, 1)),
        ("because 3 <= 0.5 and 1 > 2.0", (-INF, np.nextafter(2, 3), -INF), (INF, INF, 0.5)),
        ("because 0.5 <= 3 <= 1.5 and 0.25 <= 0", (0.25, -INF, 0.5), (INF, INF, 1.5)),
    ],
)
def test_names_that_are_numbers_come_first_but_between_two_numbers(rule, least, most):
    found = RuleReader(["0", "1", "3"], single=False).box(rule)
    assert [end.tolist() for end in found] == [list(least), list(most)]


@pytest.mark.parametrize(
    "rule", ["", "because", "because wage > 3", "age 3", "age > 3 or income > 2", "age", "age > old"]
)
def test_rules_that_are_not_understood_are_named(rule):
    with pytest.raises(OracleError, match=f"the rule '{rule}' is not understood"):
        RuleReader(["age", "income"], single=True).box(rule)
