"""Captum's attributions, of a module with one output and of the loss, against autograd and captum itself."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from divulge.attributions import attribute
from divulge.training import mlp

captum = pytest.importorskip("captum.attr", reason="captum is not installed")

INPUTS = torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(12) % 2


@pytest.fixture(params=["(n, 1)", "(n,)"])
def one(request):
    """A module with one output, of either shape, that is above 0 for some inputs and below for others."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 1))
    with torch.no_grad():
        module[3].bias -= module(INPUTS).median()
    return module.eval() if request.param == "(n, 1)" else module.append(nn.Flatten(0)).eval()


def gradient(scalar):
    """Of a sum over the inputs, by autograd alone."""
    x = INPUTS.clone().requires_grad_()
    return torch.autograd.grad(scalar(x), x)[0]


def logit(module, x):
    return module(x).reshape(-1)


def test_both_classes_are_predicted(one):
    assert 0 < int((logit(one, INPUTS) > 0).sum()) < 12


def test_class_zero_speaks_against_the_logit(one):
    of_logit = gradient(lambda x: logit(one, x).sum())
    for of, sign in ((1, 1), (0, -1)):
        got = attribute(one, INPUTS, captum.InputXGradient, of=of)
        torch.testing.assert_close(got, sign * INPUTS * of_logit)
        torch.testing.assert_close(got, attribute(one, INPUTS, "input_times_gradient", of=of))
    sign = (logit(one, INPUTS) > 0).float()[:, None, None, None] * 2 - 1
    got = attribute(one, INPUTS, captum.InputXGradient)
    torch.testing.assert_close(got, sign * INPUTS * of_logit)
    alone = captum.InputXGradient(one).attribute(INPUTS.clone().requires_grad_())
    torch.testing.assert_close(got, sign * alone.detach())


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_loss_is_explained_where_it_is_asked_for(outputs):
    module = mlp((1, 4, 4), [9], outputs, seed=2).eval()
    targets = torch.arange(12) % max(outputs, 2)

    def loss(x):
        if outputs > 1:
            return F.cross_entropy(module(x), targets, reduction="sum")
        return F.binary_cross_entropy_with_logits(module(x)[:, 0], targets.float(), reduction="sum")

    got = attribute(module, INPUTS, captum.InputXGradient, of="loss", targets=targets, batch_size=5)
    torch.testing.assert_close(got, INPUTS * gradient(loss), rtol=1e-4, atol=1e-6)
    same = attribute(module, INPUTS, "input_times_gradient", of="loss", targets=targets)
    torch.testing.assert_close(got, same)


@pytest.mark.parametrize("name", ["instance", "class"])
def test_integrated_gradients_are_captums(name):
    module = mlp((1, 4, 4), [9], 3, seed=2).eval()
    method = captum.IntegratedGradients(module) if name == "instance" else captum.IntegratedGradients
    for of in (1, "loss"):
        theirs = attribute(module, INPUTS, method, of=of, targets=TARGETS)
        ours = attribute(module, INPUTS, "integrated_gradients:steps=200", of=of, targets=TARGETS)
        cosine = F.cosine_similarity(theirs.flatten(1), ours.flatten(1))
        assert cosine.min() > 0.999


def test_saliency_is_captums():
    module = mlp((1, 4, 4), [9], 3, seed=2).eval()
    torch.testing.assert_close(
        attribute(module, INPUTS, captum.Saliency), attribute(module, INPUTS, "saliency")
    )


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")  # of DeepLift
def test_attributions_made_of_others_and_layers_are_pointed_at_the_score(one):
    for make in (
        lambda m: captum.NoiseTunnel(captum.InputXGradient(m)),
        captum.DeepLift,
        captum.FeatureAblation,
    ):
        torch.manual_seed(0)
        for_one = attribute(one, INPUTS, make(one), of=1)
        torch.manual_seed(0)
        for_zero = attribute(one, INPUTS, make(one), of=0)
        torch.testing.assert_close(for_zero, -for_one)
        assert for_one.abs().max() > 0


def test_an_instance_is_left_as_it_was(one):
    method = captum.NoiseTunnel(captum.Saliency(one))
    attribute(one, INPUTS, method, of="loss", targets=TARGETS)
    assert method.forward_func is one
    assert method.attribution_method.forward_func is one
