"""The bridge to the native kink search: with Python in between, and without."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import random_deep, victim_of

from divulge import CallableOracle, GradientOracle, Oracle, Victim
from divulge.reconstruction.asking.native_search import search_lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import Stopped

LINES = np.random.default_rng(0).standard_normal((2, 3, 8))


def searched(oracle: Oracle) -> tuple[Transcript, np.ndarray]:
    transcript = Transcript(AskedOutput(oracle, 0))
    found = search_lines(transcript, *LINES, -20.0, 20.0)
    return transcript, np.array(found.t)


@pytest.fixture(params=["float64", "float32"])
def victim(request) -> Victim:
    network = random_deep(8, 7, 6, 1)
    return victim_of(network.float() if request.param == "float32" else network)


def test_a_lowered_victim_is_asked_without_python_and_answers_the_same(victim, monkeypatch):
    oracle = GradientOracle(victim)
    through = CallableOracle(
        lambda points, k: victim.values_and_gradients(points, k), 8, dtype=victim.dtype, output_size=1
    )
    by_python, expected = searched(through)
    monkeypatch.setattr(GradientOracle, "_answer", None)
    by_core, found = searched(oracle)
    near = 1e-3 if by_core.tolerances.single else 1e-9
    np.testing.assert_allclose(found, expected, rtol=near, atol=near)
    assert oracle.ledger.by_kind == {"gradient": len(by_core)}
    assert oracle.ledger.total == len(by_core) == pytest.approx(len(by_python), rel=0.2)


def test_the_record_holds_what_was_asked(victim):
    transcript, _ = searched(GradientOracle(victim))
    points = transcript.points[:, :-1]
    values, gradients = victim.values_and_gradients(points, 0)
    np.testing.assert_array_equal(transcript.pieces[:, :-1], gradients)
    rounding = 8 * transcript.rounding * np.abs(values).max()
    np.testing.assert_allclose(transcript.values(), values, rtol=0, atol=rounding)
    np.testing.assert_array_equal(points, transcript.asked.representable(points))


def test_a_budget_is_asked_to_its_end(victim):
    oracle = GradientOracle(victim, budget=25)
    transcript = Transcript(AskedOutput(oracle, 0))
    with pytest.raises(Stopped, match="budget of 25"):
        search_lines(transcript, *LINES, -20.0, 20.0)
    assert len(transcript) == oracle.ledger.total == 25


@pytest.mark.parametrize("limit", [{"domain": (-1, 1)}, {"values": False}])
def test_what_limits_answers_is_not_passed_by(victim, limit):
    assert GradientOracle(victim, **limit).native(0) is None
    assert GradientOracle(victim).native(0) is not None


def test_a_subclass_answers_for_itself(victim):
    class Own(GradientOracle):
        pass

    assert Own(victim).native(0) is None
    assert GradientOracle(Victim(victim.module, (8,), lower=False)).native(0) is None
