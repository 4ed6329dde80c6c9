import os
from pathlib import Path

import pytest
import torch
from torch import nn

from divulge.datasets import block_mnist, blockify, digits
from divulge.evaluation import leakage
from divulge.evaluation.recipes import BLOCK_RADIUS, fit_block_model
from divulge.training import accuracy


@pytest.fixture(scope="module")
def data():
    return blockify(digits(), signal=(0, 1), part="test")


def test_counts_the_pixels_in_the_null_block(data):
    n = len(data.inputs)
    null = data.null_mask[:, None].float()
    noise = torch.rand(data.inputs.shape, generator=torch.Generator().manual_seed(0))
    assert leakage(nn.Identity(), data, null + noise / 2, levels=(1, 64)).mean.tolist() == [1, 1]
    assert leakage(
        nn.Identity(), data, noise / 2 - null, levels=(64, 96, 128)
    ).mean.tolist() == pytest.approx([1, 2 / 3, 0.5])
    found = leakage(nn.Identity(), data, noise, levels=(0.25,))
    assert found.per_instance.shape == (n, 1)
    top = noise.flatten(1).topk(32).indices
    expected = data.null_mask.flatten(1).gather(1, top).double().mean(1)
    assert torch.equal(found.per_instance[:, 0], expected)
    assert found.levels == (0.25,)
    assert abs(found.mean[0] - 0.5) < 0.05


def test_a_linear_model_ranks_all_images_alike(data):
    module = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    with torch.no_grad():
        module[1].weight[:] = torch.arange(128.0)  # the lower half weighs most
    found = leakage(module, data, levels=(10,))
    on_top = data.signal_mask[:, 0, 0]
    assert torch.equal(found.per_instance[:, 0], on_top.double())
    one = nn.Sequential(nn.Flatten(), nn.Linear(128, 1))
    one[1].weight.data = module[1].weight.data[:1]
    assert torch.equal(leakage(one, data, levels=(10,)).per_instance, found.per_instance)


def test_says_that_a_ranking_is_random(data):
    with pytest.warns(UserWarning, match=f"of {len(data.inputs)} of {len(data.inputs)} inputs is constant"):
        found = leakage(nn.Identity(), data, torch.zeros_like(data.inputs), levels=(0.5,))
    assert abs(found.mean[0] - 0.5) < 0.05


def test_refuses_what_cannot_be(data):
    with pytest.raises(ValueError, match="from 1 to 128 coordinates, got 129"):
        leakage(nn.Identity(), data, "random", levels=(129,))
    with pytest.raises(ValueError, match="at least one level"):
        leakage(nn.Identity(), data, "random", levels=())
    with pytest.raises(ValueError, match="shape"):
        leakage(nn.Identity(), data, torch.rand(3, 1, 16, 8))
    with pytest.raises(ValueError, match="patch_cnn or mlp:512, got 'rnn'"):
        fit_block_model("rnn", data)


@pytest.mark.parametrize("kind", ["patch_cnn", "mlp:512"])
def test_recipes_train(data, kind):
    train = blockify(digits(), signal=(0, 1), images=200)
    seen = []
    module = fit_block_model(kind, train, 1.0, progress=lambda done, total: seen.append((done, total)))
    assert accuracy(module, data.inputs, data.targets) > 0.9
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.slow
def test_standard_gradients_leak_and_robust_ones_do_not():
    if not Path(os.environ.get("DIVULGE_DATA", ""), "mnist", "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("mnist is not in $DIVULGE_DATA/mnist")
    train, test = block_mnist(images=3000), block_mnist(part="test")
    shares = []
    for radius in (0.0, BLOCK_RADIUS["mlp:512"]):
        module = fit_block_model("mlp:512", train, radius)
        assert accuracy(module, test.inputs, test.targets) > 0.98
        shares.append(float(leakage(module, test, levels=(0.1,)).mean))
    assert shares[1] < 0.15 < 0.2 < shares[0]
