"""No question is asked twice, whatever ends the process in between."""

import numpy as np
import pytest

from divulge import BudgetExhausted, CallableOracle, OracleError
from divulge.errors import CheckpointError
from divulge.oracles import Budget, LiveOracle

X = np.random.default_rng(0).normal(size=(9, 3))
CLASSES = ("no", "yes")


class Api:
    """Values and gradients of two outputs; counts what it is asked, and fails after so many calls."""

    def __init__(self, calls=100):
        self.left, self.asked = calls, []

    def __call__(self, points, output):
        if not self.left:
            raise OSError("down")
        self.left -= 1
        self.asked += [(output, *point) for point in points.tolist()]
        return (1 + output) * points.sum(axis=1), (1 + output) * np.ones_like(points)


def oracle_of(api, cache, **options):
    return CallableOracle(api, 3, output_size=2, cache=cache, **options)


def test_known_questions_cost_nothing_in_whatever_order(tmp_path):
    api = Api()
    oracle = oracle_of(api, tmp_path / "kept", price=0.5)
    first = oracle.query(X)
    order = np.random.default_rng(1).permutation(9)
    again = oracle.query(X[order])
    np.testing.assert_array_equal(again[0], first[0][order])
    np.testing.assert_array_equal(again[1], first[1][order])
    assert len(api.asked) == oracle.ledger.total == 9
    assert oracle.ledger.cost == 4.5
    oracle.query(X[:2], output=1)  # another output is another question
    assert len(api.asked) == 11


def test_a_question_twice_in_one_batch_is_asked_once(tmp_path):
    api = Api()
    values, _ = oracle_of(api, tmp_path / "kept").query(np.vstack([X, X[:4], -0.0 * X[:1], 0.0 * X[:1]]))
    assert len(api.asked) == 10
    np.testing.assert_array_equal(values[9:13], values[:4])


def test_a_crash_loses_nothing_that_was_answered(tmp_path):
    api = Api(calls=2)
    with pytest.raises(OracleError, match="down"):
        oracle_of(api, tmp_path / "kept", batch=3).query(X)
    assert len(api.asked) == 6
    api.left = 100
    after = oracle_of(api, tmp_path / "kept", batch=3)
    values, _ = after.query(X)
    np.testing.assert_array_equal(values, X.sum(axis=1))
    assert len(api.asked) == len(set(api.asked)) == 9
    assert after.ledger.total == 3


def test_an_interrupt_loses_nothing_either(tmp_path):
    def interrupted(points, output):
        if (points[0] == X[3]).all():
            raise KeyboardInterrupt
        return Api()(points, output)

    with pytest.raises(KeyboardInterrupt):
        oracle_of(interrupted, tmp_path / "kept", batch=3).query(X)
    after = oracle_of(Api(), tmp_path / "kept")
    after.query(X)
    assert after.ledger.total == 6


def test_a_record_cut_short_is_asked_again(tmp_path):
    oracle_of(Api(), tmp_path / "kept", batch=3).query(X)
    data = (tmp_path / "kept").read_bytes()
    (tmp_path / "kept").write_bytes(data[:-5])
    api = Api()
    oracle_of(api, tmp_path / "kept").query(X)
    assert len(api.asked) == 3
    oracle_of(api, tmp_path / "kept").query(X)
    assert len(api.asked) == 3


def test_the_budget_is_for_what_is_asked(tmp_path):
    oracle = oracle_of(Api(), tmp_path / "kept", budget=9)
    oracle.query(X)
    oracle.query(X)
    with pytest.raises(BudgetExhausted, match="budget of 9"):
        oracle.query(2 * X)
    with pytest.raises(BudgetExhausted):
        Budget(oracle_of(Api(), tmp_path / "other"), 8).query(X)


def test_another_oracles_cache_is_refused(tmp_path):
    oracle_of(Api(), tmp_path / "kept").query(X)
    with pytest.raises(
        CheckpointError, match="with oracle gradient, expected a checkpoint with oracle label"
    ):
        LiveOracle(lambda p: ["no"] * len(p), 3, tells="label", classes=CLASSES, cache=tmp_path / "kept")


def test_bad_answers_are_not_kept(tmp_path):
    oracle = oracle_of(lambda p, k: (p[:, 0] * np.nan, p), tmp_path / "kept")
    with pytest.raises(OracleError, match="value nan"):
        oracle.query(X)
    api = Api()
    oracle_of(api, tmp_path / "kept").query(X)
    assert len(api.asked) == 9


def test_a_full_disk_is_said_and_the_answers_stay(tmp_path, monkeypatch):
    oracle = oracle_of(Api(), tmp_path / "kept")

    def full(record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(oracle._cache._journal, "append", full)
    with pytest.warns(RuntimeWarning, match="ends after 9 answers: No space left on device"):
        oracle.query(X)
    oracle.query(X)
    assert oracle.ledger.total == 9


@pytest.mark.parametrize("tells", ["label", "probability", "shap"])
def test_labels_probabilities_and_explanations_are_kept_too(tmp_path, tells):
    asked = []

    def ask(points):
        asked.extend(points.tolist())
        told = 1 / (1 + np.exp(-points[:, 0]))
        return {
            "label": np.where(told > 0.5, "yes", "no"),
            "probability": np.stack([1 - told, told], axis=1),
            "shap": 2 * points,
        }[tells]

    def made():
        return LiveOracle(ask, 3, tells=tells, classes=CLASSES, cache=tmp_path / "kept", batch=4, price=1)

    first, second = made().explain(X), made().explain(X)
    assert len(asked) == 9
    for name in ("labels", "probabilities", "explanations"):
        a, b = getattr(first, name), getattr(second, name)
        assert a is b is None or (a == b).all()
    with pytest.raises(CheckpointError, match="classes"):
        LiveOracle(ask, 3, tells=tells, classes=("a", "b"), cache=tmp_path / "kept")
    assert len(made().explain(X[:0])) == 0


def test_an_explanation_with_other_parameters_has_another_cache(tmp_path):
    def live(tells):
        return LiveOracle(lambda x: x, 3, tells=tells, classes=CLASSES, cache=tmp_path / "kept")

    live("heat_map:bits=8").explain(X)
    assert live("heat_map:bits=8").explain(X).explanations is not None
    with pytest.raises(CheckpointError, match="explanation"):
        live("heat_map:bits=4")
