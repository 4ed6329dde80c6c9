import pytest
import torch
from torch import nn

from divulge.saliency import Unit, agnostic_saliency


def linear(weight):
    module = nn.Sequential(nn.Flatten(), nn.Linear(weight.shape[1], len(weight), bias=False)).eval()
    module[1].weight.data = weight
    return module


def test_a_linear_model_gives_the_signs_of_its_weights():
    torch.manual_seed(0)
    weight = torch.randn(2, 36)
    options = {"steps": 30, "reach": None, "norm": "linf", "radius": 0.2}
    result = agnostic_saliency(linear(weight), [0, 1], (1, 6, 6), **options)
    difference = (weight[0] - weight[1]).reshape(1, 6, 6)
    for sign, found in zip((1, -1), result.maps, strict=True):
        agrees = (found.sign() == sign * difference.sign())[difference.abs() > 0.3]
        assert agrees.float().mean() > 0.95


def test_classes_are_reached_and_the_trajectory_says_so(clean, data):
    result = agnostic_saliency(clean, range(10), data.input_shape, steps=200, radius=5.0)
    assert result.maps.shape == (10, 1, 8, 8)
    assert all(result.complete)
    assert result.notes == ()
    assert result.reached.shape == result.norms.shape
    assert (result.reached[-1] >= 0.9).all()
    assert (result.norms[0] == 0).all()
    assert (result.norms[-1] > 0).all()
    for pictures in (result.pictures, result.images):
        assert float(pictures.min()) >= 0
        assert float(pictures.max()) <= 1


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("linf", torch.inf)])
def test_the_map_stays_in_the_ball(clean, data, norm, order):
    result = agnostic_saliency(clean, [0, 5], data.input_shape, steps=20, reach=None, norm=norm, radius=0.11)
    sizes = torch.linalg.vector_norm(result.maps.flatten(1), ord=order, dim=1)
    torch.testing.assert_close(sizes, torch.full((2,), 0.11))
    torch.testing.assert_close(result.norms[-1], sizes)


def test_many_targets_at_once_are_those_one_by_one(clean, data, monkeypatch):
    together = agnostic_saliency(clean, [1, 4, 7], data.input_shape, steps=6)
    for i, target in enumerate((1, 4, 7)):
        alone = agnostic_saliency(clean, target, data.input_shape, steps=6)
        torch.testing.assert_close(alone.maps[0], together.maps[i], rtol=1e-4, atol=1e-5)
    monkeypatch.setattr("divulge.saliency.arguments._NUMBERS", 16 * 64 * 2)
    in_groups = agnostic_saliency(clean, [1, 4, 7], data.input_shape, steps=6)
    torch.testing.assert_close(in_groups.maps, together.maps, rtol=1e-4, atol=1e-5)
    assert in_groups.reached.shape == together.reached.shape


def test_the_seed_decides(clean, data):
    one, again, other = (
        agnostic_saliency(clean, 2, data.input_shape, steps=3, seed=seed).maps for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_functions_and_hidden_units(clean, data):
    def margin(scores):
        return scores[:, 3] - scores[:, 8]

    result = agnostic_saliency(clean, [margin, Unit("0", 2)], data.input_shape, steps=60, reach=1.0)
    assert all(result.complete)
    x = result.base + 0.25 * torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before, after = ((x + m).clamp(0, 1) for m in (0, result.maps[0]))
        assert margin(clean(after)).mean() > margin(clean(before)).mean()
        after = (x + result.maps[1]).clamp(0, 1)
        assert clean[0](after)[:, 2].mean() > clean[0](before)[:, 2].mean()


def test_a_budget_that_is_too_small_returns_the_map_so_far(clean, data):
    result = agnostic_saliency(clean, range(10), data.input_shape, steps=1, step_size=1e-4)
    assert not all(result.complete)
    missed = result.complete.index(False)
    share = float(result.reached[-1, missed])
    assert result.notes[0] == f"target {missed} was reached by {share:.0%} of the samples within 1 steps"
    assert (result.maps.abs().amax((1, 2, 3)) > 0).all()


def test_refining_keeps_the_places_where_the_layer_is_active(clean, data):
    options = {"steps": 5, "reach": None}
    plain = agnostic_saliency(clean, [0, 1], data.input_shape, **options)
    refined = agnostic_saliency(clean, [0, 1], data.input_shape, layer="1", **options)
    ratio = refined.maps / plain.maps
    assert float(ratio.min()) >= 0
    assert float(ratio.max()) <= 1 + 1e-6
    assert 0.05 < float((ratio == 0).float().mean()) < 0.95


def test_fourier_steps_are_smooth(clean, data):
    rough, smooth = (
        agnostic_saliency(clean, range(10), data.input_shape, steps=10, reach=None, fourier=exponent).maps
        for exponent in (0.0, 2.0)
    )

    def variation(maps):
        steps = (maps[..., 1:] - maps[..., :-1]).abs().sum((1, 2, 3))
        return float((steps / maps.abs().sum((1, 2, 3))).mean())

    assert variation(smooth) < 0.8 * variation(rough)


def test_mixed_precision_and_samplers(clean, data):
    def dark(n, shape, generator):
        return 0.1 * torch.rand(n, *shape, generator=generator)

    plain = agnostic_saliency(clean, 3, data.input_shape, steps=4, reach=None, sampler="uniform")
    mixed = agnostic_saliency(
        clean, 3, data.input_shape, steps=4, reach=None, sampler="uniform", autocast=torch.bfloat16
    )
    assert mixed.maps.dtype == torch.float32
    assert float(nn.functional.cosine_similarity(mixed.maps.flatten(), plain.maps.flatten(), dim=0)) > 0.9
    assert float(agnostic_saliency(clean, 3, data.input_shape, steps=1, sampler=dark).base.mean()) < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": 10}, "expected a target from 0 to 9, got 10"),
        ({"targets": -1}, "expected a target from 0 to 9, got -1"),
        ({"targets": []}, "expected at least one target, got none"),
        ({"targets": Unit("nine", 0)}, "expected a layer named 0, 1, 2, 3, 4, 5, 6, got 'nine'"),
        ({"targets": Unit("0", 8)}, "expected a channel from 0 to 7 of 0, got 8"),
        ({"targets": lambda scores: scores}, "expected a function of scores that returns shape (16,)"),
        ({"targets": lambda scores: scores[:, 0] * torch.nan}, "is NaN at step 0"),
        ({"shape": (3, 8, 8)}, "the module fails on inputs of shape (n, 3, 8, 8)"),
        ({"shape": (8, 8)}, "expected a shape (channels, height, width), got (8, 8)"),
        ({"samples": 0}, "expected samples of at least 1, got 0"),
        ({"norm": "l1"}, "expected norm 'l2' or 'linf', got 'l1'"),
        ({"radius": -1}, "expected radius of at least 0, got -1"),
        ({"reach": 0}, "expected reach above 0 and at most 1, got 0"),
        ({"sampler": "cauchy"}, "expected sampler 'gaussian', 'uniform' or a function, got 'cauchy'"),
        ({"bounds": (0, 0)}, "expected bounds (low, high) with low below high, got (0, 0)"),
        ({"layer": "6"}, "expected a layer that returns (n, channels, height, width), 6 returns"),
    ],
)
def test_bad_input_is_one_sentence(clean, change, message):
    arguments = {"targets": 3, "shape": (1, 8, 8), "steps": 2, **change}
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        agnostic_saliency(clean, **arguments)
    assert message in str(error.value)


def test_a_module_in_training_mode(clean):
    module = nn.Sequential(clean)
    assert module.training
    with pytest.raises(ValueError, match="the module is in training mode"):
        agnostic_saliency(module, 0, (1, 8, 8))


def test_one_logit_is_two_classes():
    torch.manual_seed(0)
    weight = torch.randn(1, 36)
    options = {"steps": 30, "reach": None, "norm": "linf", "radius": 0.2}
    result = agnostic_saliency(linear(weight), [0, 1], (1, 6, 6), **options)
    twin = agnostic_saliency(linear(torch.cat([-weight, weight]) / 2), [0, 1], (1, 6, 6), **options)
    torch.testing.assert_close(result.maps, twin.maps)
    torch.testing.assert_close(result.reached, twin.reached)
    assert (result.maps[1].sign() == weight.reshape(1, 6, 6).sign()).float().mean() > 0.9
    with pytest.raises(ValueError, match="target from 0 to 1, got 2"):
        agnostic_saliency(linear(weight), 2, (1, 6, 6))


def test_one_probability_is_refused():
    module = nn.Sequential(linear(torch.ones(1, 36)), nn.Sigmoid()).eval()
    with pytest.raises(ValueError, match="expected a logit, the module's one output is a probability"):
        agnostic_saliency(module, 1, (1, 6, 6))


@pytest.mark.parametrize("target", [1.7, True, "one", None])
def test_a_target_is_a_whole_number(target):
    with pytest.raises(TypeError, match="a target that is a whole number, got"):
        agnostic_saliency(linear(torch.ones(3, 36)), [target], (1, 6, 6))
