"""Training with a penalty that draws units together."""

import math

import pytest
import torch
from torch import nn

from divulge.datasets import digits
from divulge.training import AlikeUnits, accuracy, fit_classifier, mlp, train_classifier


def pairs(weight):
    """The mean of |w_i - w_j|^2 over pairs, by the book."""
    rows = weight.detach()
    return float(torch.cdist(rows, rows).square().mean())


@pytest.mark.parametrize("sizes", [[5], [6, 3], [4, 4, 4]])
@pytest.mark.parametrize("seed", range(3))
def test_the_penalty_is_the_mean_square_of_distances_between_units(sizes, seed):
    module = mlp((7,), sizes, 3, seed=seed, dtype=torch.float64)
    hidden = [layer.weight for layer in module if isinstance(layer, nn.Linear)][:-1]
    expected = 2.5 * sum(map(pairs, hidden)) / len(hidden)
    assert math.isclose(AlikeUnits(2.5)(module).item(), expected, rel_tol=1e-9)


def test_no_hidden_layer_no_penalty():
    assert AlikeUnits(1.0)(nn.Linear(3, 2)).item() == 0.0


@pytest.mark.parametrize("strength", [-1.0, float("inf"), float("nan")])
def test_senseless_strengths(strength):
    with pytest.raises(ValueError, match="strength of at least 0"):
        AlikeUnits(strength)


def test_units_trained_so_are_alike_and_classify_still():
    data = digits()
    plain, alike = (
        train_classifier(16, data, epochs=6, penalty=penalty) for penalty in (None, AlikeUnits(1.0))
    )
    first = [
        next(layer.weight for layer in m.modules() if isinstance(layer, nn.Linear)) for m in (plain, alike)
    ]
    assert pairs(first[1]) < pairs(first[0]) / 4
    assert accuracy(alike, data.test_inputs, data.test_targets) > 0.6


def test_a_penalty_of_strength_zero_changes_nothing():
    data = digits()
    modules = [mlp((1, 8, 8), [8], 10, seed=0, dtype=torch.float64) for _ in range(2)]
    for module, penalty in zip(modules, (None, AlikeUnits(0.0)), strict=True):
        fit_classifier(module, data.train_inputs[:200], data.train_targets[:200], epochs=2, penalty=penalty)
    for one, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
        assert torch.equal(one, other)
