"""Trees of local explanations: planted groups, fidelity, what is unseen, and what is refused."""

import itertools

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score
from torch import nn

from divulge import GradientOracle, Victim
from divulge.explanations import ExplanationTree, multilevel
from divulge.explanations.fusion import _told_by
from divulge.explanations.local_models import share_of_variance
from divulge.explanations.refinement import costs


def planted(noise=0.1, n=120, groups=4, seed=0):
    """Rows round centres, each with the linear model of its group, and noisy slopes."""
    rng = np.random.default_rng(seed)
    slopes, centres = rng.standard_normal((groups, 5)), 3 * rng.standard_normal((groups, 5))
    which = np.arange(n) % groups
    x = centres[which] + rng.standard_normal((n, 5))
    values = (slopes[which] * x).sum(axis=1) + 0.5 * which
    return slopes[which] + noise * rng.standard_normal((n, 5)), x, values, which


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("side", ["points", None])
def test_planted_groups_are_a_level(noise, side):
    theta, x, values, which = planted(noise)
    tree = multilevel(theta, x, values=values, side=side)
    level = tree.cut(4)
    assert level.count == 4
    assert adjusted_rand_score(which, level.groups) >= 0.95
    assert level.fidelity > 0.99


def anywhere(seed, noise=0.4):
    """Rows that lie anywhere, each with the linear model of its group, and very noisy slopes."""
    rng = np.random.default_rng(seed)
    slopes, which = rng.standard_normal((4, 5)), rng.integers(0, 4, 200)
    x = rng.standard_normal((200, 5))
    return slopes[which] + noise * rng.standard_normal(x.shape), x, (slopes[which] * x).sum(axis=1), which


def test_rows_that_fused_with_another_group_move_over():
    before, after = [], []
    for seed in range(8):
        theta, x, values, which = anywhere(seed)
        tree = multilevel(theta, x, values=values)
        before.append(adjusted_rand_score(which, tree.cut(4).groups))
        after.append(adjusted_rand_score(which, tree.refined(4).cut(4).groups))
    assert np.mean(after) > np.mean(before) + 0.02


def test_a_refined_level_costs_no_row_more_than_another_group_would():
    theta, x, values, _ = anywhere(3)
    tree = multilevel(theta, x, values=values)
    for count in (2, 4, 7):
        groups, old = tree.refined(count).cut(count).groups, tree.cut(count).groups
        own = costs(tree.local, groups)[np.arange(len(x)), groups]
        assert (own <= costs(tree.local, groups).min(axis=1) * (1 + 1e-8)).all()
        assert own.sum() <= costs(tree.local, old)[np.arange(len(x)), old].sum()


def test_equal_explanations_can_be_refined():
    x = np.random.default_rng(0).random((10, 2))
    slopes = np.array([[1.0, 2.0], [-3.0, 1.0]])[np.arange(10) % 2]
    tree = multilevel(slopes, x, values=(slopes * x).sum(axis=1), side=None)
    assert [level.count for level in tree.levels] == [10, 2, 1]  # two of them at a penalty of zero
    for groups in (1, 2, 10):
        assert tree.refined(groups).cut(groups).count == groups


def assert_nested(tree):
    for fine, coarse in itertools.pairwise(tree.levels):
        assert fine.count > coarse.count
        assert all(len(set(coarse.groups[fine.groups == group])) == 1 for group in range(fine.count))


def two_step(tree, count):
    """Fidelity of so many clusters of the points, each with an explanation."""
    x, local = tree.local.x, tree.local
    groups = AgglomerativeClustering(count).fit_predict(x / x.std(axis=0))
    return share_of_variance(local.values, local.predictions(local.pooled(groups), groups))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.3, 0.6])
def test_a_refined_level_tells_at_least_what_two_step_does(seed, noise):
    theta, x, values, _ = planted(noise, 160, groups=5, seed=seed)
    tree = multilevel(theta, x, values=values)
    for count in (2, 3, 5, 10):
        other = tree.refined(count)
        assert other.cut(count).fidelity >= max(two_step(tree, count), tree.cut(count).fidelity) - 1e-9
        assert nx.is_arborescence(other.graph())
        assert_nested(other)


def test_more_groups_than_fused_at_any_level_leave_all_together():
    theta, x, values, _ = planted(0.3)
    tree = multilevel(theta, x, values=values)
    coarse = ExplanationTree((tree.levels[0], tree.levels[-1]), tree.local)  # nothing between
    other = coarse.refined(3)
    assert [level.count for level in other.levels] == [120, 3, 1]
    assert other.cut(3).fidelity >= two_step(tree, 3) - 1e-9
    assert nx.is_arborescence(other.graph())


def test_columns_that_do_not_vary_can_be_refined():
    theta, x, values, which = planted(0.3)
    theta, x = (np.column_stack([part, np.full(len(x), 7.0)]) for part in (theta, x))
    level = multilevel(theta, x, values=values).refined(4).cut(4)
    assert adjusted_rand_score(which, level.groups) >= 0.95


@pytest.mark.parametrize("seed", range(6))
def test_values_in_a_small_unit_fuse_without_a_warning(seed):
    rng = np.random.default_rng(seed)
    x, theta = rng.standard_normal((4, 2)), 1e12 * rng.standard_normal((2, 2))[[0, 1, 1, 0]]
    assert multilevel(theta, x, values=(theta * x).sum(axis=1), side=None).levels[-1].count == 1


@pytest.mark.parametrize("groups", [2, 3, 6])
def test_a_refined_level_explains_more_and_stays_in_a_tree(groups):
    theta, x, values, _ = anywhere(9)
    tree = multilevel(theta, x, values=values)
    other = tree.refined(groups)
    assert other.cut(groups).fidelity >= tree.cut(groups).fidelity + (0.01 if groups < 4 else 0)
    assert [other.levels[0].count, other.levels[-1].count] == [200, 1]
    assert nx.is_arborescence(other.graph())
    with pytest.raises(ValueError, match="a tree of slopes with values"):
        multilevel(theta, x).refined(groups)


def test_side_information_that_says_nothing_counts_for_nothing():
    theta, x, values, which = planted(0.3)
    elsewhere = np.random.default_rng(1).standard_normal(x.shape)
    groups = multilevel(theta, x, values=values, side=elsewhere).cut(4).groups
    assert adjusted_rand_score(which, groups) >= 0.95
    apart, told = cdist(theta, theta), cdist(x, x)
    assert _told_by(cdist(elsewhere, elsewhere), apart, 10) < 0.1
    assert _told_by(told, apart, 10) > 0.5
    assert _told_by(told, np.zeros_like(apart), 10) == 1.0


def test_levels_explain_at_least_what_clusters_of_points_do():
    theta, x, values, _ = planted(0.1, seed=3)
    tree = multilevel(theta, x, values=values)
    for level in tree.levels:
        if level.count > 20:
            continue
        groups = np.zeros(len(x), int)
        if level.count > 1:
            groups = AgglomerativeClustering(level.count).fit_predict(x)
        pooled = tree.local.pooled(groups)
        assert level.fidelity >= share_of_variance(values, tree.local.predictions(pooled, groups)) - 1e-3


def test_levels_are_nested_from_all_alone_to_all_together():
    theta, x, values, _ = planted()
    tree = multilevel(theta, x, values=values)
    assert [tree.levels[0].count, tree.levels[-1].count] == [120, 1]
    assert tree.levels[0].fidelity == pytest.approx(1)
    assert_nested(tree)
    graph = tree.graph()
    assert nx.is_arborescence(graph)
    leaves = [node for node in graph if not graph.out_degree(node)]
    assert sorted(row for node in leaves for row in graph.nodes[node]["rows"]) == list(range(120))
    root = next(node for node in graph if not graph.in_degree(node))
    assert graph.nodes[root]["explanation"] == tree.levels[-1].pooled.explanations[0].tolist()


def test_unseen_rows_fall_in_the_nearest_rows_group():
    theta, x, values, which = planted(0.05, 200)
    tree = multilevel(theta[:150], x[:150], values=values[:150])
    assert adjusted_rand_score(which[150:], tree.group_of(x[150:], 4)) >= 0.9
    assert tree.fidelity(x[150:], values[150:], 4) > 0.95
    assert tree.fidelity(x[150:], values[150:], 1) < 0.9
    with pytest.raises(ValueError, match=r"expected points of shape \(n, 5\), got \(2, 3\)"):
        tree.predict(np.zeros((2, 3)), 2)


def test_an_oracles_answers_are_taken_with_their_kind():
    torch.manual_seed(0)
    victim = Victim(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).double(), (3,))
    x = np.random.default_rng(0).standard_normal((60, 3))
    tree = multilevel(GradientOracle(victim).explain(x))
    assert tree.local.kind == "slopes"
    np.testing.assert_allclose(tree.local.values, victim.values(x)[:, 0])
    assert tree.cut(8).fidelity > 0.5


def test_effects_are_pooled_to_constants():
    _, x, _, which = planted()
    effects = np.array([[1.0, 0.0], [0.0, 3.0], [5.0, 5.0], [-4.0, 0.0]])[which]
    tree = multilevel(effects, x[:, :2], values=effects.sum(axis=1), kind="effects", side=None)
    assert tree.cut(4).fidelity == pytest.approx(1)
    assert sorted(tree.cut(4).pooled.explanations.tolist()) == sorted(np.unique(effects, axis=0).tolist())


def test_the_same_explanation_everywhere_is_one_group_at_once():
    tree = multilevel(np.ones((10, 2)), np.random.default_rng(0).random((10, 2)))
    assert [level.count for level in tree.levels] == [10, 1]
    assert tree.levels[-1].kept == 1
    with pytest.raises(ValueError, match="made without values"):
        tree.predict(np.zeros((1, 2)), 1)


def test_interruption_ends_the_path_with_all_together():
    def stop(done, total):
        if done > 20:
            raise KeyboardInterrupt

    theta, x, values, _ = planted()
    whole, part = (multilevel(theta, x, values=values, progress=p) for p in (None, stop))
    assert len(part.levels) < len(whole.levels)
    assert part.levels[-1].count == 1


def test_units_of_columns_do_not_matter():
    theta, x, values, _ = planted()
    unit = np.array([1e3, 1e-3, 1.0, 10.0, 0.1])
    tree, other = multilevel(theta, x, values=values), multilevel(theta / unit, x * unit, values=values)
    assert adjusted_rand_score(tree.cut(4).groups, other.cut(4).groups) == 1


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((np.ones((5, 2)), np.ones((5, 3))), {}, r"of the data's shape \(5, 3\), got \(5, 2\)"),
        ((np.ones((2, 2)), np.ones((2, 2))), {}, "expected 3 to 3000 rows, got 2"),
        ((np.ones((5, 2)),), {}, "expected data, the rows that are explained"),
        ((np.full((5, 2), np.nan), np.ones((5, 2))), {}, "expected finite explanations, got nan"),
        ((np.ones((5, 2)), np.ones((5, 2))), {"kind": "odd"}, "a kind slopes or effects, got 'odd'"),
        ((np.ones((5, 2)), np.ones((5, 2))), {"values": np.ones(4)}, r"values of shape \(5,\), got \(4,\)"),
        ((np.ones((5, 2)), np.ones((5, 2))), {"neighbours": 0}, "neighbours of at least 1, got 0"),
        ((np.ones((5, 2)), np.ones((5, 2))), {"side": "odd"}, "'points' or None, got 'odd'"),
        (
            (np.ones((5, 2)), np.ones((5, 2))),
            {"side": np.ones((4, 1))},
            r"side information of shape \(5, d\)",
        ),
    ],
)
def test_what_makes_no_sense_is_named(given, options, message):
    with pytest.raises(ValueError, match=message):
        multilevel(*given, **options)


def test_pictures_and_tables():
    theta, x, values, _ = planted(n=40)
    tree = multilevel(theta, x, values=values)
    assert tree.plot(3).shape == (2,)
    assert list(tree.to_frame()) == ["groups", "penalty", "fidelity", "kept", "largest"]
    assert "slopes" in tree._repr_html_()
    with pytest.raises(ValueError, match="at least one group, got 0"):
        tree.cut(0)


def test_fidelity_wants_one_finite_value_a_point():
    x = np.random.default_rng(0).random((20, 2))
    tree = multilevel(x, x, values=x.sum(axis=1))
    with pytest.raises(ValueError, match=r"values of shape \(20,\), one for each point, got \(1,\)"):
        tree.fidelity(x, [1.0], 3)
    with pytest.raises(ValueError, match="got nan"):
        tree.fidelity(x, np.full(20, np.nan), 3)
    with pytest.raises(ValueError, match="got nan"):
        tree.leak_curve(x, np.full(20, np.nan))
