"""Reports on APIs that tell values and gradients, and on more than one answer a query."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from divulge import leak_report, steal
from divulge.datasets import read_data
from divulge.oracles import CallableOracle, defence_by_name, oracle_by_name

X, Y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
ROWS = np.random.default_rng(3).normal(size=(3, X.shape[1]))
FEW = {"defences": "none", "budgets": (60,), "steps": 200}


def api(rows, asked=None, **options):
    """An API of linear outputs, one for each row."""

    def answer(points, output):
        if asked is not None:
            asked.append(len(points))
        return points @ rows[output], np.tile(rows[output], (len(points), 1))

    return CallableOracle(answer, X.shape[1], output_size=len(rows), **options)


@pytest.mark.parametrize("outputs", [1, 3])
def test_values_name_the_classes_where_no_labels_are_told(outputs):
    asked = []
    data = read_data((X, Y))
    found = leak_report(api(ROWS[:outputs], asked), data, **FEW)
    assert found.table["best"][0] > 0.9
    assert any("labels of the API's own, which tells none" in part for part in found.left_out)
    assert sum(asked) == outputs * len(data.test_inputs) + 60
    assert f"{max(2, outputs)} classes" in found.html()


def test_gradients_alone_name_no_class():
    alone = CallableOracle(lambda p, k: np.ones_like(p), X.shape[1], values=False)
    with pytest.raises(ValueError, match=r"labels, probabilities or values, .* got gradient"):
        leak_report(alone, read_data((X, Y)), **FEW)


def test_one_value_that_may_be_a_probability_is_refused():
    shares = CallableOracle(lambda p, k: 1 / (1 + np.exp(-p @ ROWS[0])), X.shape[1], gradients=False)
    with pytest.raises(ValueError, match=r"all lie from 0 to 1: .* LiveOracle\(..., tells='probability'\)"):
        leak_report(shares, read_data((X, Y)), **FEW)


def test_values_of_no_known_number_name_no_class():
    unknown = CallableOracle(lambda p, k: p @ ROWS[k], X.shape[1], output_size=None, gradients=False)
    with pytest.raises(ValueError, match="expected output_size= of an API that tells values"):
        leak_report(unknown, read_data((X, Y)), **FEW)


def test_outputs_that_may_not_be_there_are_not_asked_about():
    asked = set()

    def answer(points, output):
        asked.add(output)
        return points @ ROWS[0]

    told = CallableOracle(answer, X.shape[1], output_size=None, gradients=False)
    steal(told, "mlp:8", queries=40, data=read_data((X, Y)), steps=5)
    assert asked == {0}


def test_data_of_other_libraries_are_to_be_read_first():
    torch = pytest.importorskip("torch")
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    with pytest.raises(TypeError, match=r"read_data\(source, target\) .* got TensorDataset"):
        leak_report(api(ROWS), pairs, **FEW)
    with pytest.raises(TypeError, match=r"read_data\(source, target\) .* got TensorDataset"):
        steal(api(ROWS), queries=10, data=pairs)


def test_each_output_that_a_query_is_told_of_spends(victim, digits):
    private = "private:2,limit=5"
    report = leak_report(
        victim, digits, oracles=["jacobian"], defences=[private], budgets=[10, 30], steps=5, exact_budget=0
    )
    expected = defence_by_name(private, oracle_by_name("jacobian", victim)).spent(300).epsilon
    assert report.table.epsilon.tolist() == [expected]
