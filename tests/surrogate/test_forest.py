"""Forests copied from few explained answers."""

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from divulge import GradientOracle, LabelOracle, Victim
from divulge.oracles import LimeOracle, LiveOracle, ShapOracle
from divulge.surrogate import forest_copy


def treed(seed, classes=2, d=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, d))
    score = x[:, 0] + (x[:, 1] > 0)
    y = np.searchsorted(np.quantile(score, np.arange(1, classes) / classes), score)
    return Victim(DecisionTreeClassifier(max_depth=4, random_state=seed).fit(x, y)), x


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("classes", [2, 3])
def test_fifty_answers_tell_more_than_their_classes_alone(seed, classes):
    victim, x = treed(seed, classes)
    true = victim.classes(x)
    copy = forest_copy(ShapOracle(victim, background=x[:20]), x[:20], queries=50, seed=seed)
    assert copy.queries == 50
    assert not copy.notes
    assert np.mean(copy.classes(x) == true) > 0.75
    again = forest_copy(ShapOracle(victim, background=x[:20]), x[:20], queries=50, seed=seed)
    assert np.array_equal(again.classes(x), copy.classes(x))


def test_a_budget_that_ends_is_said_and_one_class_is_named():
    victim, x = treed(0)
    ended = forest_copy(LimeOracle(victim, samples=20, budget=30), x[:10], queries=50)
    assert ended.queries == 30
    assert "budget" in ended.notes[0]
    one = x[victim.classes(x) == 1][:1]
    alone = forest_copy(LimeOracle(victim, samples=20), one, queries=1)
    assert alone.model is None
    assert (alone.classes(x) == 1).all()


def test_a_budget_of_less_than_the_known_rows_is_spent():
    victim, x = treed(0)
    copy = forest_copy(LimeOracle(victim, samples=20, budget=7), x[:10], queries=50)
    assert copy.queries == 7
    assert copy.model is not None
    assert "budget" in copy.notes[0]


def test_what_one_output_means_is_guessed_aloud():
    torch.manual_seed(0)
    logit = torch.nn.Linear(6, 1)
    x = np.random.default_rng(0).normal(size=(200, 6))
    for net, guessed in ((logit, False), (torch.nn.Sequential(logit, torch.nn.Sigmoid()), True)):
        oracle = GradientOracle(Victim(net, (6,), lower=False))
        copy = forest_copy(oracle, x[:20], queries=60)
        assert any("taken for probabilities" in note for note in copy.notes) == guessed
        assert np.mean(copy.classes(x) == (logit(torch.tensor(x).float())[:, 0] > 0).numpy()) > 0.75


def test_what_it_cannot_be_asked_of_is_named():
    victim, x = treed(0)
    with pytest.raises(ValueError, match="tells explanations, got label"):
        forest_copy(LabelOracle(victim), x, queries=5)
    alone = LiveOracle(lambda p: p, 6, tells="shap", classes=(0, 1))
    with pytest.raises(ValueError, match="expected labels or values beside explanations, shap tells none"):
        forest_copy(alone, x, queries=5)
    with pytest.raises(ValueError, match="at least one known row"):
        forest_copy(ShapOracle(victim), x[:0], queries=5)
    with pytest.raises(ValueError, match="a width of 6 finite numbers"):
        forest_copy(ShapOracle(victim), x, queries=5, width=np.ones(3))
    with pytest.raises(TypeError, match="expected an oracle such as ShapOracle"):
        forest_copy(victim, x, queries=5)
