"""Counterfactuals: valid, of typed entries, within limits; what nothing reaches, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from divulge import Victim
from divulge.datasets import read_data
from divulge.errors import OracleError
from divulge.explanations import Rates, counterfactuals

SMALL = {"population": 10, "generations": 15}


def table(n=120):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.normal(3.0, 1.0, n),
            "job": rng.choice(["cook", "nurse", "pilot"], n),
            "married": rng.random(n) < 0.5,
        }
    )


def score(points):
    age, income, job, married = points.T
    return income + 0.02 * age + np.array([0.0, 1.0, 3.0])[job.astype(int)] + 0.2 * married


def test_every_point_gets_typed_rows_in_the_interval():
    frame = table()
    found = counterfactuals(score, frame[:20], data=frame, target=(6.0, np.inf), **SMALL)
    assert found.reached.all()
    assert [column.kind for column in found.columns] == ["integer", "numeric", "categorical", "binary"]
    rows = found.to_frame()
    assert rows["valid"].all()
    assert set(rows["point"]) == set(range(20))
    assert rows.dtypes["age"] == frame.dtypes["age"]
    assert set(rows["job"]) <= {"cook", "nurse", "pilot"}
    assert rows["income"].between(frame["income"].min() - 1e-9, frame["income"].max() + 1e-9).all()
    np.testing.assert_allclose(score(found._rows.points(rows)), rows["prediction"])
    assert (rows["prediction"] >= 6).all()
    own = frame.iloc[rows["point"]].reset_index(drop=True)
    changes = (own != rows[frame.columns]).sum(axis=1)
    assert (changes == rows["changes"]).all()
    low, high = frame.min(numeric_only=True), frame.max(numeric_only=True)
    apart = (own["age"] - rows["age"]).abs() / (high["age"] - low["age"])
    apart += (own["income"] - rows["income"]).abs() / (high["income"] - low["income"])
    apart += (own["job"] != rows["job"]) * 1.0 + (own["married"] != rows["married"])
    np.testing.assert_allclose(apart / 4, rows["distance"])


def test_no_row_of_a_front_is_better_than_another():
    frame = table()
    found = counterfactuals(score, frame[:3], data=frame, target=(6.0, np.inf), **SMALL)
    for _, part in found.to_frame(misses=True).groupby("point"):
        o = part[["miss", "distance", "changes", "from_data"]].to_numpy(float)
        better = (o[:, None] <= o[None]).all(axis=2) & (o[:, None] < o[None]).any(axis=2)
        assert not better.any()


def test_the_model_is_called_once_a_generation():
    calls = []

    def counted(points):
        calls.append(len(points))
        return score(points)

    found = counterfactuals(counted, table()[:7], data=table(), target=(6.0, 9.0), **SMALL)
    assert calls.count(7 * 10) == 16
    assert len(calls) <= 16 + 8
    assert found.calls <= len(calls)


def test_fixed_columns_ranges_and_few_changes_are_kept():
    frame = table()
    found = counterfactuals(
        score,
        frame[:10],
        data=frame,
        target=(5.0, np.inf),
        fixed=["job"],
        ranges={"age": (30, 50)},
        most_changes=2,
        **SMALL,
    )
    rows = found.to_frame(misses=True)
    own = frame.iloc[rows["point"]].reset_index(drop=True)
    assert (rows["job"] == own["job"]).all()
    assert (rows["age"].between(30, 50) | (rows["age"] == own["age"])).all()
    assert rows["changes"].max() <= 2
    assert found.changed().set_index("column")["share"]["job"] == 0


def test_columns_that_a_data_set_fixes_are_kept():
    frame = table().assign(grade=np.where(score(np.array(score_points())) > 6, "yes", "no"))
    data = read_data(frame, "grade", fixed=["married"])
    found = counterfactuals(score, data.test_inputs[:5], data=data, target=(6.0, np.inf), **SMALL)
    assert found.changed().set_index("column")["share"]["married"] == 0


def score_points():
    frame = table()
    codes = {"cook": 0, "nurse": 1, "pilot": 2}
    return frame.assign(job=frame["job"].map(codes), married=frame["married"] * 1).to_numpy(float)


def test_an_interval_that_nothing_reaches_is_said_and_the_nearest_returned():
    found = counterfactuals(score, table()[:3], data=table(), target=(100.0, 101.0), **SMALL)
    assert not found.reached.any()
    assert "no candidate reaches the interval 100 to 101 from point 0, 1, 2" in found.notes[0]
    rows = found.to_frame()
    assert len(rows) == 3
    assert not rows["valid"].any()
    assert (rows["prediction"] > score(score_points()[:3])).all()
    assert rows["miss"].to_numpy() == pytest.approx(100 - rows["prediction"].to_numpy())
    assert found.nearest_rows().empty


def test_budgets_too_small_still_return_something():
    found = counterfactuals(score, table()[:2], data=table(), target=(6.0, 9.0), population=2, generations=0)
    assert len(found.best()) == 2
    assert len(found.hypervolumes()) == 1


def test_points_in_the_interval_stay_as_they_are():
    found = counterfactuals(score, table()[:2], data=table(), target=(-99.0, 99.0), **SMALL)
    assert found.best()["changes"].tolist() == [0, 0]
    assert "2 of 2 points are in the interval as they are" in found.notes


def test_interruption_returns_what_was_found():
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    found = counterfactuals(score, table()[:3], data=table(), target=(6.0, 9.0), progress=stop, **SMALL)
    assert not found.complete
    assert found.notes[0] == "interrupted after 4 generations"
    assert len(found.best()) == 3


def test_the_same_seed_gives_the_same():
    same = [
        counterfactuals(score, table()[:3], data=table(), target=(6.0, 9.0), seed=seed, **SMALL).to_frame()
        for seed in (0, 0, 1)
    ]
    pd.testing.assert_frame_equal(same[0], same[1])
    assert not same[0].equals(same[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_victims_probability_is_wanted(dtype):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    x = np.random.default_rng(0).standard_normal((60, 4))
    victim = Victim(module, (4,))
    found = counterfactuals(victim, x[:5], data=x, target=(0.4, 1.0), output=2, **SMALL)
    rows = found.to_frame(misses=True)
    told = torch.softmax(torch.from_numpy(victim.values(rows[[0, 1, 2, 3]].to_numpy())), 1)[:, 2]
    np.testing.assert_allclose(told, rows["prediction"], atol=1e-6)
    assert found.history.shape == (16, 5, 10, 4)


def test_constant_columns_do_not_change_and_all_constant_are_refused():
    x = np.random.default_rng(0).standard_normal((30, 3))
    x[:, 1] = 2.0
    found = counterfactuals(lambda rows: rows[:, 0], x[:2], data=x, target=(1.0, 9.0), **SMALL)
    assert (found.to_frame()[1] == 2.0).all()
    with pytest.raises(ValueError, match="no column may change: all are fixed or constant"):
        counterfactuals(lambda rows: rows[:, 0], x[:2], data=x, target=(1.0, 9.0), fixed=[0, 2])


def test_columns_with_names_of_our_own_are_told_apart():
    frame = pd.DataFrame(np.random.default_rng(0).random((30, 2)), columns=["miss", "point"])
    rows = counterfactuals(lambda x: x[:, 0], frame[:2], data=frame, target=(0.5, 1.0), **SMALL).to_frame()
    assert {"miss", "point", "miss (column)", "point (column)"} <= set(rows.columns)


def test_more_generations_dominate_more():
    found = counterfactuals(score, table()[:5], data=table(), target=(6.0, 9.0), **SMALL)
    grown = found.hypervolumes(5)
    assert grown["generation"].tolist() == [0, 5, 10, 15]
    assert (np.diff(grown["hypervolume"]) >= 0).all()
    with pytest.raises(ValueError, match="every of at least 1, got 0"):
        found.hypervolumes(0)


def test_pictures_and_tables():
    found = counterfactuals(score, table()[:2], data=table(), target=(6.0, 9.0), **SMALL)
    assert found.plot(1).shape == (2,)
    assert "2 of 2 points" in found._repr_html_()
    near = found.nearest_rows()
    assert near["valid"].all()
    assert (near["from_data"] == 0).all()
    with pytest.raises(ValueError, match="a point from 0 to 1, got 2"):
        found.plot(2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": (2.0, 1.0)}, ValueError, "low, high in rising order, got 2, 1"),
        ({"target": (np.nan, 1.0)}, ValueError, "low, high in rising order, got nan, 1"),
        ({"target": 0.5}, ValueError, r"a target \(low, high\), got 0.5"),
        ({"population": 1}, ValueError, "a population of at least 2, got 1"),
        ({"generations": -1}, ValueError, "generations of at least 0, got -1"),
        ({"epsilon": -0.1}, ValueError, "epsilon of at least 0, got -0.1"),
        ({"k": 0}, ValueError, "expected k from 1 to the 120 training rows, got 0"),
        ({"most_changes": 0}, ValueError, "most_changes of at least 1, got 0"),
        ({"fixed": ["wage"]}, ValueError, "there is no column 'wage', only 'age', 'income'"),
        (
            {"ranges": {"income": (0, np.inf)}},
            ValueError,
            "a finite range low, high of column 'income'",
        ),
        ({"ranges": {"age": (5, 1)}}, ValueError, "range low, high of column 'age', got 5, 1"),
        ({"ranges": {"job": (0, 1)}}, ValueError, "ranges of columns of numbers, got one of 'job'"),
        ({"points": table()[:0]}, ValueError, "at least one point to change, got none"),
        ({"points": table()[:2].assign(job="baker")}, ValueError, "holds 'baker', which is none of its"),
        (
            {"points": np.array([[20, 1.0, 7, 0]])},
            ValueError,
            "row 0 holds 7 in the categorical column 'job'",
        ),
        ({"points": np.array([[20, np.nan, 1, 0]])}, ValueError, "expected finite points, got nan"),
        ({"points": np.zeros((2, 3))}, ValueError, r"expected points of shape \(n, 4\), got \(2, 3\)"),
        ({"predict": lambda x: np.full(len(x), np.inf)}, OracleError, "the model says inf of row 0"),
    ],
)
def test_what_makes_no_sense_is_named(options, error, message):
    given = {"predict": score, "points": table()[:2], "target": (6.0, 9.0), **SMALL, **options}
    with pytest.raises(error, match=message):
        counterfactuals(given.pop("predict"), given.pop("points"), data=table(), **given)


def test_rates_are_shares():
    with pytest.raises(ValueError, match=r"expected a rate keep from 0 to 1, got 1\.5"):
        Rates(keep=1.5)


def test_the_point_itself_is_no_training_row_that_it_is_like():
    x = np.random.default_rng(0).random((40, 2))
    found = counterfactuals(lambda rows: rows[:, 0], x[:1], data=x, target=(0.5, 1.0), **SMALL)
    rows = found.to_frame()
    apart = (np.abs(rows[[0, 1]].to_numpy()[:, None] - x[None, 1:]) / np.ptp(x, axis=0)).mean(axis=2)
    np.testing.assert_allclose(rows["from_data"], apart.min(axis=1))


def test_any_column_may_be_among_few_changes():
    x = np.random.default_rng(0).random((60, 6))
    found = counterfactuals(
        lambda rows: rows[:, 4] + rows[:, 5], x[:5], data=x, target=(1.2, 2.0), most_changes=2, **SMALL
    )
    assert found.reached.all()
    assert found.changed()["share"].iloc[5] > 0.25
    assert found.to_frame(misses=True)["changes"].max() <= 2


def test_whole_numbers_stay_in_a_range_with_broken_ends():
    frame = table()
    rows = counterfactuals(
        score, frame[:4], data=frame, target=(4.0, np.inf), ranges={"age": (30.2, 33.8)}, **SMALL
    ).to_frame(misses=True)
    own = frame["age"].iloc[rows["point"]].reset_index(drop=True)
    assert set(rows["age"][rows["age"] != own]) <= {31, 32, 33}


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_entries_shown_are_those_that_the_model_was_asked_about(dtype):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 10, 60).astype(dtype), "b": rng.random(60)})
    wanted = lambda x: np.cos(x[:, 0]) + x[:, 1]  # noqa: E731
    rows = counterfactuals(
        wanted, frame[:5], data=frame, target=(1.2, 1.3), kinds={"a": "numeric"}, **SMALL
    ).to_frame()
    assert (wanted(rows[["a", "b"]].to_numpy(np.float64)) == rows["prediction"]).all()


def test_a_points_own_broken_number_in_a_column_of_whole_ones_is_shown():
    frame = pd.DataFrame({"a": np.arange(30) % 10, "b": np.linspace(0, 1, 30)})
    rows = counterfactuals(
        lambda x: x.sum(axis=1), np.array([[2.5, 0.5]]), data=frame, target=(3.1, 3.2), **SMALL
    ).to_frame(misses=True)
    np.testing.assert_allclose(rows["a"] + rows["b"], rows["prediction"])
