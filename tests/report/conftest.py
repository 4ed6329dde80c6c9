import pytest

import divulge
from divulge.datasets import load
from divulge.training import fit_classifier, mlp

SHAPE = (1, 8, 8)


@pytest.fixture(scope="session")
def digits():
    return load("digits")


@pytest.fixture(scope="session")
def victim(digits):
    module = fit_classifier(
        mlp(SHAPE, [16], 10).double(), digits.train_inputs, digits.train_targets, epochs=5
    )
    return divulge.Victim(module, SHAPE)


@pytest.fixture(scope="session")
def report(victim, digits):
    return divulge.leak_report(
        victim,
        digits,
        oracles=("label", "gradient"),
        defences=("none", "rounded:1", "top:5"),
        budgets=(10, 80),
        steps=150,
        exact_budget=3000,
    )
