import os
from pathlib import Path

import pytest
import torch

from divulge.datasets import block_mnist, blockify, digits, simplified_block_mnist, subset
from divulge.datasets.block_mnist import square


@pytest.fixture(scope="module")
def data():
    return digits()


def test_blocks_hold_the_digit_and_the_square(data):
    made = blockify(data, signal=(3, 5), seed=1)
    rows = torch.isin(data.train_targets, torch.tensor([3, 5]))
    assert made.inputs.shape == (int(rows.sum()), 1, 16, 8)
    assert torch.equal(made.targets, (data.train_targets[rows] == 5).long())
    assert torch.equal(made.signal_mask, ~made.null_mask)
    assert made.signal_mask.sum((1, 2)).eq(64).all()
    found = made.inputs[:, 0][made.signal_mask].reshape(-1, 8, 8)
    assert torch.equal(found, data.train_inputs[rows][:, 0])
    null = made.inputs[:, 0][made.null_mask].reshape(-1, 8, 8)
    assert torch.equal(null, square((1, 8, 8)).expand_as(null))
    assert 0.4 < made.signal_mask[:, 0, 0].float().mean() < 0.6


def test_positions_and_null_blocks(data):
    for position, first in (("top", True), ("bottom", False)):
        made = blockify(data, position=position, part="test", null="zero")
        assert (made.signal_mask[:, 0, 0] == first).all()
        assert made.inputs[:, 0][made.null_mask].eq(0).all()
    own = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    made = blockify(data, position="top", null=own, images=70)
    assert torch.equal(made.inputs[:, :, 8:], own.expand(70, 1, 8, 8))


def test_is_seeded(data):
    one, again, other = (blockify(data, images=50, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.inputs, other.inputs)


def test_simplified_block_mnist_is_what_it_says():
    made = simplified_block_mnist(500, blocks=6, dimension=4, eta=0.05, seed=3)
    assert made.inputs.shape == (500, 24)
    assert made.signal_mask.sum(1).eq(4).all()
    assert not made.signal_mask[:, 12:].any()
    assert torch.equal(made.null_mask, (torch.arange(24) >= 12).expand(500, -1))
    blocks = made.inputs.reshape(500, 6, 4)
    own = made.signal_mask.reshape(500, 6, 4)[:, :, 0]
    assert blocks[~own].norm(dim=1).max() <= 0.05
    sign = (2 * made.targets - 1)[:, None]
    assert (blocks[own] - sign * 0.5).norm(dim=1).max() <= 0.05 + 1e-6
    assert 0.15 < own.float().mean(0)[0] * 0.5 < 0.19
    assert torch.equal(simplified_block_mnist(9, seed=1).inputs, simplified_block_mnist(9, seed=1).inputs)


def test_subset_renumbers_and_draws(data):
    part = subset(data, classes=(7, 2), train=40, test=9, seed=4)
    assert (len(part.train_inputs), len(part.test_inputs), part.classes) == (40, 9, 2)
    for image, target in zip(part.train_inputs, part.train_targets, strict=True):
        row = (data.train_inputs == image).flatten(1).all(1).nonzero()[0, 0]
        assert data.train_targets[row] == (7, 2)[target]
    assert len(subset(data, train=10**6).train_inputs) == len(data.train_inputs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: blockify(d, position="left"), "got 'left'"),
        (lambda d: blockify(d, part="all"), "got 'all'"),
        (lambda d: blockify(d, signal=(0, 11)), "no training image of class 11 of digits is left"),
        (lambda d: blockify(d, signal=(0, 0)), r"different classes, got \[0, 0\]"),
        (lambda d: blockify(d, signal=()), r"different classes, got \[\]"),
        (lambda d: blockify(d, images=0), "at least one image, got 0"),
        (lambda d: blockify(d, images=3, part="test"), "no test image of class . of digits is left"),
        (lambda d: blockify(d, null="circle"), "got 'circle'"),
        (lambda d: blockify(d, null=torch.zeros(8, 8)), r"shape \(1, 8, 8\), got \(8, 8\)"),
        (lambda d: simplified_block_mnist(5, blocks=7), "even number of blocks, got 7"),
        (lambda d: simplified_block_mnist(0), "got 0 and 1"),
        (lambda d: simplified_block_mnist(5, eta=-1.0), "got -1.0"),
    ],
)
def test_refuses_what_cannot_be(data, call, message):
    with pytest.raises(ValueError, match=message):
        call(data)


def test_mnist_in_blocks():
    if not Path(os.environ.get("DIVULGE_DATA", ""), "mnist", "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("mnist is not in $DIVULGE_DATA/mnist")
    made = block_mnist(part="test")
    assert made.inputs.shape == (2115, 1, 56, 28)
    assert made.inputs.min() == 0
    assert made.inputs.max() == 1
