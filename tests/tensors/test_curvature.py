from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence.chain import DenseChain
from divulge.influence.device import DeviceOperator
from divulge.influence.losses import resolve_loss
from divulge.influence.native import NativeOperator
from divulge.influence.samples import Samples
from divulge.reference.curvature import Curvature as Twin
from divulge.tensors import Curvature


def chain(loss, dtype, device, n=17, activation="tanh"):
    rng = np.random.default_rng(n)
    sizes = (5, 6, 4, 1 if loss == "smooth_hinge" else 3)
    weights = [rng.standard_normal((h, d)) for d, h in pairwise(sizes)]
    biases = [rng.standard_normal(sizes[1]), None, rng.standard_normal(sizes[3])]
    targets = {
        "cross_entropy": rng.integers(0, 3, (n, 1)),
        "squared": rng.standard_normal((n, 3)),
        "smooth_hinge": rng.choice([-1, 1], (n, 1)),
    }[loss]
    data = [rng.standard_normal((n, 5)), targets]

    def cast(arrays):
        return [None if a is None else torch.tensor(a, dtype=dtype, device=device) for a in arrays]

    return cast(weights), cast(biases), [activation, "relu", "identity"], loss, *cast(data), 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "smooth_hinge"])
def test_products_and_scores_are_the_twins(device, loss, dtype):
    given = chain(loss, dtype, device)
    curvature = Curvature(*given)
    twin = Twin(*chain(loss, torch.float64, "cpu"))
    vectors = torch.tensor(np.random.default_rng(1).standard_normal((3, curvature.parameters)))
    own = vectors.to(device=device, dtype=dtype)
    tolerance = 2e-4 if dtype == torch.float32 else 1e-11
    for name in ("hessian_products", "gauss_newton_products", "scores"):
        expected = getattr(twin, name)(vectors)
        got = getattr(curvature, name)(own)
        assert got.device.type == device.type
        assert got.dtype == dtype
        worst = (got.cpu().double() - expected).abs().max() / expected.abs().max()
        assert worst <= tolerance
    torch.testing.assert_close(
        curvature.losses().mean().cpu().double(), twin.mean_loss(twin.theta), rtol=1e-4, atol=0
    )
    assert curvature.outputs().shape == (17, 1 if loss == "smooth_hinge" else 3)


def test_no_samples_give_zero(device):
    curvature = Curvature(*chain("squared", torch.float64, device, n=0))
    ones = torch.ones(2, curvature.parameters, dtype=torch.float64, device=device)
    assert not curvature.hessian_products(ones).any()
    assert curvature.scores(ones).shape == (2, 0)


def test_vectors_that_do_not_fit_are_named(device):
    curvature = Curvature(*chain("squared", torch.float64, device))
    with pytest.raises(
        ValueError, match=rf"shape \(m, {curvature.parameters}\) in torch.float64, got \(1, 3\)"
    ):
        curvature.scores(torch.ones(1, 3, dtype=torch.float64, device=device))
    given = list(chain("squared", torch.float64, device))
    given[4] = given[4].float()
    with pytest.raises(ValueError, match=r"in torch.float32 like the inputs"):
        Curvature(*given)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_the_operator_of_a_chain_is_the_cores(device, loss):
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 20) if loss == "cross_entropy" else rng.standard_normal((20, 3))
    kind, samples = resolve_loss(loss, 0.1), Samples(rng.standard_normal((20, 2, 3)), y)
    chain = DenseChain([module[1], module[3]], ["relu", "identity"])
    native = NativeOperator(chain, kind, samples)
    vectors = rng.standard_normal((2, native.parameters))
    expected = [native.products("hessian", vectors), native.scores(vectors)]
    module = module.to(device)
    chain = DenseChain([module[1], module[3]], ["relu", "identity"])
    own = DeviceOperator(chain, module, dict(module.named_parameters()), kind, samples)
    np.testing.assert_allclose(own.products("hessian", vectors), expected[0], atol=1e-12)
    np.testing.assert_allclose(own.scores(vectors), expected[1], atol=1e-12)


@pytest.mark.cuda
def test_influence_of_a_module_on_a_device(cuda):
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((20, 6)), rng.integers(0, 3, 20))
    options = {"solver": "cg", "damping": 0.1}
    expected = Influence(module, train=data, **options).scores(data)
    own = Influence(module.to(cuda), train=data, **options)
    assert own.path == "cuda"
    np.testing.assert_allclose(own.scores(data), expected, rtol=1e-5, atol=1e-8)
