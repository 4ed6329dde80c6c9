"""A stand-in for the attack, so that the command line is tested on every outcome an attack may have."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import nn

from divulge.cli.models import TRAINING
from divulge.errors import BudgetExhausted
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.victims.lowering import lower

CHECKED = Certificate((Sample("standard normal", 16, 1e-13),))


@dataclass
class Outcome:
    module: nn.Module
    queries: int = 0
    queries_by_kind: dict = field(default_factory=dict)
    certificate: Certificate = CHECKED
    complete: bool = True
    notes: list = field(default_factory=list)
    hidden_sizes: tuple = ()
    seed: int = 0
    replayed: int = 0
    queries_by_layer: tuple = ()
    unit_kinds: tuple = ()
    numbers_per_parameter: float = 2.0

    @property
    def hidden_units(self):
        return sum(self.hidden_sizes)


@dataclass
class Step:
    stage: str
    queries: int
    units: int
    module: nn.Module

    def copy(self):
        return self.module


def first_units(victim, k):
    """The victim's first k units as a copy."""
    layers = lower(victim.module, victim.input_shape, torch.float64)
    (rows, outputs), (offsets, bias) = layers.weights, layers.biases
    copy = nn.Sequential(nn.Linear(rows.shape[1], k), nn.ReLU(), nn.Linear(k, len(bias))).double()
    with torch.no_grad():
        for parameter, array in zip(
            copy.parameters(), (rows[:k], offsets[:k], outputs[:, :k], bias), strict=True
        ):
            parameter.copy_(torch.from_numpy(np.array(array)))
    return copy


class Attack:
    """Asks three idle queries a unit and reads the unit from the victim; a test may change its plan."""

    def __init__(self):
        self.each = lambda units: None
        self.changes = {}
        self.oracle = self.checkpoint = None

    def copy(self, victim, units):
        return self.changes.get("module") or first_units(victim, units)

    def __call__(self, oracle, seed=0, *, progress=None, checkpoint=None, input_shape=None):
        self.oracle, self.checkpoint = oracle, checkpoint
        hidden = lower(oracle.victim.module, oracle.victim.input_shape, torch.float64).weights[0].shape[0]
        found, notes = 0, []
        try:
            for units in range(1, hidden + 1):
                oracle.query(np.zeros((3, oracle.input_size)))
                found = units
                self.each(units)
                copy = self.copy(oracle.victim, found)
                progress(Step("finding kinks", oracle.ledger.total, found, copy))
        except (BudgetExhausted, KeyboardInterrupt) as error:
            notes.append(str(error) or "interrupted")
        outcome = Outcome(
            self.copy(oracle.victim, found), oracle.ledger.total, oracle.ledger.by_kind,
            complete=found == hidden, notes=notes, hidden_sizes=(found,), seed=seed,
        )  # fmt: skip
        return replace(outcome, **self.changes)


@pytest.fixture
def attack(monkeypatch):
    stand_in = Attack()
    monkeypatch.setitem(TRAINING, "digits", (1, 256))
    monkeypatch.setattr("divulge.cli.reconstruct.reconstruct", stand_in)
    return stand_in


@pytest.fixture
def command(capsys):
    """Run the command line and return (exit code, standard output, standard error)."""
    from divulge.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        return (exit_.value.code, *capsys.readouterr())

    return run
