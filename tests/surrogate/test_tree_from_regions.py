"""Trees rebuilt from nearest inputs of another class inside of boxes."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from divulge import Victim
from divulge.errors import UnsupportedModel
from divulge.oracles import CounterfactualOracle, LabelOracle, ShapOracle
from divulge.surrogate import tree_copy
from divulge.victims import joined_trees
from divulge.victims.trees import leaves_of


def case(load, seed, **options):
    x, y = load(return_X_y=True)
    model = DecisionTreeClassifier(random_state=seed, **options).fit(x, y)
    return x, Victim(model), (x.min(axis=0), x.max(axis=0))


def anywhere(x, seed):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(x.min(axis=0), x.max(axis=0), (3000, x.shape[1]))
    return np.concatenate([x, rng.permuted(x, axis=0), spread])


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_tell_a_tree_for_certain(load, seed):
    x, victim, box = case(load, seed, max_depth=(None, 5, 1)[seed])
    oracle = CounterfactualOracle(victim, nearest=True)
    copy = tree_copy(oracle, ranges=box, regions=True)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total < 1000
    points = anywhere(x, seed)
    assert (copy.values(points) == victim.classes(points)).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_in_a_box_is_the_nearest_of_many(seed):
    x, victim, (low, high) = case(load_wine, seed)
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(low, high, (2, 12, x.shape[1]))
    least, most = np.minimum(one, other), np.maximum(one, other)
    points = rng.uniform(least, most)
    told = CounterfactualOracle(victim, nearest=True).within(points, least, most)
    found, labels = told.points[12:], victim.classes(points)
    assert ((found >= least) & (found <= most)).all()
    for i, point in enumerate(points):
        tried = rng.uniform(least[i], most[i], (20_000, x.shape[1]))
        tried = tried[victim.classes(tried) != labels[i]]
        same = told.labels[12 + i] == labels[i]
        assert same == (found[i] == point).all()
        if len(tried):
            assert not same
            assert np.linalg.norm(found[i] - point) <= np.linalg.norm(tried - point, axis=1).min()


FORESTS = {
    "forest": lambda seed: RandomForestClassifier(2 + seed, max_depth=3 - seed, random_state=seed),
    "boosting": lambda seed: GradientBoostingClassifier(
        n_estimators=2, max_depth=2 - seed, random_state=seed
    ),
}


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("seed", range(2))
def test_forests_of_few_trees_fall_as_one(kind, seed):
    x, y = load_wine(return_X_y=True)
    x = x[:, :5] + seed
    victim = Victim(FORESTS[kind](seed).fit(x, y))
    box = x.min(axis=0), x.max(axis=0)
    copy = tree_copy(CounterfactualOracle(victim, nearest=True), ranges=box, regions=True, seed=seed)
    assert copy.complete, copy.notes
    points = anywhere(x, seed)
    assert (copy.values(points) == victim.classes(points)).all()


def test_many_trees_are_not_joined():
    x, y = load_wine(return_X_y=True)
    victim = Victim(RandomForestClassifier(30, random_state=0).fit(x, y))
    with pytest.raises(UnsupportedModel):
        CounterfactualOracle(victim, nearest=True)


def test_trees_that_are_too_many_are_left_at_once(monkeypatch):
    x, y = load_wine(return_X_y=True)
    victim = Victim(RandomForestClassifier(30, random_state=0).fit(x, y))
    meeting, compared = joined_trees._meeting, []
    monkeypatch.setattr(joined_trees, "MOST", 40)
    monkeypatch.setattr(joined_trees, "_meeting", lambda *both: compared.append(1) or meeting(*both))
    assert joined_trees.joined_tree(victim) is None
    leaves = leaves_of(victim)
    first = [len(tree.tree_.value[tree.tree_.children_left < 0]) for tree in victim.module.estimator]
    assert np.diff([*leaves.starts, len(leaves.value)]).tolist() == first
    assert len(compared) < 41 * max(first) * 2  # of 30 trees only those were compared that make 40 boxes


def test_a_budget_that_ends_leaves_boxes():
    _, victim, box = case(load_wine, 0)
    copy = tree_copy(CounterfactualOracle(victim, nearest=True, budget=9), ranges=box, regions=True)
    assert not copy.complete
    assert copy.queries == 9
    assert "boxes were not asked about" in copy.notes[-1]
    copy = tree_copy(CounterfactualOracle(victim, nearest=True, budget=0), ranges=box, regions=True)
    assert copy.notes[-1] == "1 boxes were not asked about"


class SaysOneClass(CounterfactualOracle):
    """Tells of boxes in the upper half of a number that they hold no other class."""

    def within(self, points, low, high):
        told = super().within(points, low, high)
        if low[0][0] > self.least:
            told.points[1], told.labels[1] = told.points[0], told.labels[0]
        return told


@pytest.mark.parametrize("seed", range(3))
def test_a_box_that_was_told_wrong_is_found_out(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(300, 2))
    y = (x[:, 0] > 0.5) & (x[:, 1] > rng.uniform(0.3, 0.7))
    victim = Victim(DecisionTreeClassifier(random_state=seed).fit(x, y))
    for kind, complete in ((CounterfactualOracle, True), (SaysOneClass, False)):
        oracle = kind(victim, nearest=True)
        oracle.least = 0.3
        copy = tree_copy(oracle, ranges=(0, 1), regions=True, seed=seed)
        assert copy.complete == complete
        assert copy.queries == oracle.ledger.total
    assert "fresh inputs are of another class than was told of their box" in copy.notes[-1]


def test_what_cannot_be_asked_is_refused():
    _, victim, (low, high) = case(load_wine, 0)
    oracle = CounterfactualOracle(victim)
    with pytest.raises(ValueError, match="nearest=True of a single tree"):
        oracle.within(low[None], low[None], high[None])
    with pytest.raises(ValueError, match="1 boxes with the points inside"):
        CounterfactualOracle(victim, nearest=True).within(high[None] + 1, low[None], high[None])
    for other in (LabelOracle(victim), ShapOracle(victim)):
        with pytest.raises(TypeError, match="a CounterfactualOracle where regions are asked for"):
            tree_copy(other, ranges=(low, high), regions=True)
