import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from divulge.attributions import METHODS, IntegratedGradients, SmoothGrad, attribute
from divulge.training import mlp


@pytest.fixture
def module():
    return mlp((1, 4, 4), [9], 3, seed=1)


@pytest.fixture
def inputs():
    return torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def slow_gradients(module, inputs, scalar):
    """One input at a time."""
    rows = []
    for i, x in enumerate(inputs):
        x = x[None].clone().requires_grad_()
        rows.append(torch.autograd.grad(scalar(module(x)[0], i), x)[0])
    return torch.cat(rows)


TARGETS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])


@pytest.mark.parametrize(
    ("of", "scalar"),
    [
        ("predicted", lambda z, i: z.max()),
        ("target", lambda z, i: z[TARGETS[i]]),
        (2, lambda z, i: z[2]),
        ("loss", lambda z, i: F.cross_entropy(z[None], TARGETS[i : i + 1])),
    ],
)
def test_gradients_of_what_was_asked(module, inputs, of, scalar):
    got = attribute(module, inputs, of=of, targets=TARGETS, batch_size=3)
    assert torch.allclose(got, slow_gradients(module, inputs, scalar), atol=1e-6)
    product = attribute(module, inputs, "input_times_gradient", of=of, targets=TARGETS)
    assert torch.allclose(product, got * inputs)


def test_integrated_gradients_are_complete(module, inputs):
    baseline = torch.full((1, 4, 4), 0.3)
    got = attribute(module, inputs, IntegratedGradients(400, baseline), of=1)
    with torch.no_grad():
        expected = module(inputs)[:, 1] - module(baseline[None])[:, 1]
    assert torch.allclose(got.flatten(1).sum(1), expected, atol=2e-3)


def test_smoothgrad_of_a_linear_model_is_its_weight(inputs):
    module = mlp((1, 4, 4), [], 3)
    got = attribute(module, inputs, "smoothgrad:samples=3", of=2)
    assert torch.allclose(got.flatten(1), module[1].weight[2].expand(10, -1), atol=1e-6)


def test_smoothgrad_and_random_are_seeded(module, inputs):
    for method in ("smoothgrad", "random"):
        one, again, other = (attribute(module, inputs, method, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)


@pytest.mark.parametrize("shape", ["(n,)", "(n, 1)"])
def test_one_output_is_the_log_odds_of_class_one(inputs, shape):
    two = mlp((1, 4, 4), [6], 2)

    class One(nn.Module):
        def forward(self, x):
            z = two(x)[:, 1:] - two(x)[:, :1]
            return z if shape == "(n, 1)" else z[:, 0]

    targets = TARGETS % 2
    for of in ("loss", "predicted"):
        got = attribute(One(), inputs, of=of, targets=targets)
        expected = attribute(two, inputs, of=of, targets=targets)
        if of == "predicted":  # a logit alone moves otherwise, the margin is the same
            sign = 1 - 2 * two(inputs).argmax(1)[:, None, None, None]
            expected = (attribute(two, inputs, of=0) - attribute(two, inputs, of=1)) * sign
        assert torch.allclose(got, expected, atol=1e-6)


def test_leaves_the_module_as_it_was(inputs):
    module = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(16, 2)).double().train()
    got = attribute(module, inputs)
    assert module.training
    assert module[1].training
    assert module[2].weight.grad is None
    assert got.dtype == torch.float64
    assert torch.equal(got, attribute(module, inputs))
    for method in METHODS:
        assert attribute(module, inputs[:0], method).shape == (0, 1, 4, 4)


def test_a_function_and_captums_attributions(module, inputs):
    got = attribute(module, inputs, lambda module, x, classes: x * classes[:, None, None, None])
    assert torch.equal(got, inputs * module(inputs).argmax(1)[:, None, None, None])
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    expected = attribute(module, inputs)
    for method in (captum.Saliency, captum.Saliency(module)):
        assert torch.allclose(attribute(module, inputs, method), expected.abs(), atol=1e-6)
    with pytest.raises(ValueError, match="Saliency explains another module"):
        attribute(module, inputs, captum.Saliency(mlp((1, 4, 4), [], 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lemon"}, "got 'lemon'"),
        ({"method": 3}, "or a function, got 3"),
        ({"of": "logit"}, "got 'logit'"),
        ({"of": "loss"}, "expected targets, of='loss'"),
        ({"of": "loss", "targets": torch.zeros(3)}, r"shape \(10,\), got \(3,\)"),
        ({"of": "target", "targets": torch.full((10,), 3)}, "classes from 0 to 2, got"),
        ({"of": 3}, "classes from 0 to 2, got"),
        ({"method": "smoothgrad:samples=0"}, "at least one sample"),
        ({"method": "integrated_gradients:0"}, "at least one step of integrated gradients, got 0"),
        ({"method": lambda m, x, c: x[:, 0]}, r"shape \(10, 1, 4, 4\), got \(10, 4, 4\)"),
    ],
)
def test_refuses_what_cannot_be(module, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        attribute(module, inputs, **options)


def test_refuses_outputs_that_are_no_scores(inputs):
    with pytest.raises(ValueError, match=r"got \(10, 1, 4, 4\)"):
        attribute(nn.Identity(), inputs)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
def test_images_of_integers_have_the_range_of_their_numbers(dtype):
    info = torch.iinfo(dtype)
    numbers = torch.linspace(max(info.min, -2000), min(info.max, 2000), 160).to(dtype).reshape(10, 1, 4, 4)
    module = mlp((1, 4, 4), [9], 3, seed=1)
    with torch.no_grad():
        module[1].weight /= 100
    got = attribute(module, numbers, "smoothgrad")
    assert got.dtype == torch.float32
    assert torch.equal(got, attribute(module, numbers.float(), "smoothgrad"))
    size = float(numbers.max()) - float(numbers.min())
    assert size > 250
    assert torch.equal(got, attribute(module, numbers, SmoothGrad(input_range=size)))
    assert not torch.allclose(got, attribute(module, numbers, "gradient"))


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_what_is_no_number_is_refused(module, dtype):
    with pytest.raises(TypeError, match=f"real numbers, got dtype {dtype}"):
        attribute(module, torch.ones(2, 1, 4, 4, dtype=dtype))


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("random", "grad_cam")])
def test_the_batch_size_changes_rounding_alone(module, inputs, method):
    whole, single = (attribute(module, inputs, method, batch_size=size) for size in (1000, 1))
    assert torch.allclose(whole, single, atol=1e-6)


def test_saliency_is_the_size_of_the_gradient(module, inputs):
    assert torch.equal(attribute(module, inputs, "saliency"), attribute(module, inputs).abs())


def test_parameters_by_name(module, inputs):
    by_name = attribute(module, inputs, "smoothgrad:7,noise=0.3", seed=2)
    assert torch.equal(by_name, attribute(module, inputs, SmoothGrad(7, 0.3), seed=2))
    by_name = attribute(module, inputs, "integrated_gradients:steps=3,baseline=0.5")
    assert torch.equal(by_name, attribute(module, inputs, IntegratedGradients(3, 0.5)))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("smoothgrad:sampels=3", "samples, noise, input_range behind the colon, got 'sampels'"),
        ("smoothgrad:samples=2.5", "at least one sample of SmoothGrad, got 2.5"),
        ("gradient:3", "no parameter behind the colon, got '3'"),
        ("gradient_times_input", "named gradient, .*input_times_gradient.* got 'gradient_times_input'"),
    ],
)
def test_refuses_other_parameters_and_names(module, inputs, method, message):
    with pytest.raises(ValueError, match=message):
        attribute(module, inputs, method)


@pytest.mark.parametrize("of", [1.7, 1.0, True, None, torch.tensor([0, 1]).double()])
def test_a_class_is_a_whole_number(module, inputs, of):
    with pytest.raises(TypeError, match="a word or a class in of= that is a whole number, got"):
        attribute(module, inputs, of=of)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.complex64])
def test_targets_are_whole_numbers(module, inputs, dtype):
    with pytest.raises(TypeError, match=f"targets that are numbers of classes, got dtype {dtype}"):
        attribute(module, inputs, of="target", targets=torch.ones(len(inputs), dtype=dtype))


def test_whole_numbers_of_other_kinds_are_classes(module, inputs):
    expected = attribute(module, inputs, of=1)
    for of in (np.int64(1), torch.tensor(1), np.uint8(1)):
        assert torch.equal(attribute(module, inputs, of=of), expected)
    for targets in (torch.ones(len(inputs), dtype=torch.uint8), np.ones(len(inputs), np.int32)):
        assert torch.equal(attribute(module, inputs, of="target", targets=targets), expected)


class Masked(nn.Module):
    """A module with one of its classes ruled out."""

    def __init__(self, module, value, k=1):
        super().__init__()
        self.module, self.value, self.k = module, value, k

    def forward(self, x):
        scores = self.module(x)
        return torch.where(torch.arange(scores.shape[1]) == self.k, self.value, scores)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad:5", "integrated_gradients:steps=4"])
def test_a_class_that_is_ruled_out_is_explained_by_nothing(module, inputs, method):
    masked = Masked(module, -torch.inf)
    assert torch.equal(attribute(masked, inputs, method, of=0), attribute(module, inputs, method, of=0))
    assert attribute(masked, inputs, method).isfinite().all()
    ones = torch.ones(len(inputs), dtype=torch.int64)
    for options in ({"of": 1}, {"of": "target", "targets": ones}, {"of": "loss", "targets": ones}):
        with pytest.raises(ValueError, match="finite scores, that of class 1 is -inf for input 0"):
            attribute(masked, inputs, method, **options)


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
@pytest.mark.parametrize("of", ["predicted", 0, "loss"])
def test_scores_without_an_order_are_refused(module, inputs, value, of):
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    with pytest.raises(ValueError, match=f"that of class 1 is {value} for input 0"):
        attribute(Masked(module, value), inputs, of=of, targets=targets, batch_size=2)


def test_an_attribution_that_is_not_finite_is_refused(module, inputs):
    def broken(module, x, classes):
        return torch.where(x == inputs[-1], torch.nan, 1.0)

    with pytest.raises(ValueError, match=f"finite attributions, that of input {len(inputs) - 1} is not"):
        attribute(module, inputs, broken, batch_size=2)
