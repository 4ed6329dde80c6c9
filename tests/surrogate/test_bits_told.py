"""Leak curves in bits."""

from functools import partial

import pytest
import torch

from divulge import GradientOracle, LabelOracle, Victim, leak_report, steal
from divulge.bits import bits_told
from divulge.datasets import digits
from divulge.surrogate.figures import plot_leaked
from divulge.training import mlp, train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def victim(data):
    return Victim(train_classifier([8], data, dtype=torch.float32, epochs=12), data.input_shape)


@pytest.fixture
def briefly(monkeypatch):
    """Estimates of fewer steps, where all that is looked at is that they are there."""
    monkeypatch.setattr("divulge.surrogate.bits_told.bits_told", partial(bits_told, steps=300))


def test_curves_say_what_copies_tell(victim, data):
    form = mlp(data.input_shape, [8], 10, seed=5)
    stolen = steal(GradientOracle(victim), form, queries=[10, 300], data=data, steps=300, bits=0.85)
    curve = stolen.to_frame()
    assert curve["bits_held"].nunique() == 1
    assert 0 <= curve["bits_told"][0] < curve["bits_told"][1] <= curve["bits_held"][1]
    axes = plot_leaked({"gradient": curve})
    assert axes.get_lines()[0].get_ydata()[1] == pytest.approx(
        100 * curve["bits_told"][1] / curve["bits_held"][1]
    )
    assert "bits_told" not in steal(LabelOracle(victim), form, queries=10, data=data, steps=5).leak_curve


@pytest.mark.usefixtures("briefly")
def test_reports_take_bits(victim, data):
    report = leak_report(
        victim, data, oracles=("label",), defences=("none",), budgets=(20,), surrogate="mlp:4", steps=20,
        bits=0.3, exact_budget=0,
    )  # fmt: skip
    assert {"bits_held", "bits_told"} <= set(report.curves)
    assert report.plot_leaked().get_ylabel() == "bits told, % of those held"


def test_bits_that_cannot_be_told_are_refused(victim, data):
    classes = victim.classes(data.test_inputs.flatten(1))
    with pytest.raises(TypeError, match="expected victim=, a Victim"):
        steal(LabelOracle(victim), "linear", queries=5, data=data, victim=classes, bits=0.9)
    with pytest.raises(TypeError, match="a data set as data, got Tensor"):
        steal(LabelOracle(victim), "linear", queries=5, data=data.train_inputs, bits=0.9)
    oracle = LabelOracle(victim)
    with pytest.raises(ValueError, match="below 1, got 95"):
        steal(oracle, "linear", queries=5, data=data, bits=95)
    assert oracle.ledger.total == 0  # nothing was asked in vain
    with pytest.raises(ValueError, match="pass bits="):
        plot_leaked({"label": steal(LabelOracle(victim), "linear", queries=5, data=data, steps=2).leak_curve})
