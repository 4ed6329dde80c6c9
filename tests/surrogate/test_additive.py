"""Additive models of tables rebuilt exactly from their SHAP values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

import divulge
from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import GradientOracle, LiveOracle, Rounded, ShapOracle
from divulge.surrogate import additive_copy

X, Y = load_breast_cancer(return_X_y=True)
BOX = (X.min(axis=0), X.max(axis=0))
DATA = Dataset("cancer", *map(torch.from_numpy, (X, Y, X[400:], Y[400:])))


@pytest.fixture(scope="module")
def stumps():
    return GradientBoostingClassifier(n_estimators=40, max_depth=1, random_state=0).fit(X, Y)


def thresholds_of(model):
    found = [set() for _ in range(X.shape[1])]
    for tree in model.estimators_[:, 0]:
        found[tree.tree_.feature[0]].add(tree.tree_.threshold[0])
    return found


@pytest.mark.parametrize("data", [None, DATA])
def test_stumps_come_out_bit_for_bit(stumps, data):
    victim = Victim(stumps)
    oracle = ShapOracle(victim, background=X[:20])
    copy = additive_copy(oracle, data, ranges=BOX)
    true = thresholds_of(stumps)
    assert copy.complete, copy.notes
    assert copy.queries == oracle.ledger.total <= 2 * sum(map(len, true)) + (150 if data is None else 50)
    for shape, right, expected in zip(copy.shapes, copy.thresholds, true, strict=True):
        left = shape.thresholds()[0]
        cuts = np.sort(list(expected))
        assert len(left) == len(cuts)
        assert ((left <= cuts) & (cuts < right)).all()
        assert (np.nextafter(left.astype(np.float32), np.float32(np.inf)) == right).all()
    np.testing.assert_allclose(copy.values(X), victim.values(X)[:, 0], atol=1e-12)
    np.testing.assert_allclose(
        copy.explain(X), ShapOracle(victim, background=X[:20]).explain(X).explanations, atol=1e-12
    )


def test_hints_that_mislead_cost_answers_and_nothing_else(stumps):
    data = Dataset("part", *map(torch.from_numpy, (X[:300:2] + 0.01, Y[:300:2], X[400:], Y[400:])))
    copy = additive_copy(ShapOracle(Victim(stumps), background=X[:20]), data, ranges=BOX)
    assert copy.complete
    np.testing.assert_allclose(copy.values(X), Victim(stumps).values(X)[:, 0], atol=1e-12)


def test_the_same_seed_asks_the_same(stumps):
    copies = [additive_copy(ShapOracle(Victim(stumps), background=X[:20]), DATA, seed=4) for _ in range(2)]
    assert copies[0].queries == copies[1].queries
    np.testing.assert_array_equal(copies[0].values(X), copies[1].values(X))


def test_thresholds_in_double_precision():
    model = HistGradientBoostingRegressor(max_iter=10, max_depth=1).fit(X[:, :5], X[:, 7])
    victim = Victim(model)
    copy = additive_copy(
        ShapOracle(victim, background=X[:20, :5]), ranges=(BOX[0][:5], BOX[1][:5]), single=False
    )
    assert copy.complete
    np.testing.assert_allclose(copy.values(X[:, :5]), victim.values(X[:, :5])[:, 0], atol=1e-12)


def test_a_logistic_model_needs_the_grid_alone():
    victim = Victim(LogisticRegression(max_iter=10_000).fit(X, Y))
    copy = additive_copy(ShapOracle(victim, background=X[:20]), ranges=BOX)
    assert copy.complete
    assert copy.queries <= 40
    np.testing.assert_allclose(copy.values(X), victim.values(X)[:, 0], rtol=1e-9)


def test_curves_are_said_to_be_known_at_places():
    def shap(points):
        return np.stack([np.sin(points[:, 0]), 2 * points[:, 1], 0 * points[:, 2]], axis=1)

    oracle = LiveOracle(shap, 3, tells="shap", classes=("no", "yes"))
    copy = additive_copy(oracle, ranges=(-3.0, 3.0))
    assert not copy.complete
    assert "numbers [0] enter by curves" in copy.notes[0]
    assert "explanations alone do not show the mean" in copy.notes[1]
    points = np.random.default_rng(0).uniform(-3, 3, (50, 3))
    np.testing.assert_allclose(copy.explain(points), shap(points), atol=0.1)
    assert np.isnan(copy.base)


def test_a_model_that_is_not_additive_is_named_at_once():
    model = GradientBoostingClassifier(n_estimators=5, max_depth=2).fit(X, Y)
    oracle = ShapOracle(Victim(model), background=X[:20])
    copy = additive_copy(oracle, ranges=BOX)
    assert not copy.complete
    assert "changes with other numbers: the model is not additive" in copy.notes[0]
    assert copy.queries < 30


def test_a_constant_model_and_a_column_that_never_changes():
    oracle = LiveOracle(np.zeros_like, 3, tells="shap", classes=("no", "yes"))
    copy = additive_copy(oracle, ranges=([0.0, 1.0, 2.0], [1.0, 1.0, 2.5]))
    assert copy.complete
    assert sum(map(len, copy.thresholds)) == 0
    np.testing.assert_array_equal(copy.explain(np.ones((2, 3))), 0)


def test_a_budget_and_an_interrupt_leave_what_is_known(stumps):
    copy = additive_copy(ShapOracle(Victim(stumps), background=X[:20], budget=40), ranges=BOX)
    assert not copy.complete
    assert copy.queries <= 40
    assert "the budget of 40 queries ran out" in copy.notes[0]
    calls = []

    def interrupted(points):
        calls.append(len(points))
        if len(calls) > 1:
            raise KeyboardInterrupt
        return points

    copy = additive_copy(LiveOracle(interrupted, 2, tells="shap", classes=(0, 1)), ranges=(0.0, 1.0))
    assert copy.notes[0] == "interrupted by the user"
    assert copy.queries == 18
    none = additive_copy(ShapOracle(Victim(stumps), background=X[:20], budget=2), ranges=BOX)
    assert np.isfinite(none.explain(X[:2])).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "expected data, or ranges="),
        ({"ranges": ([0.0], [1.0])}, ValueError, r"ranges of 30 numbers, got \(1,\)"),
        ({"ranges": (1.0, 0.0)}, ValueError, "low to high, got 1.0 to 0.0 for number 0"),
        ({"ranges": (0.0, np.nan)}, ValueError, "got 0.0 to nan for number 0"),
        ({"ranges": (0.0, 1.0), "seed": -1}, ValueError, "a seed of at least 0"),
    ],
)
def test_senseless_calls(stumps, options, error, message):
    with pytest.raises(error, match=message):
        additive_copy(ShapOracle(Victim(stumps), background=X[:20]), **options)


def test_other_oracles_are_refused():
    victim = Victim(torch.nn.Linear(3, 1))
    with pytest.raises(TypeError, match="tells SHAP values, got gradient"):
        additive_copy(GradientOracle(victim), ranges=(0, 1))
    with pytest.raises(TypeError, match="tells SHAP values, got Victim"):
        additive_copy(victim, ranges=(0, 1))


def test_an_explanation_of_another_length_ends_it():
    oracle = LiveOracle(lambda p: p[:, :2], 3, tells="shap", classes=("no", "yes"))
    copy = divulge.surrogate.additive_copy(oracle, ranges=(0.0, 1.0))
    assert "expected explanations (shap) of shape (9, 3), the oracle returned (9, 2)" in copy.notes[0]


def told_by(told, **options):
    return LiveOracle(told, 3, tells="shap", classes=["no", "yes"], **options)


def lines(points):
    return points * [1.0, -2.0, 0.5]


def test_rounded_shap_values_are_not_asked_about_without_a_word():
    oracle = told_by(lambda points: (8192 * lines(points)).round() / 8192, budget=1005)
    with pytest.warns(RuntimeWarning, match="1000 answers so far, .* that were rounded look like steps"):
        copy = additive_copy(oracle, ranges=(-1, 1))
    assert not copy.complete
    assert "the budget of 1005 queries ran out" in copy.notes[0]


def test_values_rounded_to_decimals_are_named_before_they_are_bisected():
    oracle = told_by(lambda points: lines(points).round(4), budget=100)
    with pytest.warns(RuntimeWarning, match="rounded to 4 decimals, which looks like steps: at most 2000"):
        copy = additive_copy(oracle, ranges=(-1, 1))
    assert not copy.complete
    assert "the budget of 100 queries ran out" in copy.notes[0]


def test_rounded_values_are_given_up_on(monkeypatch):
    monkeypatch.setattr("divulge.surrogate.additive.MOST_ROUNDED", 60)
    with pytest.warns(RuntimeWarning, match="at most 60 answers"):
        copy = additive_copy(told_by(lambda points: lines(points).round(3)), ranges=(-1, 1))
    assert copy.queries <= 70
    assert "jumps remain open after" in copy.notes[0]


@pytest.mark.parametrize("decimals", [0, 2])
def test_values_that_do_not_add_up_are_said(decimals):
    class Off(ShapOracle):
        def explain(self, points, output=None):
            told = super().explain(points, output)
            return replace(told, values=told.values.round(decimals))

    model = LinearRegression().fit(X[:, :3], X[:, 3])
    oracle = Off(Victim(model), background=X[:20, :3])
    copy = additive_copy(oracle, ranges=(X[:, :3].min(axis=0), X[:, :3].min(axis=0) + 0.1))
    assert not copy.complete
    assert "values less the sums of their SHAP values differ" in copy.notes[0]


@pytest.mark.parametrize("domain", [(-0.1, 0.1), ([-0.1, 0.3, -0.7], [0.1, 0.4, 0.9])])
def test_a_domain_whose_ends_float32_does_not_hold(domain):
    copy = additive_copy(told_by(lines, domain=domain), ranges=(-5, 5))
    assert copy.complete
    np.testing.assert_allclose(copy.explain(np.eye(3)), lines(np.eye(3)), atol=1e-6)


def test_ranges_outside_the_domain_are_refused():
    with pytest.raises(ValueError, match="number 0 lies outside of it"):
        additive_copy(told_by(lines, domain=(-1, 1)), ranges=(2, 3))


def test_an_output_that_is_not_told_is_refused():
    with pytest.raises(ValueError, match="expected output 1, of which alone the oracle tells, got 0"):
        additive_copy(told_by(lines, output=1), ranges=(-1, 1), output=0)
    with pytest.raises(ValueError, match="expected an output from 0 on, of 2 outputs, got 2"):
        additive_copy(told_by(lines), ranges=(-1, 1), output=2)


def test_rounding_of_other_numbers_in_one_that_is_not_used():
    def told(points):
        return np.column_stack([points[:, :2], 1e-17 * np.sin(1e5 * points[:, 0])])

    copy = additive_copy(told_by(told), ranges=(-1, 1))
    assert copy.complete
    assert copy.queries < 40


@pytest.mark.parametrize("seed", range(4))
def test_a_model_that_reads_float64_is_not_called_known_by_a_copy_that_asks_float32(seed):
    rng = np.random.default_rng(seed)
    times = 1.7e9 + rng.integers(0, 5000, (400, 1)).astype(float)
    x = np.concatenate([times, rng.standard_normal((400, 1))], axis=1)
    model = HistGradientBoostingRegressor(max_iter=5, max_depth=1).fit(x, np.sin(times[:, 0] / 300) + x[:, 1])
    victim = Victim(model)
    copy = additive_copy(ShapOracle(victim, background=x[:20]), ranges=(x.min(axis=0), x.max(axis=0)))
    assert np.abs(copy.values(x) - victim.values(x)[:, 0]).max() > 0.01
    assert not copy.complete
    assert "pass single=False" in copy.notes[-1]


@pytest.mark.parametrize("category", [7.0, 33.0])
def test_a_category_that_is_told_apart_alone_is_found_in_data(category):
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(0, 40, 600), rng.integers(0, 3, 600), rng.normal(size=600)], axis=1)

    def told(points):
        return np.stack([points[:, 0] == category, points[:, 1], points[:, 2] > 0.3], axis=1).astype(float)

    data = Dataset("codes", *map(torch.from_numpy, (x, x[:, 0], x, x[:, 0])))
    copy = additive_copy(LiveOracle(told, 3, tells="shap", classes=(0, 1)), data, single=False)
    assert copy.complete
    np.testing.assert_allclose(copy.explain(x), told(x), atol=1e-9)


def test_an_interaction_that_data_alone_show_is_seen():
    x = np.random.default_rng(0).standard_t(1.0, (600, 3))

    def told(points):
        both = (np.abs(points[:, :2]) < 1).all(axis=1)
        return np.stack([both / 2, both / 2, points[:, 2] > 0], axis=1)

    data = Dataset("tails", *map(torch.from_numpy, (x, x[:, 0], x, x[:, 0])))
    copy = additive_copy(LiveOracle(told, 3, tells="shap", classes=(0, 1)), data, single=False)
    assert not copy.complete
    assert "changes with other numbers: the model is not additive" in copy.notes[0]


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("cut", [0.0, 1e-35, -1e-35, 3e-12])
def test_thresholds_at_or_beside_zero_cost_no_more_than_others(cut, single):
    cut = float(np.float32(cut))
    told = [lambda p: (p > cut) * 1.0, lambda p: (p >= cut) * 1.0]
    for side, tells in enumerate(told):
        oracle = LiveOracle(tells, 1, tells="shap", classes=(0, 1))
        copy = additive_copy(oracle, ranges=(-700.0, 900.0), single=single)
        assert copy.queries < 130
        left, right = (float(found[0]) for found in copy.shapes[0].thresholds())
        assert (left if side == 0 else right) == cut
        kind = np.float32 if single else np.float64
        assert np.nextafter(kind(left), kind(np.inf)) == right


def test_rows_with_missing_numbers_are_left_out(stumps):
    holes = X.copy()
    holes[::2, 3] = np.nan
    data = Dataset("holes", *map(torch.from_numpy, (holes, Y, X[400:], Y[400:])))
    copy = additive_copy(ShapOracle(Victim(stumps), background=X[:20]), data, ranges=BOX)
    assert copy.complete
    np.testing.assert_allclose(copy.values(X), Victim(stumps).values(X)[:, 0], atol=1e-12)


def test_steps_that_were_rounded_are_said_where_no_value_shows_it(stumps):
    oracle = Rounded(ShapOracle(Victim(stumps), background=X[:20], values=False), decimals=2)
    with pytest.warns(RuntimeWarning, match="rounded to 2 decimals") as caught:
        copy = additive_copy(oracle, DATA)
    assert caught[0].filename == __file__
    assert "no SHAP value has more than 2 decimals: where they were rounded, so is the copy" in copy.notes


def beside(numbers, towards=np.inf):
    return np.nextafter(numbers, towards)


CUTS = {
    "at the lower number": lambda low, high: low,
    "at the upper number": lambda low, high: beside(high, -np.inf),
    "half-way": lambda low, high: low + (high - low) / 2,
    "one float on": lambda low, high: beside(low + (high - low) / 2),
    "one float before": lambda low, high: beside(low + (high - low) / 2, -np.inf),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("where", CUTS)
def test_stumps_take_two_answers_a_threshold_and_fifty_wherever_libraries_put_them(where, seed):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(size=(500, 8)) * rng.uniform(0.1, 3, 8)) * rng.choice([-1, 1], 8)
    numbers = np.sort(x, axis=0)
    places = rng.choice(np.arange(20, 480), (8, 5), replace=False)
    cuts = np.stack([CUTS[where](numbers[p, i], numbers[p + 1, i]) for i, p in enumerate(places)])
    steps = rng.normal(size=cuts.shape)

    def told(points):
        return ((points[:, :, None] > cuts) * steps).sum(axis=2)

    data = Dataset("table", *map(torch.from_numpy, (x, x[:, 0], x, x[:, 0])))
    copy = additive_copy(LiveOracle(told, 8, tells="shap", classes=(0, 1)), data, single=False, seed=seed)
    assert copy.complete, copy.notes
    assert copy.queries <= 2 * cuts.size + 50
    for shape, own in zip(copy.shapes, np.sort(cuts, axis=1), strict=True):
        left, right = shape.closed()
        np.testing.assert_array_equal(left, own)
        np.testing.assert_array_equal(right, beside(own))


def test_stumps_on_histograms_take_two_answers_a_threshold_and_fifty():
    victim = Victim(HistGradientBoostingRegressor(max_iter=60, max_depth=1).fit(X, Y))
    copy = additive_copy(ShapOracle(victim, background=X[:20]), DATA, ranges=BOX, single=False)
    assert copy.complete
    assert copy.queries <= 2 * sum(map(len, copy.thresholds)) + 50
    np.testing.assert_allclose(copy.values(X), victim.values(X)[:, 0], atol=1e-12)
