"""Leak curves of prototypes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from divulge import Influence, Victim
from divulge.datasets import digits
from divulge.influence import prototypes
from divulge.training import train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def victim(data):
    return Victim(train_classifier([16], data, dtype=torch.float32, epochs=15), data.input_shape)


@pytest.fixture(scope="module")
def found(victim, data):
    influence = Influence(
        victim.module, (data.train_inputs, data.train_targets), curvature="ekfac", damping=1e-2
    )
    return prototypes(influence, (data.test_inputs, data.test_targets), 20)


def test_more_prototypes_tell_more(found, victim, data):
    curve = found.leak_curve(victim, data, counts=[1, 20], surrogate="mlp:16", steps=200)
    assert list(curve) == ["samples", "numbers", "agreement"]
    assert curve["samples"].tolist() == ["prototypes"] * 2 + ["random"] * 2
    told = curve[curve["samples"] == "prototypes"]["agreement"].to_numpy()
    assert told[0] < 0.3 < told[1]
    again = found.leak_curve(victim, data, counts=[1, 20], surrogate="mlp:16", steps=200)
    assert again.equals(curve)


def test_all_of_them_by_default(found, victim, data):
    curve = found.leak_curve(victim, data, surrogate="linear", steps=1)
    assert sorted(set(curve["numbers"])) == [1, 2, 4, 8, 16, len(found.rows)]


def test_bad_arguments_are_named(found, victim, data):
    with pytest.raises(TypeError, match="got Sequential and Dataset"):
        found.leak_curve(victim.module, data)
    with pytest.raises(ValueError, match=r"counts from 1 to 20.*got \[21\]"):
        found.leak_curve(victim, data, counts=[21])

    few = int(np.max(found.rows))
    short = replace(data, train_inputs=data.train_inputs[:few], train_targets=data.train_targets[:few])
    with pytest.raises(ValueError, match=f"sample {few} is none of {few}"):
        found.leak_curve(victim, short)
