"""Copies learn from LIME, occlusion and heat maps."""

import numpy as np
import pytest
import torch

import divulge
from divulge import Victim
from divulge.datasets import Dataset
from divulge.oracles import oracle_by_name
from divulge.training import mlp


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(400, 6)))
    victim = Victim(mlp((6,), [8], 2, seed=1, dtype=torch.float64))
    y = torch.from_numpy(victim.classes(x.numpy()))
    return victim, Dataset("normal", x[:300], y[:300], x[300:], y[300:])


@pytest.mark.parametrize("name", ["lime:30", "occlusion", "heat_map:bits=4"])
def test_a_copy_is_told_more_than_by_chance(study, name):
    victim, data = study
    oracle = oracle_by_name(name, victim, data=data)
    stolen = divulge.steal(oracle, "mlp:16", queries=[60], data=data, steps=150)
    assert stolen.leak_curve.agreement.iloc[-1] > 0.8
    again = divulge.steal(
        oracle_by_name(name, victim, data=data), "mlp:16", queries=[60], data=data, steps=150
    )
    assert stolen.leak_curve.agreement.equals(again.leak_curve.agreement)


def test_a_linear_model_falls_to_limes_own_sampling(study):
    _, data = study
    victim = Victim(torch.nn.Linear(6, 2, dtype=torch.float64))
    stolen = divulge.steal(oracle_by_name("lime:20", victim, data=data), "linear", queries=4, data=data)
    assert stolen.solved
    x = data.test_inputs
    torch.testing.assert_close(stolen.module(x), victim.module(x), rtol=1e-6, atol=1e-6)


def test_a_report_has_them_in_one_table(study):
    victim, data = study
    report = divulge.leak_report(
        victim,
        data,
        oracles=("lime:30", "occlusion", "heat_map"),
        defences=("none", "rounded:1"),
        budgets=(20,),
        steps=20,
        surrogate="mlp:8",
        exact_budget=0,
    )
    assert len(report.table) == 6
    assert report.table.rank_correlation.between(0.2, 1.001).all()
