import pytest
import torch

from divulge.training import NETWORKS, cnn, mlp, network_by_name, patch_cnn, strided_cnn

SHAPE = (1, 16, 16)


def same(one, other):
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("linear", mlp(SHAPE, [], 3, seed=5)),
        ("mlp", mlp(SHAPE, [256, 128], 3, seed=5)),
        ("mlp:64", mlp(SHAPE, [64], 3, seed=5)),
        ("mlp:hidden=64x32", mlp(SHAPE, [64, 32], 3, seed=5)),
        ("cnn", cnn(SHAPE, 3, seed=5)),
        ("cnn:channels=4x8,hidden=9", cnn(SHAPE, 3, seed=5, channels=(4, 8), hidden=9)),
        ("strided_cnn", strided_cnn(SHAPE, 3, seed=5)),
        ("patch_cnn:4", patch_cnn(SHAPE, 3, seed=5, patch=4)),
    ],
)
def test_a_name_is_one_network(text, made):
    found = network_by_name(text, SHAPE, 3, seed=5)
    assert str(found) == str(made)
    assert same(found, made)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_computes(name):
    module = network_by_name(name, SHAPE, 3, dtype=torch.float64)
    assert module(torch.zeros(2, *SHAPE, dtype=torch.float64)).shape == (2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnn", "a network named linear, mlp, cnn, strided_cnn, patch_cnn, got 'rnn'"),
        ("linear:64", "no parameter"),
        ("mlp:0", r"at least one unit in each layer, got \[0, 3\]"),
        ("mlp:1.5", "mlp:1.5"),
    ],
)
def test_senseless_names(text, message):
    with pytest.raises(ValueError, match=message):
        network_by_name(text, SHAPE, 3)
