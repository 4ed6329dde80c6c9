"""Additive models of models: shapes of known functions, what is not additive, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from divulge import Victim
from divulge.datasets import read_data
from divulge.errors import OracleError
from divulge.explanations import additive

SHAPES = (lambda v: np.sin(3 * v), np.square, np.abs, lambda v: 0.5 * v)


def inputs(n=2000, rho=0.0, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, 5))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * x[:, 1]
    return x


def known(x, strength=0.0):
    return sum(shape(x[:, j]) for j, shape in enumerate(SHAPES)) + strength * x[:, 0] * x[:, 1]


def worst(found, x, shapes=SHAPES):
    """The largest error of a shape over its range, between the 1% and 99% quantiles."""
    errors = []
    for j, shape in enumerate(shapes):
        grid, effect = found.terms.grids[j], found.terms.mains[j]
        inner = (grid > np.quantile(x[:, j], 0.01)) & (grid < np.quantile(x[:, j], 0.99))
        truth = shape(grid[inner])
        errors.append(np.abs((effect[inner] - truth) - (effect[inner] - truth).mean()).max() / np.ptp(truth))
    return max(errors)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_shapes_of_a_known_function_are_found(rho):
    x = inputs(rho=rho)
    found = additive(known, x, refits=5)
    assert found.fidelity > 0.999
    assert found.not_additive < 1e-3
    assert worst(found, x) < 0.02
    assert found.notes == ()
    assert np.isnan(found.agreement)
    assert (found.shapes["low"] <= found.shapes["high"]).all()


def test_trees_find_them_too():
    found = additive(known, inputs(800), student="trees", refits=1)
    assert found.fidelity > 0.9


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_share_that_is_not_additive_is_told_and_a_pair_explains_it(rho):
    x, strength = inputs(4000, rho), 0.5
    function = lambda rows: known(rows, strength)  # noqa: E731
    left = strength**2 * (1 - rho**2) ** 2 / (1 + rho**2)  # of x0 x1, normal with correlation rho
    share = left / function(inputs(200_000, rho, seed=1)).var()
    found = additive(function, x, pairs=1, refits=0)
    assert found.not_additive == pytest.approx(share, abs=0.02)
    assert [pair.columns for pair in found.terms.pairs] == [(0, 1)]
    assert found.fidelity > 0.99
    bent = strength * rho / (1 + rho**2)  # what single columns see of the product
    shapes = (lambda v: np.sin(3 * v) + bent * v**2, lambda v: (1 + bent) * v**2, *SHAPES[2:])
    assert worst(found, x, shapes) < 0.05
    held = additive(function, x, pairs=[(1, 0)], refits=0)
    assert held.fidelity == found.fidelity
    assert np.abs(found.terms(x) - found.predict(x)).max() < 0.2 * np.ptp(function(x))


def test_words_whole_numbers_and_pairs_of_words():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "job": rng.choice(["cook", "nurse", "pilot"], 400),
            "rank": rng.integers(0, 4, 400),
            "age": rng.normal(40, 9, 400),
        }
    )

    def function(points):
        job, rank, age = points.T
        return np.array([0.0, 2.0, -1.0])[job.astype(int)] + rank**2 + age / 10 + (job == 1) * (rank == 2)

    found = additive(function, table, pairs=[("job", "rank")], refits=2)
    assert found.fidelity > 0.99
    shape = found.shapes[found.shapes["column"] == "job"].set_index("value")["effect"]
    assert list(shape.index) == ["cook", "nurse", "pilot"]
    assert shape["nurse"] - shape["pilot"] == pytest.approx(3 + 0.25, abs=0.15)
    np.testing.assert_allclose(found.predict(table), found.predict(found._rows.points(table)))
    with pytest.raises(ValueError, match=r"column 'job' holds 'baker', which is none of its categories"):
        found.predict(table.assign(job="baker"))
    with pytest.raises(ValueError, match="the points have no column 'age'"):
        found.predict(table[["job", "rank"]])


def victim(outputs=2, seed=0):
    torch.manual_seed(seed)
    return Victim(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, outputs)), (3,))


def test_a_victims_log_odds_and_classes():
    x = np.random.default_rng(0).standard_normal((300, 3)).astype(np.float32)
    for outputs in (1, 2):
        module = victim(outputs)
        data = read_data((x, module.classes(x)))
        found = additive(module, data, refits=0)
        assert found.scale == "log_odds"
        told = module.values(data.test_inputs.numpy())
        odds = told[:, 0] if outputs == 1 else told[:, 1] - told[:, 0]
        assert found.rmse == pytest.approx(
            np.sqrt(np.mean((found.predict(data.test_inputs) - odds) ** 2)), rel=1e-4
        )
        assert found.agreement > 0.8
        assert found.accuracy == pytest.approx(found.agreement)


def test_other_methods_stand_beside_it():
    x = np.random.default_rng(0).standard_normal((300, 3))
    linear = nn.Sequential(nn.Linear(3, 1)).double()
    found = additive(Victim(linear, (3,)), x, refits=0, scale="value").compared(60)
    fidelity = found.groupby("method")["fidelity"].first()
    assert set(fidelity.index) == {
        "additive",
        "partial dependence",
        "SHAP dependence",
        "gradient times input",
    }
    assert fidelity.drop("SHAP dependence").min() > 0.999
    assert fidelity.min() > 0.95
    weights = linear[0].weight.detach().numpy()[0]
    for (_, column), part in found.groupby(["method", "column"]):
        slope = np.ptp(part["effect"]) / np.ptp(part["value"].astype(float))
        assert slope == pytest.approx(abs(weights[column]), rel=0.15)
    table = additive(lambda v: v[:, 0], x, refits=0).compared(20)
    assert "gradient times input" not in set(table["method"])


def test_the_same_seed_gives_the_same_and_another_others():
    x = inputs(300)
    first, again, other = (additive(known, x, refits=2, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.shapes, again.shapes)
    assert first.fidelity == again.fidelity != other.fidelity


def test_constant_columns_have_no_effect():
    x = inputs(300)
    x[:, 3] = 7.0
    found = additive(lambda rows: rows[:, 0] + rows[:, 3], x, refits=1)
    assert found.fidelity > 0.999
    assert found.shapes.query("column == 3")["effect"].tolist() == [0.0]


def test_interruption_keeps_what_is_known():
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    found = additive(known, inputs(200), refits=10, progress=stop)
    assert found.notes[0] == "interrupted: 2 of 10 refits were made"
    assert np.isfinite(found.shapes["low"]).all()


def test_few_rows_are_said_to_be_too_few_to_trust():
    found = additive(lambda rows: rows[:, 0] * rows[:, 1], inputs(100), refits=0)
    assert found.fidelity < 0.9
    assert "do not take its shapes for the model's" in found.notes[0]


@pytest.mark.parametrize(
    ("predict", "options", "error", "message"),
    [
        (lambda x: np.zeros(len(x)), {}, ValueError, "the model says 0 of all 160 rows to fit on"),
        (lambda x: x[:, 0] * np.nan, {}, OracleError, "the model says nan of row 0, in output 0"),
        (lambda x: x[:3, 0], {}, OracleError, r"expected values of shape \(160,\)"),
        (lambda x: x[:, :4], {}, ValueError, "expected output=, a number from 0 to 3"),
        (lambda x: x[:, :4], {"output": 4}, ValueError, "an output from 0 to 3, got 4"),
        (known, {"student": "oak"}, ValueError, "expected a student splines, trees, ebm, got 'oak'"),
        (known, {"scale": "odd"}, ValueError, "expected a scale value, probability, log_odds, got 'odd'"),
        (known, {"scale": "probability"}, ValueError, "expected probabilities, from 0 to 1"),
        (known, {"pairs": 11}, ValueError, "expected at most 10 pairs of 5 columns, got 11"),
        (known, {"pairs": [(0, 9)]}, ValueError, "there is no column 9, only 0, 1, 2, 3, 4"),
        (known, {"pairs": [(1, 1)]}, ValueError, r"expected pairs of two columns, got \(1, 1\)"),
        (known, {"refits": -1}, ValueError, "expected refits of at least 0, got -1"),
        (known, {"most_rows": 3}, ValueError, "expected most_rows of at least 4, got 3"),
        (known, {"kinds": {"age": "integer"}}, ValueError, "there is no column 'age'"),
        (7, {}, TypeError, "expected a function of points .* got int"),
    ],
)
def test_what_makes_no_sense_is_named(predict, options, error, message):
    with pytest.raises(error, match=message):
        additive(predict, inputs(200), **options)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros((3, 2)), ValueError, "at least four rows, to fit and to measure on, got 3"),
        (np.zeros(9), ValueError, r"expected data of shape \(n, d\), got \(9,\)"),
        (np.full((9, 2), np.nan), ValueError, "column 0 has no entry"),
        (np.full((9, 2), "a"), TypeError, "expected data that are real numbers or a DataFrame"),
        (pd.DataFrame(np.eye(5), columns=list("abbcd")), ValueError, "column 'b' is there twice"),
    ],
)
def test_data_that_are_none_are_named(data, error, message):
    with pytest.raises(error, match=message):
        additive(lambda rows: rows[:, 0], data)


def test_ebm_learns_or_says_what_it_needs():
    pytest.importorskip("interpret")
    found = additive(lambda rows: rows[:, 0] ** 2, inputs(120)[:, :2], student="ebm", refits=0)
    assert found.fidelity > 0.8


def test_pictures_and_tables():
    found = additive(lambda rows: known(rows, 1.0), inputs(300), pairs=1, refits=2)
    assert len([axis for axis in found.plot(most=2) if axis.lines or axis.collections]) >= 3
    assert "fidelity" in found._repr_html_()
    assert found.to_frame()["share"].sum() == pytest.approx(found.fidelity, abs=0.1)
    with pytest.raises(ValueError, match="at least one panel, got 0"):
        found.plot(most=0)
    with pytest.raises(ValueError, match="at least two points to compare on, got 1"):
        found.compared(1)


def two_outputs(kind):
    """A model of two outputs, both above 0 whatever class it names."""
    if kind == "probabilities":
        from sklearn.ensemble import RandomForestClassifier

        x = inputs(300)
        return RandomForestClassifier(20, max_depth=3, random_state=0).fit(x, x[:, 0] + x[:, 1] * x[:, 2] > 0)
    module = nn.Linear(5, 2).double()
    with torch.no_grad():
        module.weight.zero_()
        module.weight[1, 0] = 1.0
        module.bias.fill_(100.0)
    return Victim(module, (5,))


def test_values_that_alone_name_no_class_have_no_agreement():
    found = additive(two_outputs("logits"), inputs(300), scale="value", refits=0)
    assert np.isnan(found.agreement)
    assert found.leak_curve()["agreement"].isna().all()
    assert additive(two_outputs("logits"), inputs(300), refits=0).agreement == 1


def test_probabilities_as_values_name_the_class_above_a_half():
    model = two_outputs("probabilities")
    by_scale = [additive(model, inputs(300), scale=scale, refits=0) for scale in ("value", "probability")]
    assert by_scale[0].agreement == by_scale[1].agreement < 1
    assert by_scale[0].leak_curve().equals(by_scale[1].leak_curve())


def test_a_regression_names_no_class():
    from sklearn.linear_model import LinearRegression

    x = inputs(300)
    assert np.isnan(additive(LinearRegression().fit(x, x[:, 0]), x, refits=0).agreement)


def test_probabilities_may_miss_their_interval_by_rounding_alone():
    x = inputs(300)
    told = np.clip(x[:, 0], -1e-9, 1 + 3e-16)
    found = additive(lambda rows: np.clip(rows[:, 0], -1e-9, 1 + 3e-16), x, scale="probability", refits=0)
    assert (told > 1).any()
    assert found._held[1].min() == 0
    assert found._held[1].max() == 1
    with pytest.raises(ValueError, match=r"expected probabilities, from 0 to 1, got 1\.0"):
        additive(lambda rows: np.clip(rows[:, 0], 0, 1.1), x, scale="probability", refits=0)


def test_an_estimator_of_columns_in_another_order_is_refused():
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame(inputs(100), columns=list("abcde"))
    model = LinearRegression().fit(frame[list("abced")], frame["d"])
    with pytest.raises(ValueError, match="fitted with column 'e' at place 3, where the data have 'd'"):
        additive(model, frame, refits=0)
    assert additive(model, frame[list("abced")], refits=0).fidelity > 0.99


def test_each_of_many_words_has_its_own_effect_in_other_methods_and_in_copies():
    rng = np.random.default_rng(0)
    effects = rng.standard_normal(40)
    frame = pd.DataFrame({"word": [f"{i:02d}" for i in rng.integers(40, size=2000)], "b": rng.random(2000)})
    found = additive(lambda x: effects[x[:, 0].astype(int)] + x[:, 1], frame, refits=0)
    assert found.compared().groupby("method")["fidelity"].first()["partial dependence"] > 0.999
    curve = found.leak_curve()
    assert curve["numbers"].iloc[0] == 1 + 40 + 2
    assert (curve["fidelity"] > 0.999).all()


def test_whole_numbers_taken_as_numeric_are_shown_as_they_are():
    frame = pd.DataFrame({"a": np.random.default_rng(0).integers(0, 200, 400), "b": np.linspace(0, 1, 400)})
    shapes = additive(lambda x: x[:, 0] + x[:, 1], frame, kinds={"a": "numeric"}, refits=0).shapes
    part = shapes[shapes["column"] == "a"]
    assert np.ptp(part["effect"] - part["value"].astype(float)) < 0.1


def test_the_number_of_threads_changes_nothing():
    x = np.random.default_rng(0).standard_normal((2000, 10))
    told = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            told.append(additive(lambda rows: np.sin(rows).sum(axis=1), x, refits=1).shapes)
    pd.testing.assert_frame_equal(*told, check_exact=True)
