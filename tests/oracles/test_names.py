import numpy as np
import pytest
import torch
from torch import nn

import divulge
from divulge.oracles import ORACLES, oracle_by_name
from divulge.oracles.base import Oracle

POINTS = np.random.default_rng(0).uniform(0.1, 0.9, (5, 6))


@pytest.fixture(scope="module")
def victim():
    torch.manual_seed(0)
    return divulge.Victim(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double())


# What needs a package that need not be installed, images, or a tree.
PACKAGES = {"kernel_shap": "shap", "lime_tabular": "lime", "lime_image": "lime"}
OF_OTHERS = {"grad_cam", "lime_image", "rule"}


@pytest.mark.parametrize("name", [name for name in ORACLES if name not in OF_OTHERS])
def test_every_oracle_has_its_name_in_the_ledger(victim, name):
    pytest.importorskip(PACKAGES.get(name, "numpy"))
    given = {"data": POINTS} if name == "lime_tabular" else {}
    oracle = ORACLES.make(name, victim, domain=(0, 1), budget=9, **given)
    oracle.explain(POINTS)
    assert oracle.ledger.by_kind == {name: 5}
    assert oracle.ledger.remaining == 4


def test_all_oracles_of_a_victim_have_a_name():
    def below(kind):
        return {kind}.union(*(below(k) for k in kind.__subclasses__()))

    from divulge.oracles.attributed import AttributionOracle
    from divulge.oracles.of_module import ModuleAttributionOracle
    from divulge.oracles.victim import VictimOracle

    shipped = {kind for kind in below(VictimOracle) if kind.__module__.startswith("divulge.")}
    assert {entry.make for entry in ORACLES.values()} == shipped - {
        VictimOracle,
        AttributionOracle,
        ModuleAttributionOracle,
    }


def test_parameters(victim):
    oracle = oracle_by_name("smoothgrad:samples=7,noise=0.3,fixed_noise=true,values=false", victim)
    assert (oracle.attribution.samples, oracle.attribution.noise) == (7, 0.3)
    assert not oracle.has_values
    np.testing.assert_array_equal(oracle.explain(POINTS).explanations, oracle.explain(POINTS).explanations)
    oracle = oracle_by_name("integrated_gradients:5,baseline=0.5", victim)
    assert (oracle.attribution.steps, oracle.attribution.baseline) == (5, 0.5)
    assert oracle_by_name("gradient:output=2", victim).output == 2
    assert oracle_by_name("probability:gradients=true", victim).has_gradients


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lemon", "an oracle named label, probability, value, gradient, .* got 'lemon'"),
        ("gradient_times_input", "got 'gradient_times_input'"),
        ("label:output=1", "no parameter"),
        ("smoothgrad:samples=2.5", "whole number.* got 2.5"),
        ("smoothgrad:samples=0", "at least one sample"),
        ("gradient:output=7", "of 3 outputs, got 7"),
    ],
)
def test_senseless_names(victim, text, message):
    with pytest.raises(ValueError, match=message):
        oracle_by_name(text, victim)


def test_an_oracle_is_made(victim):
    plain = [name for name in ORACLES if name not in OF_OTHERS | set(PACKAGES)]
    assert all(isinstance(oracle_by_name(name, victim), Oracle) for name in plain)
