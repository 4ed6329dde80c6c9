import signal

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Victim
from divulge.cli.progress import Curve, ProgressDisplay, interrupts_noted


class Step:
    def __init__(self, queries, module, stage="search"):
        self.queries, self.units, self.stage, self.module = queries, queries // 10, stage, module

    def copy(self):
        return self.module


def test_the_curve_measures_the_unfinished_copy():
    victim = Victim(nn.Linear(3, 2).double())
    points = torch.randn(20, 3, dtype=torch.float64)
    curve = Curve(victim, points)
    copy = nn.Linear(3, 2).double()
    curve.note(Step(10, copy))
    ((queries, units, error),) = curve.points
    assert (queries, units) == (10, 1)
    assert error == pytest.approx(np.abs(Victim(copy).values(points) - victim.values(points)).max())


def test_the_curve_is_sparse_and_skips_what_cannot_be_measured():
    victim = Victim(nn.Linear(3, 2))
    curve = Curve(victim, None)
    for queries in (100, 101, 104, 105, 106, 111):
        curve.note(Step(queries, victim.module))
    curve.note(Step(5, victim.module))
    curve.note(Step(200, None))
    curve.note(Step(300, nn.Linear(3, 1)))
    assert [point[0] for point in curve.points] == [100, 105, 111]


def test_without_a_terminal_each_stage_is_said_once(capsys):
    with ProgressDisplay() as display:
        note = display.attack(None)
        for queries, stage in ((1, "search"), (2, "search"), (30, "signs")):
            note(Step(queries, None, stage))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["search: none found yet, 1 query", "signs: 3 units found, 30 queries"]


def test_a_terminal_shows_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressDisplay() as display:
        note = display.steps("training [on] digits")
        for done in range(1, 4):
            note(done, 4)
        display._live.refresh()
        first = capsys.readouterr().err
        display.say("comparing", ": 2 units found")
        display._live.refresh()
    assert "training [on] digits" in first
    assert "75%" in first
    second = capsys.readouterr().err
    assert "comparing: 2 units found" in second
    assert "%" not in second.split("comparing")[-1]


def test_interrupts_are_noted_and_raised():
    before = signal.getsignal(signal.SIGINT)
    with interrupts_noted() as noted:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert len(noted) == 1
    assert signal.getsignal(signal.SIGINT) is before
