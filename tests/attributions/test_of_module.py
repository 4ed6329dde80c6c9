"""Explanations made of a module's inside."""

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Victim, steal
from divulge.attributions import ExactIntegratedGradients, attribute
from divulge.errors import UnsupportedModel
from divulge.oracles import oracle_by_name
from divulge.training import mlp


def networks():
    for seed, (shape, hidden, outputs) in enumerate([((9,), [7], 1), ((2, 3), [8, 5], 3), ((12,), [], 2)]):
        yield mlp(shape, hidden, outputs, seed=seed, dtype=torch.float64).eval(), shape


@pytest.mark.parametrize(("module", "shape"), list(networks()))
def test_exact_integrated_gradients_add_up_and_are_the_limit_of_many_steps(module, shape):
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    base = torch.full(shape, 0.3, dtype=torch.float64)
    exact = attribute(module, x, ExactIntegratedGradients(base), of=1)
    outputs = [module(part).detach() for part in (x, base[None])]
    score = [out[:, 1] if out.shape[1] > 1 else out[:, 0] for out in outputs]
    np.testing.assert_allclose(exact.flatten(1).sum(dim=1), score[0] - score[1], rtol=1e-10, atol=1e-12)
    baseline = f"integrated_gradients:steps=3000,baseline={0.3}"
    np.testing.assert_allclose(exact, attribute(module, x, baseline, of=1), atol=5e-3)
    victim = Victim(module, shape)
    oracle = oracle_by_name("exact_integrated_gradients:baseline=0.3", victim)
    told = oracle.explain(x.flatten(1).numpy(), 1 if victim.output_size > 1 else 0)
    np.testing.assert_allclose(told.explanations, exact.flatten(1), atol=1e-12)
    assert oracle.ledger.total == 5


def test_other_modules_are_refused_by_name():
    smooth = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    with pytest.raises(UnsupportedModel, match="Sequential is no such chain"):
        oracle_by_name("exact_integrated_gradients", Victim(smooth, (4,)))
    with pytest.raises(UnsupportedModel, match="images"):
        oracle_by_name("grad_cam", Victim(smooth, (4,)))
    with pytest.raises(UnsupportedModel, match="needs a convolution"):
        oracle_by_name("grad_cam", Victim(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4)))
    with pytest.raises(ValueError, match="does not explain the loss"):
        attribute(smooth, torch.zeros(2, 4), "grad_cam", of="loss", targets=torch.tensor([0, 1]))


@pytest.mark.parametrize("channels", [1, 3])
def test_grad_cam_is_what_its_formula_says(channels):
    torch.manual_seed(channels)
    first, last = nn.Conv2d(channels, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
    head = nn.Linear(5, 3)
    module = nn.Sequential(
        first, nn.ReLU(), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    ).double()
    x = torch.randn(6, channels, 8, 8, dtype=torch.float64)
    told = attribute(module, x, "grad_cam", of=2)
    with torch.no_grad():
        maps = last(first(x).relu())
        slopes = head.weight[2] * (maps > 0).double().mean(dim=(2, 3)) / 64  # (n, 5)
        shown = (slopes[:, :, None, None] * maps).sum(dim=1).relu()
    largest = shown.amax(dim=(1, 2), keepdim=True)
    shown = shown / torch.where(largest > 0, largest, 1.0)
    for channel in range(channels):
        np.testing.assert_allclose(told[:, channel], shown, atol=1e-9)
    victim = Victim(module, (channels, 8, 8))
    oracle = oracle_by_name("grad_cam", victim)
    answers = oracle.explain(x.flatten(1).numpy(), 2)
    np.testing.assert_allclose(answers.explanations, told.flatten(1), atol=1e-9)
    stolen = steal(oracle, "cnn", queries=30, test=(x, None), steps=5)
    assert np.isfinite(stolen.leak_curve["agreement"]).all()


def test_a_copy_learns_from_exact_integrated_gradients():
    victim = Victim(mlp((6,), [8], 3, seed=2), (6,))
    oracle = oracle_by_name("exact_integrated_gradients", victim)
    test = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    stolen = steal(oracle, "mlp:16", queries=200, test=(test, None), steps=400)
    assert stolen.leak_curve["agreement"].iloc[-1] > 0.9
