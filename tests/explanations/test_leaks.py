"""What published shapes and nodes are worth to a copy."""

import numpy as np
import pytest
import torch
from torch import nn

from divulge import GradientOracle, Victim
from divulge.explanations import additive, multilevel

X = np.random.default_rng(0).standard_normal((300, 3))


def linear():
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(3, 1)).double(), (3,))


def test_two_numbers_a_column_are_a_linear_model():
    curve = additive(linear(), X, refits=0).leak_curve()
    assert curve["numbers"].tolist()[0] == 1 + 2 * 3
    assert (curve["agreement"] == 1).all()
    assert curve["fidelity"].min() > 0.999


def test_bent_shapes_take_more():
    curve = additive(lambda x: x[:, 0] ** 2 - 1 + x[:, 1] * x[:, 2], X, pairs=1, refits=0).leak_curve()
    assert (np.diff(curve["numbers"]) > 0).all()
    assert curve["fidelity"].iloc[-1] > 0.9 > curve["fidelity"].iloc[0]
    assert curve["agreement"].iloc[-1] > curve["agreement"].iloc[0]


def test_a_trees_root_is_a_linear_model_and_nodes_tell_more_of_a_bent_one():
    victim = linear()
    tree = multilevel(GradientOracle(victim).explain(X[:100]))
    curve = tree.leak_curve(X[100:], victim.values(X[100:]))
    assert curve.iloc[0]["numbers"] == 7
    assert curve.iloc[0]["fidelity"] == pytest.approx(1)
    values = np.abs(X[:, 0])
    slopes = np.stack([np.sign(X[:, 0]), *np.zeros((2, 300))], axis=1)
    bent = multilevel(slopes[:100], X[:100], values=values[:100])
    curve = bent.leak_curve(X[100:], values[100:], threshold=0.5)
    assert curve["agreement"].iloc[1] > curve["agreement"].iloc[0]
    with pytest.raises(ValueError, match=r"values of shape \(200,\), one for each point, got \(3,\)"):
        bent.leak_curve(X[100:], np.ones(3))
    with pytest.raises(ValueError, match="made without values"):
        multilevel(slopes, X).leak_curve(X, values)
