"""What an API returns, asked through a function, and what is refused of it."""

import numpy as np
import pytest

from divulge.attributions import Shap
from divulge.errors import BudgetExhausted, OracleError
from divulge.oracles import LiveOracle, Rounded

X = np.random.default_rng(0).normal(size=(6, 3))
CLASSES = ("no", "yes")


def label(points):
    return np.where(points[:, 0] > 0, "yes", "no")


def probability(points):
    p = 1 / (1 + np.exp(-points[:, 0]))
    return np.stack([1 - p, p], axis=1)


def test_labels_of_any_type_are_numbered():
    oracle = LiveOracle(label, 3, tells="label", classes=CLASSES, budget=10)
    answers = oracle.explain(X)
    np.testing.assert_array_equal(answers.labels, X[:, 0] > 0)
    assert answers.probabilities is None
    assert not oracle.has_explanations
    assert oracle.ledger.by_kind == {"label": 6}
    with pytest.raises(BudgetExhausted):
        oracle.explain(X)
    listed = LiveOracle(lambda points: label(points).tolist(), 3, tells="label", classes=CLASSES)
    np.testing.assert_array_equal(listed.explain(X).labels, answers.labels)


def test_probabilities_add_up_to_one_after_rounding_too():
    oracle = LiveOracle(lambda points: probability(points).round(2), 3, tells="probability", classes=CLASSES)
    answers = oracle.explain(X)
    np.testing.assert_allclose(answers.probabilities, probability(X), atol=0.006)
    np.testing.assert_array_equal(answers.labels, X[:, 0] > 0)


def test_explanations_are_of_the_kind_that_is_said():
    oracle = LiveOracle(lambda points: 2 * points, 3, tells=Shap(0.5), classes=CLASSES, output=1)
    answers = oracle.explain(X)
    assert oracle.kind == "shap"
    assert oracle.has_explanations
    assert answers.attribution == Shap(0.5)
    np.testing.assert_array_equal(answers.explanations, 2 * X)
    assert (answers.outputs == 1).all()
    np.testing.assert_array_equal(Rounded(oracle, decimals=0).explain(X).explanations, (2 * X).round())


def test_calls_that_fail_in_passing_are_tried_again():
    calls = []

    def flaky(points):
        calls.append(len(points))
        if len(calls) % 3:
            raise OSError("429")
        return label(points)

    oracle = LiveOracle(flaky, 3, tells="label", classes=CLASSES, retries=2, backoff=0.0)
    assert len(oracle.explain(X)) == 6
    assert len(calls) == 3
    assert oracle.ledger.total == 6


@pytest.mark.parametrize(
    ("tells", "fn", "message"),
    [
        ("label", lambda p: ["perhaps"] * len(p), "the label 'perhaps', none of the classes 'no', 'yes'"),
        ("label", lambda p: ["yes"], "expected 6 labels, the oracle returned 1"),
        ("probability", lambda p: np.ones((len(p), 3)), r"shape \(6, 2\), the oracle returned \(6, 3\)"),
        ("probability", lambda p: np.ones((len(p), 2)), "probabilities that add up to 1"),
        ("shap", lambda p: p[:, :2], r"shape \(6, 3\), the oracle returned \(6, 2\)"),
        ("shap", lambda p: p * np.nan, r"explanations \(shap\) with nan"),
        ("label", lambda p: 1 / 0, "the oracle failed on 6 points: ZeroDivisionError"),
    ],
)
def test_an_answer_of_another_kind_is_refused(tells, fn, message):
    with pytest.raises(OracleError, match=message):
        LiveOracle(fn, 3, tells=tells, classes=CLASSES).explain(X)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tells": "words"}, ValueError, "expected an attribution named gradient"),
        ({"tells": "random"}, TypeError, "expected label, probability or an explanation, got 'random'"),
        ({"classes": ("no",)}, ValueError, "expected two classes or more, each once, got 'no'"),
        ({"classes": ("no", "no")}, ValueError, "each once"),
    ],
)
def test_senseless_oracles(options, error, message):
    with pytest.raises(error, match=message):
        LiveOracle(label, 3, **{"tells": "label", "classes": CLASSES, **options})


@pytest.mark.parametrize("label", [None, {"label": "no"}, ["no"]])
def test_labels_that_can_be_no_class_are_named(label):
    told = np.empty(2, object)
    told[:] = [label, label]
    oracle = LiveOracle(lambda points: told, 2, tells="label", classes=["no", "yes"])
    with pytest.raises(OracleError, match="returned the label"):
        oracle.explain(np.zeros((2, 2)))
