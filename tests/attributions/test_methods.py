import numpy as np
import pytest
import torch

from divulge.attributions import (
    Gradient,
    HeatMap,
    InputTimesGradient,
    IntegratedGradients,
    Lime,
    Occlusion,
    ProbabilityGradient,
    Saliency,
    Shap,
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
    Shap(0.5, 4),
    Shap(np.arange(6.0), 1),
    Shap(np.arange(12.0).reshape(2, 6), 3),
    Lime(samples=20),
    Lime(samples=30, width=np.arange(1.0, 7.0), kernel=0.5),
    Occlusion(0.5),
    Occlusion(np.arange(12.0).reshape(2, 6)),
    HeatMap(),
    HeatMap(3, 2),
)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 6))


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_arrays_and_tensors_alike(method):
    noise = RNG.standard_normal((7, method.draws, 6))
    places = method.places(X, noise)
    assert places.shape == (7, method.count(6), 6)
    np.testing.assert_allclose(method.places(torch.from_numpy(X), torch.from_numpy(noise)), places)
    found = RNG.standard_normal(places.shape[:2] if method.of_values else places.shape)
    made = method.combine(X, found, noise)
    assert made.shape == X.shape
    tensors = map(torch.from_numpy, (X, found, noise))
    np.testing.assert_allclose(method.combine(*tensors), made)


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_what_explains_a_linear_score(method):
    row = RNG.standard_normal(6)
    noise = RNG.standard_normal((7, method.draws, 6))
    gradients = np.broadcast_to(row, (7, method.count(6), 6))
    found = method.places(X, noise) @ row if method.of_values else gradients
    factor = method.factor(X)
    if method.name in ("saliency", "probability_gradient", "heat_map"):
        assert factor is None
    elif method.name != "shap" or len(np.shape(method.background)) < 2:  # else the mean over many orders
        np.testing.assert_allclose(method.combine(X, found, noise), factor * row)


def test_lighter_ones_explain_the_same():
    assert SmoothGrad(50, 0.1, 2.0).lighter() == SmoothGrad(4, 0.1, 2.0)
    assert SmoothGrad(3).lighter() == SmoothGrad(3)
    assert IntegratedGradients(50, 0.5).lighter() == IntegratedGradients(8, 0.5)
    assert Saliency().lighter() == Saliency()


def test_shap_values_add_up_to_the_change_of_the_value():
    method = Shap(np.arange(6.0), 2)
    noise = RNG.standard_normal((7, method.draws, 6))
    values = np.sin(method.places(X, noise).sum(axis=-1))
    total = np.sin(X.sum(axis=1)) - np.sin(np.arange(6.0).sum())
    np.testing.assert_allclose(method.combine(X, values, noise).sum(axis=1), total)


def test_pairs_around_a_number_differ_in_it_alone():
    method, which = Shap(RNG.standard_normal((3, 6)), 1), np.array([[0, 4]] * 7)
    noise = RNG.standard_normal((7, 4, 6))
    places = method.around(X, which, noise)
    tensors = map(torch.from_numpy, (X, which, noise))
    np.testing.assert_allclose(method.around(*tensors), places)
    changed = places[:, 0::2] != places[:, 1::2]
    assert (changed.argmax(axis=-1) == which).all()
    assert (changed.sum(axis=-1) == 1).all()
    np.testing.assert_array_equal(
        np.take_along_axis(places[:, 1::2], which[..., None], -1)[..., 0], X[:, [0, 4]]
    )


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
        (lambda: Shap(np.nan), ValueError, "a background of finite numbers"),
        (lambda: Shap(np.zeros((2, 2, 2))), ValueError, r"got shape \(2, 2, 2\)"),
        (lambda: Shap(np.zeros(5)).places(X, np.zeros((7, 20, 6))), ValueError, "of 6 numbers, got 5"),
        (lambda: Shap(0.0, 0), ValueError, "at least one order of SHAP, got 0"),
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


def test_a_heat_map_has_few_shades_and_the_largest_is_1():
    gradients = RNG.standard_normal((7, 1, 6))
    gradients[3] = 0
    shown = HeatMap(2, 2).combine(X, gradients)
    assert set(np.unique(shown)) <= {0, 1 / 3, 2 / 3, 1}
    np.testing.assert_array_equal(shown.max(axis=1), [1, 1, 1, 0, 1, 1, 1])
    np.testing.assert_array_equal(shown[:, :3], shown[:, 3:])
    sizes = np.abs(gradients[0, 0, :3]) + np.abs(gradients[0, 0, 3:])
    np.testing.assert_allclose(shown[0, :3], sizes / sizes.max(), atol=1 / 6)


def test_a_copy_learns_from_a_heat_map_past_its_rounding():
    gradients = torch.from_numpy(RNG.standard_normal((7, 1, 6))).requires_grad_()
    HeatMap().combine(torch.from_numpy(X), gradients)[:, 0].sum().backward()
    assert gradients.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bits": 0}, ValueError, "at least one bit of a heat map, got 0"),
        ({"bits": 17}, ValueError, "at most 16 bits of a heat map, got 17"),
        ({"channels": 1.5}, TypeError, "at least one channel of a heat map, got 1.5"),
    ],
)
def test_heat_maps_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        HeatMap(**options)
    with pytest.raises(ValueError, match="inputs of 4 channels, got 6 numbers"):
        HeatMap(4).combine(X, RNG.standard_normal((7, 1, 6)))


def test_occlusion_around_numbers_is_that_of_all():
    method = Occlusion(np.arange(6.0))
    which = np.array([[2, 5]] * 7)
    pairs = (np.sin(method.around(X, which, None)) ** 2).sum(-1)
    every = method.combine(X, (np.sin(method.places(X, None)) ** 2).sum(-1))
    np.testing.assert_allclose(pairs[:, 1::2] - pairs[:, 0::2], every[:, [2, 5]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"samples": 0}, ValueError, "at least one sample of LIME, got 0"),
        ({"width": 0.0}, ValueError, "positive, finite width of LIME"),
        ({"width": np.array([1.0, np.nan])}, ValueError, "positive, finite width of LIME"),
        ({"kernel": np.inf}, ValueError, "positive, finite kernel of LIME, got inf"),
    ],
)
def test_lime_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        Lime(**options)
    with pytest.raises(ValueError, match="a width of LIME for 6 numbers, got 2"):
        Lime(width=np.ones(2)).places(X, RNG.standard_normal((7, 100, 6)))


def test_lime_with_fewer_samples_than_numbers_is_finite():
    noise = RNG.standard_normal((7, 3, 6))
    assert np.isfinite(Lime(samples=3).combine(X, RNG.standard_normal((7, 3)), noise)).all()
