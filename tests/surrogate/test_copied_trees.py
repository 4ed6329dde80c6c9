"""Trees and sums of trees rebuilt from their SHAP values."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import (
    CounterfactualOracle,
    GradientOracle,
    LimeOracle,
    LiveOracle,
    Rounded,
    ShapOracle,
)
from divulge.oracles.exact_shap import of_subsets
from divulge.surrogate import tree_copy
from divulge.surrogate.grown_tree import GrownTree
from divulge.surrogate.leaf_checks import at_leaves
from divulge.surrogate.thresholds import Thresholds
from divulge.surrogate.tree_from_counterfactuals import BordersOfTree

X, Y = load_diabetes(return_X_y=True)
X = X[:, [2, 3, 8, 1]]
BOX = (X.min(axis=0), X.max(axis=0))
W, KIND = load_wine(return_X_y=True)


def table(x, y):
    return Dataset("table", *map(torch.from_numpy, (x, y, x, y)))


def anywhere(x, n=2000):
    rng = np.random.default_rng(7)
    spread = rng.uniform(x.min(axis=0), x.max(axis=0), (n, x.shape[1]))
    return np.concatenate([x, rng.permuted(x, axis=0), spread])


def tree(depth=4):
    return DecisionTreeRegressor(max_depth=depth, random_state=0).fit(X, Y)


@pytest.mark.parametrize("data", [None, table(X, Y)])
@pytest.mark.parametrize("depth", [1, 5])
def test_a_single_tree_is_exact(depth, data):
    model = tree(depth)
    oracle = ShapOracle(Victim(model), background=X[:20])
    copy = tree_copy(oracle, data, ranges=BOX)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total
    assert copy.model.leaves <= 1.5 * model.get_n_leaves()
    np.testing.assert_allclose(copy.values(anywhere(X)), model.predict(anywhere(X)), rtol=1e-9)
    used = model.tree_.feature >= 0
    for number, cut in zip(model.tree_.feature[used], model.tree_.threshold[used], strict=True):
        right = copy.thresholds[number]
        left = np.nextafter(right.astype(np.float32), np.float32(-np.inf))
        assert ((left <= cut) & (cut < right)).any()


def test_a_tree_whose_leaves_share_their_values():
    model = DecisionTreeClassifier(random_state=0).fit(W, KIND)
    victim = Victim(model)
    for output in range(3):
        copy = tree_copy(ShapOracle(victim, background=W[:20]), table(W, KIND), output=output)
        assert copy.complete, copy.notes
        np.testing.assert_allclose(copy.values(anywhere(W)), victim.values(anywhere(W))[:, output], atol=1e-9)


def test_boosted_trees_are_solved_for():
    model = GradientBoostingRegressor(n_estimators=6, max_depth=2, random_state=0).fit(X, Y)
    copy = tree_copy(ShapOracle(Victim(model), background=X[:20]), table(X, Y))
    assert copy.complete, copy.notes
    assert len(copy.model) < 60
    np.testing.assert_allclose(copy.values(anywhere(X)), model.predict(anywhere(X)), rtol=1e-6)


def test_thresholds_in_double_precision():
    model = HistGradientBoostingRegressor(max_iter=3, max_depth=3, min_samples_leaf=40).fit(X, Y)
    copy = tree_copy(ShapOracle(Victim(model), background=X[:20]), table(X, Y), single=False)
    assert copy.complete, copy.notes
    np.testing.assert_allclose(copy.values(anywhere(X)), model.predict(anywhere(X)), rtol=1e-6)


def test_a_small_forest():
    model = RandomForestClassifier(n_estimators=4, max_depth=2, random_state=0).fit(W[:, :5], KIND == 1)
    victim = Victim(model)
    copy = tree_copy(ShapOracle(victim, background=W[:20, :5], output=1), table(W[:, :5], KIND))
    assert copy.complete, copy.notes
    places = anywhere(W[:, :5])
    np.testing.assert_allclose(copy.values(places), victim.values(places)[:, 1], atol=1e-6)


def test_the_same_seed_asks_the_same():
    copies = [tree_copy(ShapOracle(Victim(tree()), background=X[:20]), ranges=BOX, seed=3) for _ in range(2)]
    assert copies[0].queries == copies[1].queries
    np.testing.assert_array_equal(copies[0].values(X), copies[1].values(X))


def test_explanations_alone_leave_the_mean_open():
    oracle = ShapOracle(Victim(tree(2)), background=X[:20], values=False)
    copy = tree_copy(oracle, ranges=BOX)
    assert copy.complete
    assert np.isnan(copy.base)
    assert "do not show the mean" in copy.notes[-1]


def test_a_constant_model_and_constant_columns():
    oracle = LiveOracle(np.zeros_like, 3, tells="shap", classes=("no", "yes"))
    copy = tree_copy(oracle, ranges=([0.0, 1.0, 2.0], [1.0, 1.0, 2.5]))
    assert copy.complete
    assert len(copy.known) == 0


def test_models_that_are_no_trees_are_named():
    copy = tree_copy(ShapOracle(Victim(LinearRegression().fit(X, Y)), background=X[:20]), ranges=BOX)
    assert not copy.complete
    assert "enters by a line: the model is no sum of trees" in copy.notes[0]
    oracle = LiveOracle(np.sin, 3, tells="shap", classes=("no", "yes"))
    copy = tree_copy(oracle, ranges=(-2.0, 3.0))
    assert "enters by a curve: the model is no sum of trees" in copy.notes[0]


def test_noisy_answers_are_given_up_on():
    rng = np.random.default_rng(0)
    oracle = LiveOracle(lambda p: (p > 0) + rng.normal(0, 0.1, p.shape), 2, tells="shap", classes=(0, 1))
    copy = tree_copy(oracle, ranges=(-1, 1), most=30)
    assert not copy.complete
    assert any("is no sum of trees" in note or "rounded or noisy" in note for note in copy.notes)


@pytest.mark.parametrize("budget", [3, 60, 400])
def test_a_budget_that_ends_leaves_what_is_known(budget):
    model = GradientBoostingRegressor(n_estimators=6, max_depth=2, random_state=0).fit(X, Y)
    oracle = ShapOracle(Victim(model), background=X[:20], budget=budget)
    copy = tree_copy(oracle, table(X, Y))
    assert not copy.complete
    assert copy.queries <= budget
    assert f"the budget of {budget} queries ran out" in copy.notes[0]
    assert budget == 3 or np.isfinite(copy.values(X)).all()


def test_an_interrupt_leaves_what_is_known():
    def stop(answers, thresholds):
        if answers > 150:
            raise KeyboardInterrupt

    copy = tree_copy(ShapOracle(Victim(tree()), background=X[:20]), table(X, Y), progress=stop)
    assert copy.notes[0] == "interrupted by the user"
    assert np.isfinite(copy.values(X)).all()


def test_senseless_calls():
    oracle = ShapOracle(Victim(tree(1)), background=X[:20])
    with pytest.raises(ValueError, match="expected data, or ranges="):
        tree_copy(oracle)
    with pytest.raises(ValueError, match="a number of thresholds"):
        tree_copy(oracle, ranges=BOX, most=-1)
    with pytest.raises(ValueError, match="a seed of at least 0"):
        tree_copy(oracle, ranges=BOX, seed=-1)
    with pytest.raises(TypeError, match="tells SHAP values, got gradient"):
        tree_copy(GradientOracle(Victim(torch.nn.Linear(3, 1))), ranges=(0, 1))


def test_path_dependent_values_of_xgboost():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=2, n_jobs=1).fit(X, Y)
    booster = model.get_booster()

    def told(points):
        return booster.predict(xgboost.DMatrix(points), pred_contribs=True)[:, :-1]

    oracle = LiveOracle(told, 4, tells="shap", classes=("no", "yes"))
    copy = tree_copy(oracle, table(X, Y))
    assert copy.complete, copy.notes
    places = anywhere(X)
    ours = copy.model(copy.known.bits(copy.known.bins(places.astype(np.float32).astype(np.float64))))
    np.testing.assert_allclose(ours - ours[0], (p := model.predict(places)) - p[0], atol=1e-3)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_tree_that_reads_float64_is_not_called_known_by_a_copy_that_asks_float32(depth):
    rng = np.random.default_rng(depth)
    times = 1.7e9 + rng.integers(0, 5000, (400, 1)).astype(float)
    x = np.concatenate([times, rng.standard_normal((400, 1))], axis=1)
    y = np.sin(times[:, 0] / 300) + x[:, 1] * (times[:, 0] > 1.7e9 + 2500)
    model = HistGradientBoostingRegressor(max_iter=2, max_depth=depth, learning_rate=0.5).fit(x, y)
    copy = tree_copy(ShapOracle(Victim(model), background=x[:20]), table(x, y))
    assert np.abs(copy.values(x) - model.predict(x)).max() > 0.01
    assert not copy.complete
    assert "pass single=False" in copy.notes[-1]


def test_rows_with_missing_numbers_are_left_out():
    holes = X.copy()
    holes[::2, 3] = np.nan
    copy = tree_copy(ShapOracle(Victim(tree(2)), background=X[:20]), table(holes, Y), ranges=BOX)
    assert copy.complete, copy.notes
    np.testing.assert_allclose(copy.values(X), tree(2).predict(X), rtol=1e-9)


def test_values_that_were_rounded_are_said_where_no_sum_shows_it():
    oracle = Rounded(ShapOracle(Victim(tree(2)), background=X[:20], values=False), decimals=3)
    copy = tree_copy(oracle, table(X, Y))
    assert "no SHAP value has more than 3 decimals: where they were rounded, so is the copy" in copy.notes


@pytest.mark.parametrize("data", [None, table(X, Y > 140)])
@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        MLPClassifier((8,), max_iter=2000, random_state=1),
        DecisionTreeClassifier(max_depth=3),
    ],
)
def test_steps_that_are_oblique_are_noticed_early(last, data):
    """Classes named by a model that weighs numbers together: their SHAP values are steps that never end."""
    rotated = [PCA()] if isinstance(last, DecisionTreeClassifier) else []
    model = make_pipeline(StandardScaler(), *rotated, last).fit(X, Y > 140)

    def told(points):
        return of_subsets(lambda rows: np.eye(2)[model.predict(rows).astype(int)], points, X[:10])[:, :, 1]

    copy = tree_copy(LiveOracle(told, 4, tells="shap", classes=[0, 1]), data, ranges=BOX)
    assert not copy.complete
    assert copy.queries < 600
    assert "weighs numbers together" in copy.notes[0]


def tree_victim(seed, classes=2, depth=None, d=5, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (300, d)).astype(dtype)
    y = (x[:, 0] * x[:, 1] + x[:, 2] + 0.2 * rng.standard_normal(300)) * classes
    y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    return x, Victim(DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(x, y))


@pytest.mark.parametrize(("classes", "depth"), [(2, 1), (2, 4), (3, 3)])
@pytest.mark.parametrize("seed", range(2))
def test_a_tree_from_nearest_counterfactuals(classes, depth, seed):
    x, victim = tree_victim(seed, classes, depth)
    copy = tree_copy(CounterfactualOracle(victim, data=x, nearest=True), ranges=(-1, 1), seed=seed)
    assert copy.complete, copy.notes
    points = np.random.default_rng(9).uniform(-1, 1, (3000, x.shape[1]))
    assert (copy.values(points) == victim.classes(points)).mean() > 0.999
    tree = victim.module.estimator.tree_
    for number, several in enumerate(copy.known.left):
        own = tree.threshold[tree.feature == number]
        for left, right in zip(several, copy.known.right[number], strict=True):
            assert ((left <= own) & (own < right)).any()  # in float32 neighbours


@pytest.mark.parametrize("seed", range(3))
def test_nearest_inputs_of_another_leaf_are_nearest(seed):
    x, victim = tree_victim(seed, 3, 6)
    told = CounterfactualOracle(victim, data=x, nearest=True).explain(x[:40])
    start, end = told.points[:40], told.points[40:]
    assert (told.labels[:40] != told.labels[40:]).all()
    far = np.linalg.norm(end - start, axis=1)
    directions = np.random.default_rng(seed).standard_normal((200, 5))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for point, label, reach in zip(start, told.labels, far, strict=False):
        assert (victim.classes(point + 0.999 * reach * directions) == label).all()


@pytest.mark.parametrize("nearest", [True, False])
def test_what_is_no_single_tree_is_not_complete(nearest):
    x, victim = tree_victim(0)
    if nearest:
        torch.manual_seed(0)
        victim = Victim(torch.nn.Sequential(torch.nn.Linear(5, 1)).double(), (5,))
    oracle = CounterfactualOracle(victim, data=x, nearest=nearest, generations=3)
    copy = tree_copy(oracle, ranges=(-1, 1), single=not nearest)
    assert not copy.complete
    assert "counterfactuals do not lie at thresholds" in copy.notes[0] or "float32" in copy.notes[0]


def test_a_budget_of_counterfactuals_that_ends_is_said():
    x, victim = tree_victim(1)
    copy = tree_copy(CounterfactualOracle(victim, data=x, nearest=True, budget=150), ranges=(-1, 1))
    assert not copy.complete
    assert copy.queries <= 150
    assert "budget" in copy.notes[0]
    assert len(copy.values(x)) == len(x)


@pytest.mark.parametrize(("classes", "output"), [(2, 1), (3, 0)])
def test_a_tree_from_values_beside_lime(classes, output):
    x, victim = tree_victim(3, classes, 2)
    copy = tree_copy(LimeOracle(victim, samples=1, output=output), ranges=(-1, 1))
    assert copy.complete, copy.notes
    points = np.random.default_rng(9).uniform(-1, 1, (3000, x.shape[1]))
    off = np.abs(copy.values(points) - victim.values(points)[:, output])
    assert (off < 1e-9).mean() > 0.999


def test_values_beside_lime_tell_no_sum_of_trees():
    x, _ = tree_victim(4)
    forest = GradientBoostingRegressor(n_estimators=8, max_depth=2, random_state=0).fit(x, x[:, 0] * x[:, 1])
    copy = tree_copy(LimeOracle(Victim(forest), samples=1), ranges=(-1, 1))
    assert not copy.complete
    assert any("a sum of trees takes SHAP values" in note for note in copy.notes)


@pytest.mark.parametrize("seed", range(4))
def test_both_sides_of_all_borders_of_all_leaves_are_asked(seed):
    rng = np.random.default_rng(seed)
    known = Thresholds(-np.ones(4), np.ones(4))
    for number in range(4):
        left = np.sort(rng.uniform(-1, 1, 5))
        known.add(number, left, np.nextafter(left, 2))
    bins = rng.integers(0, 6, (200, 4))
    tree = GrownTree(known.counts, bins, (bins[:, 0] > bins[:, 1]) * 1.0 + (bins[:, 2] > 3), 0.5)
    tree.grow(None, rng)
    points = at_leaves(tree, known, rng)
    assert (np.abs(points) <= 1).all()
    leaves, at = tree.leaf_of(known.bins(points)), known.bins(points)
    for node in np.flatnonzero(np.array(tree.number) < 0):
        assert (leaves == node).sum() >= 10
        low, high = tree.boxes[node]
        for i in range(4):
            others = [k for k in range(4) if k != i]
            beside = ((at[:, others] >= low[others]) & (at[:, others] <= high[others])).all(axis=1)
            if low[i] > 0:
                assert known.left[i][low[i] - 1] in points[beside, i]
                assert known.right[i][low[i] - 1] in points[beside, i]
            if high[i] < known.counts[i]:
                assert known.left[i][high[i]] in points[beside, i]
                assert known.right[i][high[i]] in points[beside, i]


@pytest.mark.parametrize("seed", range(3))
def test_a_leaf_that_is_seldom_met_is_checked_too(seed, monkeypatch):
    """A tree grown wrong in its smallest leaf is found out by what is asked beside that leaf."""
    x, victim = tree_victim(seed, 2, 5)
    monkeypatch.setattr(Thresholds, "fresh", lambda known, n, rng, data: [])
    oracle = CounterfactualOracle(victim, data=x, nearest=True)
    told = BordersOfTree(oracle, Thresholds(-np.ones(5), np.ones(5)), True, x, np.random.default_rng(seed))
    assert told.run()
    leaves = [node for node, number in enumerate(told.tree.number) if number < 0]
    sizes = [np.prod(told.tree.boxes[node][1] - told.tree.boxes[node][0] + 1) for node in leaves]
    smallest = leaves[int(np.argmin(sizes))]
    told.tree.value[smallest] = 1 - told.tree.value[smallest]
    assert not told.foretells()


def test_what_a_copy_was_checked_at_is_said():
    x, victim = tree_victim(0, 2, 2)
    for oracle in (CounterfactualOracle(victim, data=x, nearest=True), LimeOracle(victim, samples=1)):
        copy = tree_copy(oracle, ranges=(-1, 1))
        assert copy.complete
        assert f"each border of {copy.model.leaves} leaves" in copy.notes[-1]
