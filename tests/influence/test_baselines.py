from __future__ import annotations

import numpy as np
import pytest
import torch
from computed_weights import small_networks
from torch import nn

from divulge import Influence
from divulge.influence import GradientSimilarity, RandomProjection, RepresenterPoints, TracIn


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_gradient_dot_and_cosine(make, truth, name):
    module, train, test = make(name)
    _, g, h = truth(module, train, test)
    np.testing.assert_allclose(GradientSimilarity(module, train).scores(test), -h @ g.T, atol=1e-10)
    cosine = GradientSimilarity(module, train, cosine=True).scores(test)
    norms = np.linalg.norm(h, axis=1)[:, None] * np.linalg.norm(g, axis=1)
    np.testing.assert_allclose(cosine, -h @ g.T / norms, atol=1e-10)


def test_tracin_sums_over_checkpoints(make, truth):
    module, train, test = make("mlp")
    states, expected = [], 0
    for seed, rate in ((1, 0.1), (2, 0.3)):
        other = make("mlp", seed=seed)[0]
        states.append(other.state_dict())
        _, g, h = truth(other, train, test)
        expected = expected - rate * h @ g.T
    before = module[1].weight.detach().clone()
    np.testing.assert_allclose(
        TracIn(module, train, checkpoints=states, learning_rates=[0.1, 0.3]).scores(test),
        expected,
        atol=1e-10,
    )
    assert torch.equal(module[1].weight, before)
    with pytest.raises(ValueError, match="learning rate for each checkpoint, got 1 for 2"):
        TracIn(module, train, checkpoints=states, learning_rates=[0.1])
    module[1].forward = lambda x: nn.functional.linear(x, module[1].weight)
    with pytest.raises(ValueError, match=r"TracIn copies the module; .* got one in '1'"):
        TracIn(module, train, checkpoints=states, learning_rates=[0.1, 0.3])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("name", "module"), list(small_networks()))
def test_tracin_of_a_module_that_computes_its_weights(name, module):
    x = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    y = torch.arange(6) % 3
    states = [module.state_dict()]
    scores = TracIn(module, (x, y), checkpoints=states, learning_rates=[0.5]).scores((x[:2], y[:2]))
    gradients = []
    for i in range(6):
        loss = nn.functional.cross_entropy(module(x[i : i + 1]), y[i : i + 1])
        parts = torch.autograd.grad(loss, list(module.parameters()))
        gradients.append(torch.cat([part.flatten() for part in parts]))
    g = torch.stack(gradients)
    np.testing.assert_allclose(scores, -0.5 * g[:2] @ g.T, rtol=1e-4, atol=1e-6, err_msg=name)


def test_representer_points_add_up_to_the_logits():
    """At the minimum, the representers' sum over the samples is the prediction itself."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
    module = nn.Linear(4, 3, bias=False).double()
    for _ in range(20):
        influence = Influence(module, (x, y), solver="direct", damping=0, weight_decay=0.1)
        theta = module.weight.detach().numpy().reshape(-1)
        gradient = influence.gradients((x, y)).mean(0) + 0.1 * theta
        step = influence.solve(gradient).vectors.reshape(3, 4)
        module.weight.data -= torch.from_numpy(step)
    test = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    logits = module(torch.from_numpy(test[0])).detach().numpy()[np.arange(6), test[1]]
    scores = RepresenterPoints(module, (x, y), weight_decay=0.1).scores(test, of="logit")
    np.testing.assert_allclose(scores.mean(axis=1), logits, atol=1e-10)
    with pytest.raises(ValueError, match="module with a Linear layer, got Conv2d"):
        RepresenterPoints(nn.Conv2d(1, 1, 1), (x, y))
    with pytest.raises(ValueError, match="weight_decay above 0, got 0"):
        RepresenterPoints(module, (x, y), weight_decay=0)


def test_a_random_projection_of_full_size_is_the_kernel_of_all_gradients(make):
    module, train, test = make("mlp", n=300)
    influence = Influence(module, train)
    features, at_test = (influence.gradients(part, "margin") for part in (train, test))
    missing = 1 - np.exp(-influence.losses(train))
    expected = -at_test @ np.linalg.pinv(features.T @ features, rcond=1e-9) @ features.T * missing
    scores = RandomProjection(module, train, dimension=400).scores(test)
    for row, other in zip(scores, expected, strict=True):
        assert np.corrcoef(row, other)[0, 1] > 0.95
    again = RandomProjection(module, train, dimension=400).scores(test)
    np.testing.assert_array_equal(scores, again)
    with pytest.raises(ValueError, match="dimension of at least 1, got 0"):
        RandomProjection(module, train, dimension=0)
