"""Oracle, copy and `attribute` explain alike: one method, one unit, one default, three ways to make it."""

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Victim
from divulge.attributions import METHODS, Attribution, SmoothGrad, attribute
from divulge.oracles import ORACLES, SmoothGradOracle, oracle_by_name
from divulge.surrogate.explanation_errors import at_places
from divulge.training import mlp

SHAPE = (1, 4, 4)
NAMES = [name for name, entry in METHODS.items() if not getattr(entry.make, "of_module", name == "random")]
# Numbers of another size than 1, so that a share of the range and input units are not the same.
INPUTS = 200 * torch.rand(30, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 60
RANGE = float(INPUTS.max() - INPUTS.min())
DOMAIN = (float(INPUTS.min()), float(INPUTS.max()))


@pytest.fixture(scope="module", params=["dense", "convolution"])
def module(request):
    if request.param == "dense":
        return mlp(SHAPE, [19, 7], 3, seed=3, dtype=torch.float64).eval()
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    return nn.Sequential(*layers).double().eval()


def cosine(one, other):
    """Of all maps, as one vector."""
    one, other = np.asarray(one).reshape(-1), np.asarray(other).reshape(-1)
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def by_the_copy(module, attribution, classes, noise):
    """What a copy that is trained on explanations compares with those told."""
    x = INPUTS.flatten(1)
    _, gradients = at_places(module, attribution, x, classes, noise, SHAPE)
    return attribution.combine(x, gradients, noise).detach()


@pytest.mark.parametrize("name", NAMES)
def test_three_makers_one_map(module, name):
    victim = Victim(module, SHAPE)
    oracle = oracle_by_name(name, victim, domain=DOMAIN)
    told = oracle.explain(INPUTS.flatten(1))
    mine = attribute(module, INPUTS, name, seed=0)
    np.testing.assert_allclose(told.explanations, mine.flatten(1), rtol=1e-9, atol=1e-12)
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.standard_normal((30, told.attribution.draws, 16)))
    copied = by_the_copy(module, told.attribution, torch.from_numpy(told.outputs), noise)
    np.testing.assert_allclose(told.explanations, copied, rtol=1e-9, atol=1e-12)
    assert cosine(told.explanations, mine) > 1 - 1e-12
    assert cosine(copied, mine) > 1 - 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_one_name_and_the_same_defaults(module, name):
    oracle = oracle_by_name(name, Victim(module, SHAPE))
    method = METHODS.make(name)
    assert isinstance(method, Attribution)
    assert oracle.kind == oracle.attribution.name == method.name == name
    assert oracle.attribution == method.scaled(1.0)
    assert set(METHODS[name].parameters) <= set(ORACLES[name].parameters)


def test_smoothgrad_of_the_copys_own_draws_has_the_same_mean(module):
    oracle = SmoothGradOracle(Victim(module, SHAPE), samples=2000, domain=DOMAIN)
    told = oracle.explain(INPUTS.flatten(1))
    noise = torch.randn(30, 2000, 16, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    copied = by_the_copy(module, oracle.attribution, torch.from_numpy(told.outputs), noise)
    assert cosine(told.explanations, copied) > 0.999


def test_fixed_noise_is_the_same_for_all_inputs(module):
    oracle = SmoothGradOracle(Victim(module, SHAPE), samples=30, fixed_noise=True, seed=4, domain=DOMAIN)
    told = oracle.explain(INPUTS.flatten(1))
    noise = torch.from_numpy(np.random.default_rng(4).standard_normal((1, 30, 16))).expand(30, -1, -1)
    copied = by_the_copy(module, oracle.attribution, torch.from_numpy(told.outputs), noise)
    assert cosine(told.explanations, copied) > 1 - 1e-12


def test_the_noise_is_a_share_of_the_range(module):
    victim = Victim(module, SHAPE)
    x = INPUTS.flatten(1)

    def told(**options):
        return SmoothGradOracle(victim, samples=40, seed=1, **options).explain(x).explanations

    by_range = told(input_range=RANGE)
    np.testing.assert_array_equal(by_range, told(domain=DOMAIN))
    np.testing.assert_array_equal(by_range, told(noise=0.15 * RANGE))  # the range is 1 where none is known
    np.testing.assert_array_equal(told(input_range=1.0, domain=DOMAIN), told())
    mine = attribute(module, INPUTS, SmoothGrad(40), seed=1)
    np.testing.assert_allclose(mine.flatten(1), by_range, rtol=1e-9, atol=1e-12)
    other = attribute(module, INPUTS, "smoothgrad:samples=40,input_range=1", seed=1)
    np.testing.assert_allclose(other.flatten(1), told(), rtol=1e-9, atol=1e-12)
    assert cosine(by_range, told()) < 0.99


def test_a_domain_of_boxes_has_the_range_of_them_all(module):
    low, high = np.linspace(-3, 0, 16), np.linspace(1, 5, 16)
    assert SmoothGradOracle(Victim(module, SHAPE), domain=(low, high)).attribution.input_range == 8


def test_one_output_speaks_for_class_one():
    module = mlp(SHAPE, [9], 1, seed=1, dtype=torch.float64).eval()
    told = SmoothGradOracle(Victim(module, SHAPE), domain=DOMAIN).explain(INPUTS.flatten(1))
    for of, sign in ((1, 1), (0, -1)):
        mine = attribute(module, INPUTS, "smoothgrad", of=of)
        np.testing.assert_allclose(mine.flatten(1), sign * told.explanations, rtol=1e-9, atol=1e-12)
