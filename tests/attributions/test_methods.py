import numpy as np
import pytest
import torch

from divulge.attributions import (
    Gradient,
    InputTimesGradient,
    IntegratedGradients,
    ProbabilityGradient,
    Saliency,
    SmoothGrad,
)

ALL = (
    Gradient(),
    Saliency(),
    InputTimesGradient(),
    SmoothGrad(5, 0.2, 3.0),
    IntegratedGradients(4, np.arange(6.0)),
    IntegratedGradients(4, 0.5),
    ProbabilityGradient(),
)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 6))


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_arrays_and_tensors_alike(method):
    noise = RNG.standard_normal((7, method.draws, 6))
    places = method.places(X, noise)
    assert places.shape == (7, method.differentiated, 6)
    np.testing.assert_allclose(method.places(torch.from_numpy(X), torch.from_numpy(noise)), places)
    gradients = RNG.standard_normal(places.shape)
    made = method.combine(X, gradients)
    assert made.shape == X.shape
    np.testing.assert_allclose(method.combine(torch.from_numpy(X), torch.from_numpy(gradients)), made)


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_what_explains_a_linear_score(method):
    row = RNG.standard_normal(6)
    gradients = np.broadcast_to(row, (7, method.differentiated, 6))
    factor = method.factor(X)
    if method.name in ("saliency", "probability_gradient"):
        assert factor is None
    else:
        np.testing.assert_allclose(method.combine(X, gradients), factor * row)


def test_lighter_ones_explain_the_same():
    assert SmoothGrad(50, 0.1, 2.0).lighter() == SmoothGrad(4, 0.1, 2.0)
    assert SmoothGrad(3).lighter() == SmoothGrad(3)
    assert IntegratedGradients(50, 0.5).lighter() == IntegratedGradients(8, 0.5)
    assert Saliency().lighter() == Saliency()


def test_a_range_that_was_given_stays():
    assert SmoothGrad().scaled(255.0) == SmoothGrad(input_range=255.0)
    assert SmoothGrad(input_range=2.0).scaled(255.0).input_range == 2.0
    assert Gradient().scaled(255.0) == Gradient()


def test_a_baseline_may_have_the_shape_of_an_input():
    image = torch.rand(1, 2, 3, generator=torch.Generator().manual_seed(0))
    flat = IntegratedGradients(3, image.flatten().numpy())
    np.testing.assert_allclose(IntegratedGradients(3, image).places(X, None), flat.places(X, None))
    with pytest.raises(ValueError, match="the shape of one input, 6 numbers, got 5"):
        IntegratedGradients(3, np.zeros(5)).places(X, None)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SmoothGrad(0), ValueError, "at least one sample of SmoothGrad, got 0"),
        (lambda: SmoothGrad(2.5), TypeError, "at least one sample of SmoothGrad, got 2.5"),
        (lambda: SmoothGrad(True), TypeError, "got True"),
        (lambda: SmoothGrad(noise=0), ValueError, "positive, finite noise, .* got 0"),
        (lambda: SmoothGrad(noise=float("nan")), ValueError, "got nan"),
        (lambda: SmoothGrad(input_range=-1), ValueError, "finite range of the inputs, got -1"),
        (lambda: SmoothGrad(input_range=float("inf")), ValueError, "got inf"),
        (lambda: IntegratedGradients(0), ValueError, "at least one step of integrated gradients, got 0"),
        (lambda: IntegratedGradients(baseline=[0, float("nan")]), ValueError, "finite numbers"),
    ],
)
def test_refuses_what_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()
