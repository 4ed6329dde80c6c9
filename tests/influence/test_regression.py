from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence.regression import fit_linear


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("loss", "outputs"), [("cross_entropy", 3), ("squared", 2), ("smooth_hinge", 1)])
def test_the_gradient_vanishes(loss, outputs, bias):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2, 3))
    y = {
        "cross_entropy": rng.integers(0, 3, 60),
        "squared": rng.standard_normal((60, 2)),
        "smooth_hinge": rng.choice([-1, 1], 60),
    }[loss]
    norms = []
    linear = fit_linear(
        x,
        y,
        outputs,
        loss=loss,
        weight_decay=0.05,
        bias=bias,
        temperature=0.1,
        progress=lambda _, n: norms.append(n),
    )
    assert (linear.bias is not None) == bias
    influence = Influence(
        nn.Sequential(nn.Flatten(), linear), (x, y), loss=loss, temperature=0.1, weight_decay=0.05
    )
    theta = torch.cat([p.reshape(-1) for p in linear.parameters()]).detach().numpy()
    gradient = influence.gradients((x, y)).mean(0) + 0.05 * theta
    assert np.linalg.norm(gradient) < 1e-9
    assert norms[-1] < 1e-10 < norms[0]


def test_it_goes_on_from_a_start_and_stays_in_float32():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 4)).astype(np.float32), rng.integers(0, 3, 60)
    linear, steps = fit_linear(x, y, 3), []
    again = fit_linear(x, y, 3, start=linear, progress=lambda step, _: steps.append(step))
    assert again.weight.dtype == torch.float32
    assert max(steps) <= 1
    torch.testing.assert_close(again.weight, linear.weight)


def test_weight_decay_must_be_positive():
    with pytest.raises(ValueError, match="weight_decay above 0, got 0"):
        fit_linear(np.ones((2, 2)), np.zeros(2, int), 2, weight_decay=0)
