import numpy as np
import pytest

from divulge._core import refit_boosting
from divulge.reference import boosting as slow

LOSSES = {"squared": 1, "logistic": 1, "softmax": 3, "exponential": 1, "poisson": 1}
RULE = {"rate": 0.3, "l2": 0.7, "curvature": 1.5}


def problem(loss, n=40, rounds=4, seed=0):
    """Leaves (n, T, K) from 0 on, the place where each tree's begin, targets, weights."""
    rng, outputs = np.random.default_rng(seed), LOSSES[loss]
    sizes = rng.integers(1, 7, (rounds, outputs))
    leaves = rng.integers(0, sizes, (n, rounds, outputs))
    first = np.concatenate([[0], np.cumsum(sizes.ravel())])
    if loss in ("squared", "poisson"):
        targets = rng.poisson(2.0, (n, 1)).astype(float)
    elif loss == "softmax":
        targets = np.eye(outputs)[rng.integers(0, outputs, n)]
    else:
        targets = rng.integers(0, 2, (n, 1)).astype(float)
    return leaves, first, targets, rng.uniform(0.5, 2, n)


def stacked(leaves):
    """Leaves (T K, n)."""
    return leaves.reshape(len(leaves), -1).T


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("columns", [1, 8, 11])
def test_equals_boosting_sample_by_sample(loss, columns):
    leaves, first, targets, weights = problem(loss, seed=columns)
    rng = np.random.default_rng(1)
    start = rng.normal(size=(LOSSES[loss], columns))
    left_out = rng.random((len(targets), columns)) < 0.1
    left_out[leaves[:, 0, 0] == 0, 0] = True  # nothing is left in that leaf
    left_out[:3, 0] = False
    rows, of = np.nonzero(left_out)
    values = refit_boosting(loss, stacked(leaves), first, targets, weights, start, rows, of, **RULE)
    assert values.shape == (first[-1], columns)
    for b in range(columns):
        kept = np.where(left_out[:, b], 0.0, weights)
        _, trees = slow.refit_boosting(loss, leaves, targets, kept, lambda _, b=b: start[:, b], **RULE)
        for tree, begin in zip((tree for trees_ in trees for tree in trees_), first, strict=False):
            for leaf, value in tree.items():
                np.testing.assert_allclose(values[begin + leaf, b], value, rtol=1e-11, atol=1e-13)


def test_columns_do_not_touch_each_other():
    leaves, first, targets, weights = problem("logistic")
    start = np.random.default_rng(2).normal(size=(1, 9))
    given = stacked(leaves), first, targets, weights
    together = refit_boosting("logistic", *given, start, [3, 5], [1, 8], **RULE)
    alone = refit_boosting("logistic", *given, start[:, 8:], [5], [0], **RULE)
    np.testing.assert_array_equal(together[:, 8:], alone)


@pytest.mark.parametrize("margin", [-800.0, -40.0, 0.0, 40.0, 800.0])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_margins_far_out_are_probabilities_of_0_and_1(loss, margin):
    outputs = LOSSES[loss]
    leaves, start = np.zeros((2, 1, outputs), int), np.zeros((outputs, 1))
    targets = np.zeros((2, outputs))
    start[0] = margin
    values = refit_boosting(
        loss, stacked(leaves), np.arange(outputs + 1), targets, np.ones(2), start, [], [], rate=1.0, l2=1.0
    )
    powers = np.exp(start - start.max()) if outputs > 1 else None
    p = powers[0, 0] / powers.sum() if outputs > 1 else np.exp(-np.logaddexp(0, -margin))
    np.testing.assert_allclose(values[0, 0], -2 * p / (2 * p * (1 - p) + 1), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "absolute"}, "got absolute"),
        ({"leaves": np.zeros((3, 40), int)}, "expected 4 places where leaves begin"),
        ({"leaves": np.zeros((4, 39), int)}, r"expected leaves of shape \(4, 40\), got \(4, 39\)"),
        ({"leaves": np.full((4, 40), 9)}, "leaf 9 of tree 0, which has"),
        ({"leaves": np.full((4, 40), -1)}, "leaf -1 of tree 0"),
        ({"first": np.arange(3)}, "5 places where leaves begin"),
        ({"leaves": np.zeros((4, 40), int), "first": np.array([0, 2, 1, 3, 4])}, "tree 1 has -1 leaves"),
        ({"first": np.array([-1])}, "expected a tree"),
        ({"weights": np.ones(3)}, "expected 40 weights, got 3"),
        ({"start": np.zeros((2, 1))}, "a start for each output"),
        ({"rows": [40]}, "no sample 40"),
        ({"columns": [1]}, "no column 1"),
        ({"columns": [0, 0]}, "as many columns as rows"),
    ],
)
def test_what_does_not_fit_is_said(change, message):
    leaves, first, targets, weights = problem("squared")
    given = {
        "loss": "squared",
        "leaves": stacked(leaves),
        "first": first,
        "targets": targets,
        "weights": weights,
        "start": np.zeros((1, 1)),
        "rows": [1],
        "columns": [0],
    }
    with pytest.raises(ValueError, match=message):
        refit_boosting(**(given | change), **RULE)
