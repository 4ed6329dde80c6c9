from __future__ import annotations

import numpy as np
import pytest
import torch
from chains import chain
from torch import nn

from divulge import Influence
from divulge.influence.chain import DenseChain
from divulge.influence.device import DeviceOperator
from divulge.influence.losses import resolve_loss
from divulge.influence.native import NativeOperator
from divulge.influence.samples import Samples
from divulge.tensors import Curvature
from divulge.tensors import curvature as curvature_module


def tensors(arguments, device):
    """What `chain` made, on a device."""
    weights, biases, activations, loss, inputs, targets, temperature = arguments

    def on(arrays):
        return [None if a is None else torch.tensor(a, device=device) for a in arrays]

    return [on(weights), on(biases), activations, loss, *on([inputs, targets]), temperature]


def test_vectors_that_do_not_fit_are_named(device):
    arguments = tensors(chain([5, 4, 3], "squared", "tanh", 1, 17, np.float64), device)
    curvature = Curvature(*arguments)
    with pytest.raises(
        ValueError, match=rf"shape \(m, {curvature.parameters}\) in torch.float64, got \(1, 3\)"
    ):
        curvature.scores(torch.ones(1, 3, dtype=torch.float64, device=device))
    arguments[4] = arguments[4].float()
    with pytest.raises(ValueError, match=r"in torch.float32 like the inputs"):
        Curvature(*arguments)


@pytest.mark.parametrize("target", [-1.0, 3.0, 1e9, float("nan")])
def test_classes_that_there_are_not_give_an_error_or_nan(device, target):
    arguments = tensors(chain([5, 4, 3], "cross_entropy", "tanh", 1, 17, np.float64), device)
    arguments[5][6] = target
    if not curvature_module.on_device(arguments[4]):
        with pytest.raises(ValueError, match="classes from 0 to 2, got another number for sample 6"):
            Curvature(*arguments)
        return
    curvature = Curvature(*arguments)
    assert curvature.losses().isnan().nonzero().tolist() == [[6]]
    vectors = torch.ones(1, curvature.parameters, dtype=torch.float64, device=device)
    assert curvature.hessian_products(vectors).isnan().all()
    assert curvature.scores(vectors).isnan().nonzero().tolist() == [[0, 6]]


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_the_operator_of_a_chain_is_the_cores(device, loss):
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 20) if loss == "cross_entropy" else rng.standard_normal((20, 3))
    kind, samples = resolve_loss(loss, 0.1), Samples(rng.standard_normal((20, 2, 3)), y)
    chain = DenseChain([module[1], module[3]], ["relu", "identity"])
    native = NativeOperator(chain, kind, samples)
    vectors = rng.standard_normal((2, native.parameters))
    given = torch.from_numpy(vectors)
    expected = [native.products("hessian", given), native.scores(vectors)]
    module = module.to(device)
    chain = DenseChain([module[1], module[3]], ["relu", "identity"])
    own = DeviceOperator(chain, module, dict(module.named_parameters()), kind, samples)
    np.testing.assert_allclose(own.products("hessian", given.to(device)).cpu(), expected[0], atol=1e-12)
    np.testing.assert_allclose(own.scores(vectors), expected[1], atol=1e-12)


@pytest.mark.cuda
def test_influence_of_a_module_on_a_device(cuda):
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((20, 6)), rng.integers(0, 3, 20))
    options = {"solver": "cg", "damping": 0.1}
    expected = Influence(module, data, **options).scores(data)
    own = Influence(module.to(cuda), data, **options)
    assert own.path == "cuda"
    np.testing.assert_allclose(own.scores(data), expected, rtol=1e-5, atol=1e-8)
