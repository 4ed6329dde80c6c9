"""Bits that it takes to tell a network, from nothing and from a copy."""

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from divulge import LabelOracle, Victim, steal
from divulge.bits import bits_told, code_length, quantised_length
from divulge.bits.aligned import aligned
from divulge.bits.imitation import Imitation
from divulge.bits.length import least_bits
from divulge.bits.quantised import adaptive_bits
from divulge.datasets import digits
from divulge.errors import UnsupportedModel
from divulge.training import mlp, train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def victim(data):
    return train_classifier([12], data, dtype=torch.float32, epochs=15)


def nudged(module, size, seed=0):
    found, generator = copy.deepcopy(module), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in found.parameters():
            value += size * value.std() * torch.randn(value.shape, generator=generator)
    return found


def shuffled(module, seed=0):
    """The same function with its hidden units in another order and of another size."""
    found, generator = copy.deepcopy(module), torch.Generator().manual_seed(seed)
    order = torch.randperm(len(found[1].weight), generator=generator)
    factor = torch.rand(len(order), generator=generator) + 0.5
    with torch.no_grad():
        found[1].weight.copy_(found[1].weight[order] * factor[:, None])
        found[1].bias.copy_(found[1].bias[order] * factor)
        found[3].weight.copy_(found[3].weight[:, order] / factor)
    return found


def test_a_copy_that_knows_more_leaves_less(victim, data):
    fresh = mlp(data.input_shape, [12], 10, seed=9)
    options = {"agreement": 0.9, "steps": 600}
    held = code_length(victim, data, form=fresh, **options).bits
    near = bits_told(victim, nudged(victim, 0.6), data, held=held, **options)
    exact = bits_told(victim, victim, data, held=held, **options)
    none = bits_told(victim, fresh, data, held=held, **options)
    assert exact.share == 1
    assert exact.left == 0
    assert 0 <= none.share < 0.4 < near.share < 1
    assert near.told == near.held - near.left
    assert 300 < held < 4 * 918


def test_the_curve_falls_and_the_same_seed_gives_it_again(victim, data):
    first, again = (
        code_length(victim, data, form=victim, agreement=0.9, steps=600, seed=2) for _ in range(2)
    )
    assert first.curve.equals(again.curve)
    frame = first.to_frame()
    assert list(frame) == ["bits", "agreement"]
    assert (frame["bits"].diff()[1:] < 0).all()
    assert frame["agreement"].iloc[-1] < 0.5 < 0.8 < frame["agreement"].max()


def test_an_agreement_out_of_reach_is_no_number(victim, data):
    line = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = code_length(victim, data, form=line, agreement=0.999, steps=60)
    assert np.isnan(found.bits)
    assert np.isnan(bits_told(victim, line, data, agreement=0.999, steps=60).share)


def test_a_model_of_any_kind(data):
    rows, classes = load_iris(return_X_y=True)
    from divulge.datasets import read_data

    table = read_data((rows, classes), seed=0)
    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(rows, classes)
    victim = Victim(tree, data=table)
    stolen = steal(LabelOracle(victim), "mlp:8", queries=60, data=table, steps=200)
    found = bits_told(victim, stolen.module, table, agreement=0.8, steps=300)
    assert 0 <= found.share <= 1
    assert found.held > 0


def test_between_budgets_on_a_logarithmic_scale():
    assert least_bits([100.0, 10.0, 1.0], [1.0, 0.9, 0.5], 0.9) == 10.0
    assert least_bits([100.0, 10.0, 1.0], [1.0, 0.8, 0.5], 0.9) == pytest.approx(10**1.5)
    assert least_bits([100.0, 10.0], [1.0, 0.9], 0.9) == 10.0
    assert np.isnan(least_bits([100.0, 10.0], [0.8, 0.7], 0.9))


def test_rounded_weights_and_differences(victim, data):
    alone = quantised_length(victim, data, agreement=0.95)
    finer = quantised_length(victim, data, agreement=0.999)
    near = quantised_length(victim, data, prior=nudged(victim, 0.3), agreement=0.999)
    assert alone.bits < finer.bits
    assert alone.step > finer.step
    assert near.bits < 0.8 * finer.bits
    assert min(alone.agreement, 0.95) == 0.95
    same = quantised_length(victim, data, prior=victim)
    assert same.bits == 64 * 4  # what is told of each parameter, and nothing of its numbers


def test_units_are_matched_before_they_are_compared(victim, data):
    other = shuffled(victim)
    assert quantised_length(other, data, prior=victim, agreement=0.999).bits < 600
    turned = aligned(other, victim)
    for mine, theirs in zip(turned.parameters(), victim.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    odd = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 10))
    assert aligned(odd, odd) is odd


def test_adaptive_code_of_coins():
    coins = np.random.default_rng(0).integers(0, 2, 10_000)
    assert adaptive_bits(coins) == pytest.approx(10_000, rel=2e-3)
    assert adaptive_bits(np.zeros(10_000, int)) == pytest.approx(0, abs=1e-9)
    rare = (np.arange(10_000) % 100 == 0).astype(int)
    entropy = -(0.01 * np.log2(0.01) + 0.99 * np.log2(0.99)) * 10_000
    assert adaptive_bits(rare) == pytest.approx(entropy, abs=10)


def test_bad_arguments_are_named(victim, data):
    with pytest.raises(ValueError, match=r"above 0 and below 1, got 1\.0"):
        code_length(victim, data, form=victim, agreement=1.0)
    with pytest.raises(ValueError, match=r"60 steps.*got 5"):
        code_length(victim, data, form=victim, steps=5)
    with pytest.raises(ValueError, match="copy of 10 classes, got 7"):
        code_length(victim, data, form=mlp(data.input_shape, [4], 7), steps=60)
    with pytest.raises(ValueError, match="other shapes"):
        quantised_length(victim, data, prior=mlp(data.input_shape, [4], 10))
    with pytest.raises(ValueError, match="at most 1, got 2"):
        quantised_length(victim, data, agreement=2)
    with pytest.raises(UnsupportedModel, match="no"):
        code_length(victim, data, form=nn.Flatten())


class Added(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x


def tied():
    module = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    module[2].weight = module[0].weight
    return module


def hooked():
    module = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    module[0].register_forward_hook(lambda layer, given, out: out * torch.arange(6.0))
    return module


@pytest.mark.parametrize(
    "make",
    [
        tied,
        hooked,
        lambda: nn.Sequential(nn.Linear(6, 6), Added(nn.ReLU(), nn.Linear(6, 6), nn.ReLU()), nn.Linear(6, 6)),
        lambda: nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)),
    ],
)
def test_what_is_more_than_a_chain_is_left_as_it_is(make):
    torch.manual_seed(0)
    module, to = make(), make()
    x = torch.randn(5, 4, 6) if isinstance(module[2], nn.Flatten) else torch.randn(5, 6)
    torch.testing.assert_close(aligned(module, to)(x), module(x))


def test_one_relu_used_twice_is_a_chain():
    torch.manual_seed(0)
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(6, 5), relu, nn.Linear(5, 4), relu, nn.Linear(4, 3))
    order = torch.randperm(4)
    to = copy.deepcopy(module)
    with torch.no_grad():
        to[2].weight.copy_(to[2].weight[order])
        to[2].bias.copy_(to[2].bias[order])
        to[4].weight.copy_(to[4].weight[:, order])
    torch.testing.assert_close(aligned(module, to).state_dict(), to.state_dict())


def test_weights_that_are_no_numbers_and_held_of_nothing_are_refused(victim, data):
    broken = copy.deepcopy(victim)
    with torch.no_grad():
        next(broken.parameters())[0] = torch.nan
    for call in (
        lambda: code_length(victim, data, form=broken, steps=60),
        lambda: quantised_length(victim, data, prior=broken),
    ):
        with pytest.raises(ValueError, match="expected finite weights, got a NaN or an infinity in"):
            call()
    with pytest.raises(ValueError, match="expected held as bits above 0, got 0"):
        bits_told(victim, victim, data, held=0, steps=60)


def test_outputs_that_are_no_numbers_agree_with_nothing(victim, data):
    imitated = Imitation(victim, data, torch.float32)
    outputs = torch.zeros(len(data.test_targets), 10)
    named = imitated.agreement(outputs)
    outputs[:] = torch.nan
    assert named > 0.05
    assert imitated.agreement(outputs) == 0
