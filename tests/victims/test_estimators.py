"""Fitted estimators as victims: outputs, classes, gradients where there are any, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from divulge import GradientOracle, LabelOracle, ProbabilityOracle, Victim
from divulge.datasets import read_data
from divulge.errors import UnsupportedModel, UnsupportedModelFile
from divulge.victims.as_module import check_columns
from divulge.victims.trees import leaves_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5)) * [1, 10, 0.1, 3, 1]
SCORE = X[:, 0] + X[:, 1] / 10 + (X[:, 3] > 1)
WORDS = {2: np.array(["bad", "good"])[(SCORE > 0).astype(int)], 3: np.digitize(SCORE, [-0.5, 1.0])}


def mlp(activation="relu"):
    return MLPClassifier((6, 4), max_iter=20, activation=activation, random_state=0)


WITH_GRADIENTS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), RidgeClassifier()),
    make_pipeline(RobustScaler(), PCA(3, whiten=True), LinearSVC()),
    make_pipeline(MaxAbsScaler(), "passthrough", SGDClassifier(random_state=0)),
    make_pipeline(StandardScaler(), mlp()),
    make_pipeline(StandardScaler(), mlp("tanh")),
]
WITHOUT = [
    DecisionTreeClassifier(max_depth=3, random_state=0),
    RandomForestClassifier(5, max_depth=3, random_state=0),
    ExtraTreesClassifier(5, max_depth=3, random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5),
    KNeighborsClassifier(),
    make_pipeline(StandardScaler(), SVC()),
]


def named(model):
    return type(model).__name__ if not hasattr(model, "steps") else type(model.steps[-1][1]).__name__


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", [*WITH_GRADIENTS, *WITHOUT], ids=named)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_victim_names_the_classes_that_the_estimator_names(model, classes):
    model.fit(X, WORDS[classes])
    victim = Victim(model)
    assert victim.class_names == tuple(np.unique(WORDS[classes]).tolist())
    told = np.array(victim.class_names)[LabelOracle(victim).explain(X).labels]
    np.testing.assert_array_equal(told, model.predict(X))
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(
            ProbabilityOracle(victim).probabilities(X), model.predict_proba(X), atol=1e-9
        )


@pytest.mark.parametrize("model", WITH_GRADIENTS, ids=named)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_layers_have_gradients(model):
    victim = Victim(model.fit(X, WORDS[3]))
    assert victim.differentiable
    assert victim.lowered == (getattr(model[-1], "activation", "relu") == "relu")
    values, gradients = victim.values_and_gradients(X[:9], 1)
    step = 1e-6 * RNG.normal(size=X[:9].shape)
    moved = victim.values(X[:9] + step)[:, 1]
    np.testing.assert_allclose(moved - values, (step * gradients).sum(axis=1), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("model", WITHOUT, ids=named)
def test_what_has_no_gradients_says_so(model):
    victim = Victim(model.fit(X, WORDS[2]))
    assert not victim.differentiable
    assert not victim.lowered
    with pytest.raises(UnsupportedModel, match=f"{named(model)} has no input gradients"):
        GradientOracle(victim)
    with pytest.raises(UnsupportedModel, match=r"has no input gradients: .* SHAP values, LIME or occlusion"):
        victim.values_and_gradients(X[:2], 0)


def test_a_regression_is_its_prediction():
    line = LinearRegression().fit(X, SCORE)
    victim = Victim(line)
    assert victim.class_names is None
    assert victim.lowered
    np.testing.assert_allclose(victim.values(X)[:, 0], line.predict(X))
    for ask in (lambda: victim.classes(X), lambda: LabelOracle(victim), lambda: ProbabilityOracle(victim)):
        with pytest.raises(UnsupportedModel, match="LinearRegression predicts numbers and names no classes"):
            ask()
    trees = GradientBoostingRegressor(n_estimators=4).fit(X, SCORE)
    np.testing.assert_allclose(Victim(trees).values(X)[:, 0], trees.predict(X))


@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: GridSearchCV(m, {"C": [1.0]}, cv=2)])
def test_a_value_for_each_pair_of_classes_names_none(classes, wrap):
    names = np.digitize(SCORE, [-0.5, 0.3, 1.0][: classes - 1])
    model = wrap(make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")))
    if isinstance(model, GridSearchCV):
        model.param_grid = {"svc__C": [1.0]}
    model.fit(X, names)
    victim = Victim(model, data=read_data((X, names)))
    assert victim.output_size == classes
    assert victim.classes(X).tolist() == model.predict(X).tolist()


def mixed(n=120):
    frame = pd.DataFrame({"job": RNG.choice(["cook", "nurse", "pilot"], n), "age": RNG.integers(18, 80, n)})
    frame["grade"] = np.where((frame["age"] > 40) ^ (frame["job"] == "cook"), "yes", "no")
    return frame


def encoded():
    encoder = make_column_transformer((OneHotEncoder(), ["job"]), (StandardScaler(), ["age"]))
    return make_pipeline(encoder, RandomForestClassifier(5, random_state=0))


def test_a_pipeline_is_fed_words():
    frame = mixed()
    data = read_data(frame, "grade")
    model = encoded().fit(frame[["job", "age"]], frame["grade"])
    victim = Victim(model, data=data)
    rows = data.frame(data.test_inputs.numpy())
    told = np.array(victim.class_names)[victim.classes(data.test_inputs)]
    np.testing.assert_array_equal(told, model.predict(rows))
    assert repr(victim).endswith("run by RandomForestClassifier)")


def test_columns_that_lightgbm_alone_writes_in_another_way():
    class Renamed:
        """A model that names its columns."""

    frame = pd.DataFrame(RNG.normal(size=(50, 3)), columns=["mean radius", "age", "y"])
    model = Renamed()
    model.feature_names_in_ = np.array(["mean_radius", "age"])
    data = read_data(frame, "y")
    with pytest.raises(UnsupportedModel, match="has no column 'mean_radius'"):
        check_columns(model, data)
    Renamed.__module__ = "lightgbm.sklearn"
    check_columns(model, data)
    other = read_data(frame.rename(columns={"age": "years"}), "y")
    with pytest.raises(UnsupportedModel, match="has no column 'mean_radius'"):
        check_columns(model, other)


def test_a_model_and_data_that_do_not_fit_name_the_culprit():
    frame = mixed()
    model = encoded().fit(frame[["job", "age"]], frame["grade"])
    other = read_data(frame.rename(columns={"age": "years"}), "grade")
    with pytest.raises(UnsupportedModel, match="table has no column 'age', which the model was fitted with"):
        Victim(model, data=other)
    more = read_data(frame.assign(more=RNG.normal(size=len(frame))), "grade")
    with pytest.raises(UnsupportedModel, match="the model was fitted without the column 'more' of table"):
        Victim(model, data=more)
    frame.loc[: len(frame) // 2, "job"] = "clerk"
    with pytest.raises(UnsupportedModel, match="clerk"):
        Victim(model, data=read_data(frame, "grade"))
    with pytest.raises(UnsupportedModel, match="RandomForestClassifier fails on rows of 5 columns"):
        Victim(RandomForestClassifier(), (5,))
    with pytest.raises(TypeError, match="a fitted estimator such as a scikit-learn pipeline, got int"):
        Victim(3)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", WITHOUT[:5], ids=named)
def test_leaves_say_what_the_trees_say(model, classes):
    victim = Victim(model.fit(X, WORDS[classes]))
    leaves = leaves_of(victim)
    points = 2 * X[:150] + RNG.normal(size=(150, 5))
    np.testing.assert_allclose(leaves.values(points), victim.values(points), atol=1e-12)
    assert (leaves.inside(points).all(axis=-1).sum(axis=1) * victim.output_size >= 1).all()


@pytest.mark.parametrize("package", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("classes", [2, 3])
def test_boosted_trees_of_other_libraries(package, classes):
    library = pytest.importorskip(package)
    made = {"xgboost": "XGBClassifier", "lightgbm": "LGBMClassifier"}[package]
    options = {"verbose": -1, "min_child_samples": 5} if package == "lightgbm" else {}
    model = getattr(library, made)(n_estimators=6, max_depth=3, n_jobs=1, **options)
    codes = np.unique(WORDS[classes], return_inverse=True)[1]
    victim = Victim(model.fit(X, codes))
    assert victim.output_size == (1 if classes == 2 else 3)
    np.testing.assert_array_equal(victim.classes(X), model.predict(X))
    np.testing.assert_allclose(ProbabilityOracle(victim).probabilities(X), model.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(leaves_of(victim).values(X), victim.values(X), atol=1e-5)


def test_boosted_trees_are_fed_categories_and_truth_values():
    lightgbm = pytest.importorskip("lightgbm")
    frame = pd.DataFrame(
        {
            "job": pd.Categorical(RNG.choice(["b", "a", "c"], 120), ["c", "zz", "a", "b"]),
            "own": X[:120, 0] > 0,
        }
    )
    names = np.where((frame["job"] == "a") | frame["own"], "yes", "no")
    model = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=2, verbose=-1).fit(frame, names)
    data = read_data(frame.assign(grade=names), "grade")
    victim = Victim(model, data=data)
    rows = np.column_stack([column.encode(frame[column.name]) for column in data.columns])
    assert np.array(victim.class_names)[victim.classes(rows)].tolist() == model.predict(frame).tolist()


def test_files_of_estimators_are_read_where_their_maker_is_trusted(tmp_path):
    import joblib

    path = tmp_path / "model.joblib"
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, WORDS[2]), path)
    with pytest.raises(UnsupportedModelFile, match="runs code when it is read: pass trusted=True"):
        Victim.from_file(path)
    assert Victim.from_file(path, trusted=True).class_names == ("bad", "good")
    joblib.dump({"weights": X}, path)
    with pytest.raises(UnsupportedModelFile, match="holds weights without a model"):
        Victim.from_file(path, trusted=True)
    joblib.dump("text", path)
    with pytest.raises(UnsupportedModelFile, match="a module or an estimator, got str"):
        Victim.from_file(path, trusted=True)
    path.write_bytes(b"nothing")
    with pytest.raises(UnsupportedModelFile, match="is damaged, or no model file"):
        Victim.from_file(path, trusted=True)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_modules_and_scripts_in_a_pt_file(tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    path = tmp_path / "m.pt"
    for write in (torch.save, lambda m, p: torch.jit.save(torch.jit.trace(m, torch.zeros(1, 5)), p)):
        write(module, path)
        with pytest.raises(UnsupportedModelFile, match="runs code"):
            Victim.from_file(path)
        data = read_data((X, WORDS[2]))
        victim = Victim.from_file(path, data, trusted=True)
        np.testing.assert_allclose(
            victim.values(X), module(torch.tensor(X).float()).detach(), rtol=1e-5, atol=1e-6
        )
    torch.save(module.state_dict(), path)
    with pytest.raises(UnsupportedModelFile, match="holds weights without a model"):
        Victim.from_file(path, trusted=True)


def named_table(words):
    frame = pd.DataFrame({"a": X[:60, 0], "job": np.array(["cook", "nurse", "pilot"])[np.arange(60) % 3]})
    return frame.assign(grade=np.array(words)[np.arange(60) % len(words)])


@pytest.mark.parametrize("known", [{"p": 0, "q": 1, "r": 2}, {"p": "p", "q": "q", "r": "x"}])
def test_classes_that_the_model_does_not_know_are_named(known):
    frame = named_table(["p", "q", "r"])
    model = DecisionTreeClassifier(max_depth=2).fit(frame[["a"]], frame["grade"].map(known))
    with pytest.raises(ValueError, match=r"the data's class '[pr]' is none of the model's"):
        Victim(model, data=read_data(frame[["a", "grade"]], "grade"))


def test_the_column_of_an_unseen_category_is_named():
    frame = named_table(["p", "q"])
    seen = frame[frame["job"] != "pilot"]
    first = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(first, LogisticRegression()).fit(seen[["a", "job"]], seen["grade"])
    with pytest.raises(UnsupportedModel, match=r"'pilot'.*these are of column 'job'"):
        Victim(model, data=read_data(frame, "grade"))


def test_numbers_that_lightgbm_reads_as_zero():
    lightgbm = pytest.importorskip("lightgbm")
    x = np.round(np.random.default_rng(2).uniform(-1, 1, (300, 4)), 1)
    y = x[:, 0] * x[:, 1] + x[:, 2] > 0
    victim = Victim(
        lightgbm.LGBMClassifier(n_estimators=1, num_leaves=12, verbose=-1, min_child_samples=3).fit(x, y)
    )
    leaves = leaves_of(victim)
    ends = np.unique(leaves.low[np.isfinite(leaves.low)])
    assert (np.abs(ends) < 1e-30).any()
    for at in (ends, np.nextafter(ends, 2), np.nextafter(ends, -2)):
        for number in range(4):
            points = np.full((len(at), 4), 0.33)
            points[:, number] = at
            assert np.allclose(leaves.values(points), victim.values(points))


@pytest.mark.parametrize("package", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_native_boosters(package, classes):
    library = pytest.importorskip(package)
    x = np.random.default_rng(classes).normal(size=(200, 4))
    y = x[:, 0] if classes == 1 else np.digitize(x[:, 0], [0.0, 0.7][: classes - 1])
    xgboost = package == "xgboost"
    objectives = ("reg:squarederror", "binary:logistic", "multi:softprob")
    objective = (objectives if xgboost else ("regression", "binary", "multiclass"))[classes - 1]
    settings = {"objective": objective, "max_depth": 2} | ({"num_class": 3} if classes == 3 else {})
    if xgboost:
        model = library.train(settings, library.DMatrix(x, label=y), 5)
        told = model.predict(library.DMatrix(x))
    else:
        model = library.train(settings | {"verbose": -1}, library.Dataset(x, label=y), 5)
        told = model.predict(x)
    victim = Victim(model)
    assert "Booster" in repr(victim)
    assert leaves_of(victim) is not None
    if classes == 1:
        assert np.abs(victim.values(x)[:, 0] - told).max() < 1e-6
    else:
        assert victim.class_names == tuple(range(classes))
        assert np.array_equal(victim.classes(x), told > 0.5 if classes == 2 else told.argmax(axis=1))
    assert np.array_equal(pickle.loads(pickle.dumps(victim)).values(x), victim.values(x))


@pytest.mark.parametrize("objective", ["binary", "multiclassova", "multiclass"])
def test_probabilities_of_a_native_lightgbm_booster_are_its_own(objective):
    library = pytest.importorskip("lightgbm")
    x = np.random.default_rng(3).normal(size=(200, 4))
    many = objective != "binary"
    settings = {"objective": objective, "verbose": -1} | ({"num_class": 3} if many else {"sigmoid": 2.0})
    y = np.digitize(x[:, 0], [0.0, 0.7]) if many else x[:, 0] > 0
    model = library.train(settings, library.Dataset(x, label=y), 5)
    told = ProbabilityOracle(Victim(model)).explain(x).probabilities
    assert np.abs(told[:, -1] - (model.predict(x)[:, -1] if many else model.predict(x))).max() < 1e-6


@pytest.mark.parametrize("booster", ["gblinear", "dart"])
def test_native_boosters_that_are_no_plain_trees(booster):
    library = pytest.importorskip("xgboost")
    x = np.random.default_rng(4).normal(size=(200, 4))
    matrix = library.DMatrix(x, label=x[:, 0] > 0)
    settings = {"objective": "binary:logistic", "booster": booster} | (
        {"rate_drop": 0.5} if booster == "dart" else {}
    )
    model = library.train(settings, matrix, 5)
    victim = Victim(model)
    assert np.abs(victim.values(x)[:, 0] - model.predict(matrix, output_margin=True)).max() < 1e-6
    assert leaves_of(victim) is None


class NamesOthers(LogisticRegression):
    def predict(self, x):
        return np.where(super().predict(x) == "good", "good", "maybe")


def test_a_class_that_predict_alone_knows_is_named():
    model = NamesOthers(max_iter=5000).fit(X, WORDS[2])
    with pytest.raises(
        UnsupportedModel, match="NamesOthers names 'maybe' where its classes_ are 'bad', 'good'"
    ):
        Victim(model)


class NamesNone(LogisticRegression):
    def predict(self, x):
        raise NotImplementedError("probabilities alone")


def test_a_classifier_that_cannot_name_classes_is_refused():
    model = NamesNone(max_iter=5000).fit(X, WORDS[2])
    with pytest.raises(UnsupportedModel, match="NamesNone fails to predict classes: probabilities alone"):
        Victim(model)


def test_a_category_in_a_later_row_is_named_with_its_column():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=80), "job": rng.choice(["cook", "smith"], 80)})
    table["y"] = np.where(table["size"] > 0, "good", "bad")
    coded = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    model = make_pipeline(coded, LogisticRegression()).fit(table[["size", "job"]], table["y"])
    table.loc[table.index[-1], "job"] = "baker"
    data = read_data(table, "y", test_share=0.1)
    victim = Victim(model, data=data)
    rows = np.concatenate([np.asarray(data.train_inputs), np.asarray(data.test_inputs)])
    with pytest.raises(
        UnsupportedModel, match=r"LogisticRegression fails .*'baker'.*; these are of column 'job'"
    ):
        victim.classes(rows)


class Crowded(DecisionTreeClassifier):
    """Tells three probabilities of two classes."""

    def predict_proba(self, rows):
        return np.full((len(rows), 3), 1 / 3)


def test_probabilities_of_more_classes_than_there_are_are_refused():
    model = Crowded().fit(X, WORDS[2])
    with pytest.raises(
        UnsupportedModel, match=r"Crowded .* predict_proba tells 3 probabilities of 'bad', 'good'"
    ):
        Victim(model)
