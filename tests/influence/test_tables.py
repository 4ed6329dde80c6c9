"""Results as tables and pictures."""

from __future__ import annotations

import numpy as np
import pytest

from divulge import Influence
from divulge.influence import (
    DatamodelingScore,
    FixCurve,
    Ranking,
    TrainingAttack,
    domain_influence,
    mislabel_curve,
)


@pytest.fixture
def influence(make):
    module, train, test = make("logistic", n=20)
    return Influence(module, train, damping=0.5), train, test


def test_a_ranking_is_a_table_and_a_picture(influence):
    influence, (x, _), test = influence
    ranking = influence.top_k(test, 3)
    assert isinstance(ranking, Ranking)
    frame, scores = ranking.to_frame(), influence.scores(test)
    assert list(frame.columns) == ["test", "side", "rank", "sample", "score"]
    assert len(frame) == 7 * 3 * 2
    for row in frame.itertuples():
        sides = {"helpful": ranking.helpful, "harmful": ranking.harmful}
        assert sides[row.side][row.test, row.rank - 1] == row.sample
        assert row.score == pytest.approx(scores[row.test, row.sample])
    assert ranking._repr_html_().count("<tr") == 1 + 42
    axes = ranking.plot(x[:, 0], test[0][:, 0], row=2)
    titles = [axis.get_title() for axis in axes.flat]
    assert titles[0] == "test image 2"
    assert sum(title != "" for title in titles) == 7


def test_an_influence_says_what_it_is_in_a_notebook(influence):
    influence, _, test = influence
    assert "none yet" in influence._repr_html_()
    influence.scores(test)
    html = influence._repr_html_()
    assert "none yet" not in html
    for word in ("cross_entropy", "hessian", "<td>111</td>", "<td>20</td>", "native"):
        assert word in html


def test_tables_hold_what_the_results_hold(influence):
    influence, _, test = influence
    domains = domain_influence(influence, test, np.arange(20) % 3)
    frame = domains.to_frame()
    assert frame.pivot(index="test", columns="domain", values="total").to_numpy() == pytest.approx(
        domains.total
    )
    assert frame["samples"].tolist()[:3] == [7, 7, 6]
    found = mislabel_curve([3.0, 2, 1], [True, False, True])
    assert found.to_frame()["found"].tolist() == [0, 0.5, 0.5, 1]
    fixed = FixCurve(np.array([0, 0.5]), np.array([0, 1.0]), np.array([0.8, 0.9]))
    assert fixed.to_frame()["accuracy"].tolist() == [0.8, 0.9]
    score = DatamodelingScore(np.ones(2), 1.0, np.arange(6.0).reshape(2, 3), np.zeros((2, 3)))
    assert score.to_frame().query("test == 1")["actual"].tolist() == [3, 4, 5]
    attack = TrainingAttack(
        np.array([4]), np.array([True]), np.array([[1]]), np.zeros((1, 1, 2)), np.array([3]),
        np.array([[0.9, 0.2]]),
    )  # fmt: skip
    assert attack.to_frame().loc[0].tolist() == [4, True, 3, 0.9, 0.2]


def test_curves_draw_themselves():
    found = mislabel_curve([3.0, 2, 1], [True, False, True])
    fixed = FixCurve(np.array([0, 0.5]), np.array([0, 1.0]), np.array([0.8, 0.9]))
    for curve, values in ((found, found.found), (fixed, fixed.accuracy)):
        axis = curve.plot("mine")
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), values)
        assert "mine" in axis.get_legend().get_texts()[0].get_text()
