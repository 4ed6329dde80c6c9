import pickle
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from html.parser import HTMLParser
from threading import Lock

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import divulge
from divulge import Victim, leak_report
from divulge.datasets import digits as digits_data
from divulge.datasets import read_data
from divulge.oracles import LiveOracle, defence_by_name, oracle_by_name
from divulge.report import in_parallel
from divulge.report.runs import queries_until
from divulge.report.study import Study, faithfulness


def test_a_row_for_each_explanation_and_each_defence_that_touches_it(report):
    pairs = list(zip(report.table.explanation, report.table.defence, strict=True))
    assert pairs == [
        ("label", "none"),
        ("gradient", "none"),
        ("gradient", "rounded:1"),
        ("gradient", "top:5"),
    ]
    assert len(report.curves) == 8
    table = report.table.set_index(["explanation", "defence"])
    gradient = table.loc[("gradient", "none")]
    assert gradient.rank_correlation == pytest.approx(1)
    assert 16 < gradient.exact < 3000
    assert np.isnan(table.loc[("label", "none")].exact)
    assert gradient.best > table.loc[("label", "none")].best
    assert 0 < table.loc[("gradient", "top:5")].rank_correlation < 0.9


def test_the_summary_names_every_pair(report):
    said = report.summary()[1:-1]  # between the recommendation and the rule of the risk classes
    assert len(said) == 6
    assert "rebuilt exactly" in said[1]
    assert "top:5" in said[3]
    assert "honest user" in said[3]
    assert "attack" in said[4]  # how what was tried beside copies that learn is chosen
    assert "is not exact" in said[5]


class Page(HTMLParser):
    """Counts what is open, and keeps names and links."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_elsewhere(report, tmp_path):
    report.save(tmp_path / "leaks.html")
    text = (tmp_path / "leaks.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert page.tags.count("svg") == 2
    assert page.tags.count("tr") == 5
    assert len(page.ids) == len(set(page.ids))
    assert 'name="viewport"' in text
    assert "@import" not in text
    assert text == report.html()


def test_names_are_escaped(victim, digits):
    report = divulge.leak_report(
        victim,
        digits,
        oracles={"<b>": divulge.LabelOracle},
        defences={"none": lambda oracle: oracle},
        budgets=(5,),
        steps=1,
    )
    assert "&lt;b&gt;" in report.html()
    assert "<b>" not in report.html()


def test_where_a_curve_reaches_a_level():
    curve = pd.DataFrame({"queries": [10, 1000], "agreement": [0.8, 1.0]})
    assert queries_until(curve, 0.9) == pytest.approx(100)
    assert queries_until(curve, 0.5) == pytest.approx(10)
    assert np.isnan(queries_until(curve.assign(agreement=[0.1, 0.2]), 0.9))


def test_faithfulness_is_the_mean_rank_correlation_of_sizes():
    a = np.array([[1.0, -2.0, 3.0], [3.0, 2.0, 1.0]])
    assert faithfulness(a, 10 * a) == pytest.approx(1)
    assert faithfulness(a, a[:, ::-1]) == pytest.approx(-1)
    assert faithfulness(a, np.ones((2, 3))) == 0


@pytest.mark.parametrize(
    ("oracles", "defences", "message"),
    [
        (("rumour",), ("none",), "an oracle named label, .* got 'rumour'"),
        (("gradient",), ("blur",), "a defence named none, .* got 'blur'"),
        (("gradient",), ("rounded:x",), "number behind the colon of 'rounded:x'"),
        (("gradient",), ("rounded:1.5",), "a whole number, got 1.5"),
        (("gradient",), ("top:0",), "k between 1 and 64, got 0"),
        (("label",), ("sign",), "at least one oracle with a defence"),
    ],
)
def test_senseless_names(victim, digits, oracles, defences, message):
    with pytest.raises(ValueError, match=message):
        divulge.leak_report(victim, digits, oracles=oracles, defences=defences, budgets=(5,), steps=1)


FEW = {"budgets": (10, 40), "steps": 30, "exact_budget": 0}


def test_an_oracle_of_ones_own_is_compared_with_the_victim(victim, digits):
    def own(victim):
        return divulge.CallableOracle(victim.values_and_gradients, 64, output_size=10, domain=(0, 1))

    report = divulge.leak_report(victim, digits, oracles={"own": own}, defences=("none", "rounded:2"), **FEW)
    assert report.curves.agreement.between(0.1, 1).all()
    assert report.table.rank_correlation[0] == pytest.approx(1)
    assert report.table.rank_correlation[1] > 0.8
    assert report.html().count("<svg") == 1
    assert report.plot().lines
    assert len(report.summary()[1:-1]) == 2


def test_an_oracle_that_returns_values_alone(victim, digits):
    def own(victim):
        return divulge.CallableOracle(
            lambda points, k: victim.values(points)[:, k], 64, output_size=10, gradients=False
        )

    report = divulge.leak_report(victim, digits, oracles={"own": own}, defences=("none",), **FEW)
    assert report.table.best.notna().all()
    assert report.table.rank_correlation.isna().all()
    assert report.html()


@pytest.mark.parametrize("names", [(1, 8), ("1", "8bit"), (("a", 1), None), (np.int64(3), 2.5)])
def test_names_of_any_kind_are_shown(victim, digits, names):
    oracles = {names[0]: divulge.LabelOracle, names[1]: divulge.GradientOracle}
    defences = {names[0]: lambda oracle: divulge.Rounded(oracle, decimals=2)}
    report = divulge.leak_report(victim, digits, oracles=oracles, defences=defences, **FEW)
    assert list(report.table.explanation) == [str(names[1])]
    assert list(report.table.defence) == [str(names[0])]
    assert str(names[1]) in report.summary()[1]
    assert report.html().count("<svg") == 1
    assert report.plot().get_legend().texts[0].get_text() == f"{names[1]}, {names[0]}"
    assert report._repr_html_()


def test_one_name_need_be_no_list(victim, digits):
    report = divulge.leak_report(victim, digits, oracles="gradient", defences="none", **FEW)
    assert list(report.table.explanation) == ["gradient"]


def test_data_of_arrays_are_those_of_tensors(victim, digits):
    parts = ("train_inputs", "train_targets", "test_inputs", "test_targets")
    arrays = replace(digits, **{part: getattr(digits, part).numpy() for part in parts})
    one, other = (
        divulge.leak_report(victim, data, oracles=("gradient",), defences=("none", "top:5"), **FEW)
        for data in (arrays, digits)
    )
    pd.testing.assert_frame_equal(one.table, other.table)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"test_targets": np.array(["zero"] * 360)},
            TypeError,
            "numbers of classes from 0 to 9, got dtype <U4",
        ),
        ({"test_targets": np.ones(360)}, TypeError, "numbers of classes from 0 to 9, got dtype float64"),
        ({"test_targets": np.full(360, 10)}, ValueError, "targets from 0 to 9, as many classes as the"),
        ({"test_targets": np.full(360, -1)}, ValueError, "as the victim has, got -1"),
        (
            {"test_targets": np.ones((360, 1), int)},
            ValueError,
            r"shape \(360,\), one an input, got \(360, 1\)",
        ),
        ({"test_targets": np.ones(5, int)}, ValueError, r"shape \(360,\), one an input, got \(5,\)"),
        ({"test_inputs": np.zeros((0, 1, 8, 8))}, ValueError, "test inputs in digits, .* got none"),
    ],
)
def test_data_that_cannot_be_compared_on_are_refused(victim, digits, change, error, message):
    with pytest.raises(error, match=message):
        divulge.leak_report(victim, replace(digits, **change), oracles=("label",), defences=("none",), **FEW)


def test_what_is_no_victim_and_no_data_set_is_refused(victim, digits):
    oracle = divulge.GradientOracle(victim)
    with pytest.raises(TypeError, match=r"expected a victim .* got GradientOracle; an oracle is named in"):
        divulge.leak_report(oracle, digits)
    with pytest.raises(TypeError, match=r"expected a victim .* got Sequential$"):
        divulge.leak_report(victim.module, digits)
    for data in (digits.train_inputs, digits.train_inputs.numpy(), (digits.train_inputs, None), None):
        with pytest.raises(TypeError, match=f"expected data such as Dataset.* got {type(data).__name__}"):
            divulge.leak_report(victim, data)


def words(n=150):
    """A table with words, and classes in words."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.integers(18, 80, n), "job": rng.choice(["cook", "nurse", "pilot"], n)})
    frame["grade"] = np.where((frame["age"] > 40) ^ (frame["job"] == "cook"), "yes", "no")
    return frame


def test_a_pipeline_on_a_table_and_what_it_cannot_explain():
    frame = words()
    data = read_data(frame, "grade")
    encoder = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(encoder, DecisionTreeClassifier(random_state=0))
    victim = Victim(model.fit(frame[["age", "job"]], frame["grade"]), data=data)
    found = leak_report(
        victim,
        data,
        oracles=("label", "probability", "shap", "gradient"),
        defences=("none", "rounded:1"),
        budgets=(10, 100),
        steps=200,
    )
    assert found.table["explanation"].unique().tolist() == ["label", "probability", "shap"]
    assert found.curves["gradient_cosine"].isna().all()
    assert found.curves["agreement"].min() > 0.5
    assert "Left out: gradient, DecisionTreeClassifier has no input gradients" in found.summary()[-2]
    assert "Left out: gradient" in found.html()


def test_explanations_of_a_linear_pipeline_give_it_away():
    data = digits_data()
    inputs = data.train_inputs.flatten(1).double().numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(
        inputs, data.train_targets.numpy()
    )
    found = leak_report(
        Victim(model), data, oracles=("shap",), defences=("none",), surrogate="linear", budgets=(60,), steps=1
    )
    assert found.curves["solved"].all()
    assert found.table["best"].item() > 0.99  # pixels that are 0 in all that was asked stay unknown


def test_classes_of_another_name_are_named():
    frame = words()
    model = DecisionTreeClassifier().fit(frame[["age"]], frame["grade"])
    data = read_data(frame[["age", "grade"]].replace({"yes": "perhaps"}), "grade")
    with pytest.raises(
        ValueError, match="the data's class 'perhaps' is none of the model's, which are 'no', 'yes'"
    ):
        leak_report(Victim(model, data=data), data)


def test_a_live_api_is_reported_on_by_its_answers_alone():
    frame = words(300)[["age", "grade"]].assign(more=np.random.default_rng(1).normal(size=300))
    frame["grade"] = np.where(frame["age"] > 40, "yes", "no")
    data = read_data(frame, "grade")
    model = Victim(DecisionTreeClassifier(max_depth=2).fit(frame[["age", "more"]], frame["grade"]), data=data)
    asked = []

    def label(points):
        asked.append(len(points))
        return [model.class_names[k] for k in model.classes(points)]

    shap = oracle_by_name("shap", model, data=data)
    live = {
        "label": LiveOracle(label, 2, tells="label", classes=model.class_names),
        "shap": LiveOracle(lambda p: shap.explain(p, 1).explanations, 2, tells=shap.attribution,
                           classes=model.class_names, output=1),
    }  # fmt: skip
    found = leak_report(live, data, defences=("none", "sign"), budgets=(10, 40), steps=200)
    pairs = list(zip(found.table["explanation"], found.table["defence"], strict=True))
    assert pairs == [("label", "none"), ("shap", "none"), ("shap", "sign")]
    assert found.table["best"].min() > 0.7
    assert found.table[["exact", "rank_correlation"]].isna().all(axis=None)
    assert "Left out: exact reconstruction" in found.summary()[-2]
    assert sum(asked) == len(data.test_inputs) + 40 == live["label"].ledger.total
    assert "an API with 2 numbers in, 2 classes" in found.html()


def test_a_live_api_that_names_no_class_cannot_be_compared_with():
    alone = LiveOracle(lambda p: p, 64, tells="shap", classes=(0, 1))
    with pytest.raises(ValueError, match="labels, probabilities or values, to compare copies with, got shap"):
        leak_report(alone, digits_data())
    other = LiveOracle(lambda p: p, 3, tells="label", classes=(0, 1))
    with pytest.raises(ValueError, match=r"inputs of one size, got \[3, 64\]"):
        leak_report({"a": alone, "b": other}, digits_data())


def test_a_report_says_what_private_answers_spend(victim, digits):
    private = "private:2,limit=5"
    report = leak_report(
        victim,
        digits,
        oracles=["gradient"],
        defences=["none", private],
        budgets=[10, 30],
        steps=30,
        exact_budget=0,
    )
    bare, noisy = report.table.epsilon
    assert np.isnan(bare)
    expected = defence_by_name(private, oracle_by_name("gradient", victim)).spent(30).epsilon
    assert noisy == expected
    assert any(f"spend epsilon {expected:.3g}" in said for said in report.summary())


def scored(rows):
    """A table of two columns, a logistic model of them, and what to compare."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)), columns=["a", "b"])
    data = read_data(frame.assign(kind=(frame.a > frame.b).astype(int)), "kind", seed=0)
    model = LogisticRegression().fit(data.frame(data.train_inputs.numpy()), data.train_targets.numpy())
    return Victim(model, data=data), data


OPTIONS = {
    "oracles": ("label", "shap"), "defences": ("none", "rounded:2"), "budgets": (5, 20), "steps": 20,
    "seeds": 2,
}  # fmt: skip


@pytest.fixture
def at_once(monkeypatch):
    """Other processes begin after the first row, however quick it was."""
    monkeypatch.setattr(in_parallel, "WORTH", -1.0)


def test_two_processes_say_what_one_says(at_once):
    victim, data = scored(120)
    done, parts = {1: [], 2: []}, {1: [], 2: []}
    told = [
        leak_report(
            victim,
            data,
            **OPTIONS,
            jobs=jobs,
            progress=lambda *steps, jobs=jobs: done[jobs].append(steps),
            partial=lambda part, jobs=jobs: parts[jobs].append(len(part.table)),
        )
        for jobs in (1, 2)
    ]
    pd.testing.assert_frame_equal(told[0].table, told[1].table)
    timed = ["seconds", "victim_seconds"]
    pd.testing.assert_frame_equal(told[0].curves.drop(columns=timed), told[1].curves.drop(columns=timed))
    assert done[1][-1] == done[2][-1] == (12, 12)
    assert parts[1] == parts[2] == [1, 2, 3, 3, 3, 3]


class Pool:
    """Fails at once, or is never done; keeps what it is sent."""

    def __init__(self, *_, error=None, **__):
        self.error, self.sent, self.ended = error, [], []

    def submit(self, run, *arguments):
        self.sent.append((run, arguments))
        call = Future()
        if self.error is not None:
            call.set_exception(self.error)
        return call

    def shutdown(self, wait, kill_workers):
        self.ended.append(kill_workers)


def pool(monkeypatch, **how):
    made = Pool(**how)
    monkeypatch.setattr("joblib.externals.loky.ProcessPoolExecutor", lambda *_, **__: made)
    return made


@pytest.mark.parametrize("error", [BrokenProcessPool("ended"), ModuleNotFoundError("own")])
def test_what_a_process_fails_in_is_measured_once_more(at_once, monkeypatch, error):
    victim, data = scored(60)
    options = {**OPTIONS, "defences": ("none",)}
    alone = leak_report(victim, data, **options)
    ended = pool(monkeypatch, error=error)
    pd.testing.assert_frame_equal(leak_report(victim, data, **options, jobs=2).table, alone.table)
    assert ended.sent
    assert ended.ended == [False]


def test_processes_are_sent_a_path_and_one_unit_at_a_time(at_once, monkeypatch):
    sent = pool(monkeypatch)

    def interrupted(*_):
        if sent.sent:
            raise KeyboardInterrupt
        return "a curve"

    monkeypatch.setattr(in_parallel, "_measured", interrupted)
    victim, data = scored(2000)
    with pytest.raises(KeyboardInterrupt):
        list(in_parallel.in_processes(study_of(victim, data), PAIRS, UNITS, 3))
    assert [arguments[1:] for _, arguments in sent.sent] == [("label", "none", 2), ("label", "none", 3)]
    assert max(len(pickle.dumps(arguments)) for _, arguments in sent.sent) < 1000
    assert sent.ended == [True]


def test_what_others_have_done_is_kept_when_the_user_interrupts(at_once, monkeypatch):
    sent, first = pool(monkeypatch), []

    def interrupted(study, *call):
        if first:
            sent_call.set_result("theirs")
            raise KeyboardInterrupt
        first.append(call)
        return "ours"

    sent_call = Future()
    sent.submit = lambda *_: sent_call
    monkeypatch.setattr(in_parallel, "_measured", interrupted)
    found = in_parallel.in_processes(study_of(*scored(60)), PAIRS, UNITS[:3], 2)
    assert [next(found), next(found)] == [((0, 0), "ours"), ((2, 0), "theirs")]
    with pytest.raises(KeyboardInterrupt):
        next(found)


PAIRS = [("label", "none", None)]
UNITS = [(seed, 0) for seed in range(6)]


def study_of(victim, data):
    return Study(victim, data, ["label"], ["none"], (5,), "mlp", 2, None, 0)


def test_quick_rows_begin_no_processes(monkeypatch):
    begun = pool(monkeypatch)
    leak_report(*scored(60), **OPTIONS, jobs=2)
    assert not begun.ended


def test_what_does_not_pickle_is_measured_one_at_a_time(at_once, monkeypatch):
    victim, data = scored(60)
    made = {"label": lambda victim: oracle_by_name("label", victim)}
    begun = pool(monkeypatch)
    report = leak_report(victim, data, oracles=made, budgets=(5,), steps=2, jobs=2)
    assert len(report.table) == 1
    layer = torch.nn.Linear(2, 2)
    layer.held = Lock()
    options = {"oracles": ("label", "value"), "defences": ("none",), "budgets": (5,), "steps": 2, "seeds": 2}
    report = leak_report(Victim(layer, input_shape=(2,)), data, **options, jobs=2)
    assert len(report.table) > 1
    assert not begun.ended


@pytest.mark.parametrize("jobs", [0, -2])
def test_senseless_numbers_of_jobs(jobs):
    with pytest.raises(ValueError, match="at least 1, or -1"):
        leak_report(*scored(60), jobs=jobs)
