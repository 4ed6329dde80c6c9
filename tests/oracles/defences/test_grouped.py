import numpy as np
import pytest
import torch
from torch import nn

from divulge import GradientOracle, Grouped, Victim
from divulge.oracles import correlated_groups

POINTS = np.random.default_rng(0).standard_normal((9, 7))


@pytest.fixture(scope="module")
def oracle():
    torch.manual_seed(0)
    return GradientOracle(Victim(nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3)).double()))


@pytest.mark.parametrize("groups", [None, [5, 9, 5, 9, 9, 5, 9]])
def test_only_sums_of_groups_are_told(oracle, groups):
    exact, grouped = oracle.explain(POINTS), Grouped(oracle, 3, groups=groups)
    told = grouped.explain(POINTS)
    names = np.array([0, 0, 0, 1, 1, 1, 1] if groups is None else groups)
    for name in set(names.tolist()):
        means = exact.explanations[:, names == name].mean(axis=1, keepdims=True)
        np.testing.assert_allclose(
            told.explanations[:, names == name], means.repeat((names == name).sum(), axis=1), atol=1e-12
        )
    np.testing.assert_array_equal(told.values, exact.values)
    mine = torch.from_numpy(exact.explanations)
    np.testing.assert_allclose(grouped.imitate(mine, mine).numpy(), told.explanations, atol=1e-12)
    assert grouped.query(POINTS)[1] is None


def test_a_group_of_one_changes_nothing(oracle):
    told = Grouped(oracle, 1).explain(POINTS).explanations
    np.testing.assert_allclose(told, oracle.explain(POINTS).explanations, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_correlated_features_come_together(seed):
    rng = np.random.default_rng(seed)
    of = rng.permutation(np.repeat(np.arange(4), 3))  # four causes of three features each
    inputs = rng.normal(size=(500, 4))[:, of] * rng.choice([-3.0, 1.0], 12) + 0.1 * rng.normal(size=(500, 12))
    groups = correlated_groups(inputs, 3)
    assert all(len(set(groups[of == cause].tolist())) == 1 for cause in range(4))
    inputs[:, 5] = 1.0
    assert np.bincount(correlated_groups(inputs, 5)).tolist() == [5, 7]
    assert correlated_groups(inputs[:, :1], 1).tolist() == [0]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"k": 8}, ValueError, "k between 1 and 7, got 8"),
        (
            {"k": 2, "groups": [0, 0, 0, 0, 0, 0, 4]},
            ValueError,
            "at least 2 features in a group, got 1 in group 4",
        ),
        ({"k": 2, "groups": [0, 0]}, ValueError, "each of 7 features, got shape"),
        ({"k": 2, "groups": [0.5] * 7}, TypeError, "whole numbers that name groups, got float64"),
    ],
)
def test_senseless_groups(oracle, options, kind, message):
    with pytest.raises(kind, match=message):
        Grouped(oracle, **options)
