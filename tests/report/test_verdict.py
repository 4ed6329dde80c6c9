"""Risk classes, the recommendation, medians over seeds, money, and reports that are cut short."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from divulge import Victim, leak_report
from divulge.datasets import read_data
from divulge.oracles import LiveOracle
from divulge.report.attacks import Attacked
from divulge.report.page import shown
from divulge.report.runs import COLUMNS, Curve, Runs, median, summarised
from divulge.report.verdict import RISK_RULE, percent, recommendation, risk
from divulge.report.words import sentences

NAN = float("nan")


def row(explanation="shap", defence="none", reached=(NAN, NAN, NAN), exact=NAN, best=0.8, honest=NAN):
    counts = dict(zip(("queries_90", "queries_95", "queries_99"), reached, strict=True))
    return {"explanation": explanation, "defence": defence, **counts, "exact": exact, "best": best} | {
        "rank_correlation": honest
    }


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    return x, np.where(x @ [1.0, -2.0, 0.5] > 0, "yes", "no")


@pytest.fixture(scope="module")
def data(table):
    frame = pd.DataFrame(table[0], columns=list("abc"))
    frame["y"] = table[1]
    return read_data(frame, "y")


@pytest.fixture(scope="module")
def victim(table, data):
    return Victim(LogisticRegression().fit(pd.DataFrame(table[0], columns=list("abc")), table[1]), data=data)


QUICK = {"budgets": (10, 40), "steps": 30, "surrogate": "mlp:8"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (row(), "low"),
        (row(reached=(10.0, NAN, NAN)), "medium"),
        (row(reached=(10.0, 20.0, NAN)), "high"),
        (row(reached=(10.0, 20.0, 30.0)), "critical"),
        (row(exact=50.0), "critical"),
    ],
)
def test_the_class_follows_from_the_rule(told, expected):
    assert risk(told) == expected
    assert expected in RISK_RULE


def test_the_hardest_faithful_explanation_is_recommended_with_its_price():
    rows = [
        row("label", reached=(300.0, NAN, NAN), best=0.93),
        row("shap", reached=(10.0, 20.0, NAN), best=0.97, honest=1.0),
        row("shap", "rounded:2", reached=(30.0, 90.0, NAN), best=0.96, honest=0.95),
        row("shap", "top:1", best=0.8, honest=0.4),
    ]
    said = recommendation(pd.DataFrame(rows))
    assert said.startswith(
        "Recommendation: return shap answers behind rounded:2, risk high: copies reach 95%"
    )
    assert "rank correlation of 0.95" in said
    assert "with labels alone copies agree on at most 93%" in said


def test_explanations_that_serve_nobody_are_not_recommended():
    rows = [row("label", reached=(300.0, NAN, NAN)), row("shap", "top:1", honest=0.3)]
    said = recommendation(pd.DataFrame(rows))
    assert said.startswith("No explanation that was compared keeps a rank correlation of 0.8")
    assert "return label answers, risk medium" in said
    assert recommendation(pd.DataFrame([row("label")])).startswith("Recommendation: return label answers")


def test_no_critical_answer_is_recommended_as_safe():
    critical = row("shap", reached=(10.0, 300.0, 400.0), honest=1.0)
    high = row("lime", reached=(10.0, 20.0, NAN), honest=0.9)
    assert recommendation(pd.DataFrame([critical, high])).startswith("Recommendation: return lime answers")
    said = recommendation(pd.DataFrame([row("label"), critical, row("lime", exact=30.0, honest=1.0)]))
    assert said.startswith(
        "Recommendation: no explanation that serves an honest user is safe; hardest to copy are shap"
    )
    assert "with labels alone" in said
    said = recommendation(pd.DataFrame([row("probability", exact=30.0)]))
    assert said.startswith("Recommendation: no answer without an explanation is safe; hardest")
    assert "return" not in said


def test_medians_count_what_was_not_reached_as_infinite():
    assert median([1.0, 5.0, NAN]) == 5.0
    assert np.isnan(median([1.0, NAN, NAN]))
    assert np.isnan(median([NAN]))


def test_several_seeds_give_medians_and_ranges(victim, data):
    report = leak_report(
        victim, data, oracles=("label", "shap"), defences="none", seeds=3, price=0.5, **QUICK
    )
    assert list(report.table.columns) == list(COLUMNS)
    assert sorted(report.runs.seed.unique()) == [0, 1, 2]
    assert len(report.table) == 2
    assert len(report.runs) == 6
    for _, each in report.table.iterrows():
        own = report.runs[report.runs.explanation == each.explanation]
        assert each.best == pytest.approx(own.best.median())
        assert each.cost_90 == pytest.approx(0.5 * each.queries_90, nan_ok=True)
    assert len(report.curves) == 4
    text = shown(report.table.iloc[0].to_dict(), report.runs)
    assert " to " in text[6]
    said = report.summary()
    assert said[0].startswith("Recommendation")
    assert said[-1] == f"{RISK_RULE}."
    page = report.html()
    assert RISK_RULE in page
    assert "range over seeds" in page
    again = leak_report(victim, data, oracles=("label", "shap"), defences="none", seeds=3, price=0.5, **QUICK)
    pd.testing.assert_frame_equal(report.table, again.table)


def test_the_price_of_a_live_api_is_its_own(table, data, victim):
    oracle = LiveOracle(
        lambda p: np.where(victim.values(p)[:, 0] > 0, "yes", "no"),
        3,
        tells="label",
        classes=["no", "yes"],
        price=2.0,
    )
    report = leak_report(oracle, data, defences="none", **QUICK)
    first = report.table.iloc[0]
    assert first.cost_90 == pytest.approx(2 * first.queries_90, nan_ok=True)
    assert oracle.ledger.cost == 2.0 * oracle.ledger.total


def test_a_table_comes_before_the_end_and_undefended_answers_first(victim, data):
    seen, steps = [], []
    leak_report(
        victim,
        data,
        oracles=("probability", "label"),
        defences=("rounded:1", "none"),
        partial=lambda report: seen.append(report.table.defence.tolist()),
        progress=lambda done, every: steps.append((done, every)),
        **QUICK,
    )
    assert seen == [["none"], ["none", "none"], ["rounded:1", "none", "none"]]
    assert steps == [(done, 6) for done in range(1, 7)]


def test_an_interrupt_leaves_what_was_measured(victim, data):
    def stop(report):
        raise KeyboardInterrupt

    report = leak_report(victim, data, oracles=("label", "probability"), partial=stop, **QUICK)
    assert report.table.explanation.tolist() == ["label"]
    assert "when the user interrupted, after 1 pairs" in report.summary()[-2]

    class Interrupts(LiveOracle):
        def _explain(self, points, outputs):
            if self.ledger.total > len(data.test_inputs):
                raise KeyboardInterrupt
            return super()._explain(points, outputs)

    oracle = Interrupts(lambda p: ["no"] * len(p), 3, tells="label", classes=["no", "yes"])
    with pytest.raises(KeyboardInterrupt):
        leak_report(oracle, data, **QUICK)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seeds": 0}, ValueError, "expected at least one seed, got 0"),
        ({"seeds": 1.5}, TypeError, "a number of seeds that is a whole number, got 1.5"),
        ({"price": -1}, ValueError, "a price of a query that is at least 0, got -1"),
    ],
)
def test_senseless_options(victim, data, options, error, message):
    with pytest.raises(error, match=message):
        leak_report(victim, data, **options, **QUICK)


@pytest.mark.parametrize(("best", "told"), [(0.9496, "94%"), (0.29, "29%"), (0.8, "80%"), (0.0, "0%")])
def test_what_was_missed_is_not_said_to_be_reached(best, told):
    only = pd.DataFrame([row("label", best=best, reached=(10.0, NAN, NAN))])
    assert f"at most {told}" in recommendation(only)
    assert f"at most {told}, with the queries that were tried" in sentences(only)[0]
    assert percent(0.94996, 1) == "94.9%"


@pytest.mark.parametrize(
    ("queries", "bare", "defended"),
    [
        (50.0, "2.0 times fewer than with", "take 2.0 times as many queries"),
        (100.0, "as many as with", "are copied as fast as"),
        (200.0, "2.0 times more than with", "are copied with 2.0 times fewer queries than without it"),
    ],
)
def test_more_queries_are_not_fewer(queries, bare, defended):
    told = row("shap", reached=(NAN, queries, NAN)), row("label", reached=(NAN, 100.0, NAN))
    behind = row("shap", "rounded:2", reached=(NAN, 100.0, NAN))
    said = sentences(pd.DataFrame([*told, behind]))
    assert f", {bare} labels alone." in said[0]
    assert defended in said[2]


@pytest.mark.parametrize("bests", [(0.97, 0.94), (0.99, 0.96, 0.94, 0.91), (0.97, 0.96), (0.97, 0.94, 0.9)])
def test_the_best_of_several_seeds_is_where_the_table_says_they_came(bests):
    runs = Runs([0], None)
    for seed, best in enumerate(bests):
        curve = pd.DataFrame({"queries": [10, 100], "agreement": [0.5, best]})
        runs.add(0, seed, Curve("label", "none", curve, Attacked(), NAN, None))
    found = summarised(runs)[0].iloc[0]
    assert (found["best"] >= 0.95) == np.isfinite(found["queries_95"]) == (found["risk"] == "high")
    assert found["best"] in bests
