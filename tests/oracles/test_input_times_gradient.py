import numpy as np
import pytest
import torch
from torch import nn

from divulge import InputTimesGradientOracle, Victim


def victim(dtype=torch.float64):
    torch.manual_seed(0)
    return Victim(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).to(dtype))


def test_attributions_are_products():
    model = victim()
    oracle = InputTimesGradientOracle(model, output=1)
    points = np.random.default_rng(1).standard_normal((5, 4))
    points[2, 1] = 0
    expected, gradients = model.values_and_gradients(points, 1)
    values, products = oracle.attributions(points)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(products, points * gradients)
    assert oracle.ledger.by_kind == {"input_times_gradient": 5}


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 3e-7), (torch.float64, 5e-16)])
def test_gradients_also_where_coordinates_are_zero(dtype, rtol):
    model = victim(dtype)
    oracle = InputTimesGradientOracle(model)
    points = np.random.default_rng(2).standard_normal((20, 4))
    points[np.random.default_rng(3).random(points.shape) < 0.5] = 0
    points[0], points[1, 0] = 0, 1e-320
    expected, gradients = model.values_and_gradients(points, 0)
    values, found = oracle.query(points)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_allclose(found, gradients, rtol=rtol)
    assert oracle.ledger.total == 20


def test_zeros_on_the_faces_of_a_domain_stay_inside():
    asked = []

    class Recorded(Victim):
        def values_and_gradients(self, points, output):
            asked.append(points)
            return super().values_and_gradients(points, output)

    oracle = InputTimesGradientOracle(Recorded(nn.Linear(2, 1).double()), domain=([-1, 0], [0, 1]))
    _, gradients = oracle.query(np.zeros((1, 2)))
    np.testing.assert_allclose(gradients[0], oracle.victim.module.weight.detach().numpy()[0])
    assert asked[0][0, 0] < 0 < asked[0][0, 1]


def test_attributions_alone():
    oracle = InputTimesGradientOracle(victim(), values=False)
    assert oracle.attributions(np.ones((2, 4)))[0] is None
    values, gradients = oracle.query(np.ones((2, 4)))
    assert values is None
    assert gradients.shape == (2, 4)
