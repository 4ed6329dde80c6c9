import numpy as np
import torch
from torch import nn

from divulge.reference.network import DenseNetwork, NetworkOracle


def test_torch_gives_the_same_values_and_gradients():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    linear = [layer for layer in module if isinstance(layer, nn.Linear)]
    twin = DenseNetwork([x.weight.detach() for x in linear], [x.bias.detach() for x in linear])
    x = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    expected = module(x)
    (gradients,) = torch.autograd.grad(expected[:, 1].sum(), x)
    np.testing.assert_allclose(twin.values(x.detach()), expected.detach(), atol=1e-13)
    found = NetworkOracle(twin, 1).query(x.detach().numpy())
    np.testing.assert_allclose(found[0], expected.detach()[:, 1], atol=1e-13)
    np.testing.assert_allclose(found[1], gradients, atol=1e-13)


def test_relu_at_zero_passes_no_gradient():
    twin = DenseNetwork([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    assert twin.values_and_gradients([[0.0]], 0)[1].item() == 0
