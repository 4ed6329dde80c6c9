import os
from pathlib import Path

import pytest
import torch
from torch import nn
from two_classes import classifier, halves

from divulge.datasets import Dataset, digits, load
from divulge.training import Pgd, accuracy, cnn, fit_classifier, mlp, train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture
def few(data):
    return Dataset(
        "few", data.train_inputs[:50], data.train_targets[:50], data.test_inputs, data.test_targets
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_learns_the_digits(data, dtype):
    module = train_classifier(32, data, dtype=dtype)
    assert accuracy(module, data.test_inputs, data.test_targets) > 0.94
    assert all(p.dtype == dtype for p in module.parameters())
    assert not module.training


def test_has_the_layers_that_were_asked_for(few):
    module = train_classifier([7, 5], few, epochs=1)
    names = [type(layer).__name__ for layer in module]
    assert names == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(module[i].weight.shape) for i in (1, 3, 5)] == [(7, 64), (5, 7), (10, 5)]


def test_is_seeded_and_leaves_the_global_state_alone(few):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one, again, other = (train_classifier(8, few, seed=seed, epochs=2) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert torch.equal(one[1].weight, again[1].weight)
    assert not torch.equal(one[1].weight, other[1].weight)


def test_trains_inside_no_grad(few):
    with torch.no_grad():
        module = train_classifier(8, few, epochs=1)
    assert torch.equal(module[1].weight, train_classifier(8, few, epochs=1)[1].weight)


def test_refuses_what_cannot_be(few):
    for hidden in (0, [], [3, -1]):
        with pytest.raises(ValueError, match="at least one unit in each"):
            train_classifier(hidden, few)
    with pytest.raises(ValueError, match="at least one epoch, got 0"):
        train_classifier(8, few, epochs=0)


def test_fits_any_module_and_keeps_the_seed(data, few):
    fitted = [
        fit_classifier(
            cnn((1, 8, 8), 10, seed=3, channels=(8,)), few.train_inputs, few.train_targets, epochs=2
        )
        for _ in range(2)
    ]
    assert torch.equal(fitted[0][0].weight, fitted[1][0].weight)
    assert not fitted[0].training
    module = fit_classifier(cnn((1, 8, 8), 10), data.train_inputs, data.train_targets, epochs=20)
    assert accuracy(module, data.test_inputs, data.test_targets) > 0.96


def test_dropout_and_perturbation_leave_the_global_state_alone(few):
    state = torch.get_rng_state()
    seen = []

    def perturb(module, inputs, targets, done):
        seen.append((len(inputs), done))
        return inputs

    module = torch.nn.Sequential(torch.nn.Dropout(), mlp((1, 8, 8), [4], 10))
    fit_classifier(module, few.train_inputs, few.train_targets, epochs=2, batch_size=32, perturb=perturb)
    assert torch.equal(torch.get_rng_state(), state)
    assert seen == [(32, 0), (18, 0.25), (32, 0.5), (18, 0.75)]


@pytest.mark.slow
def test_reaches_97_percent_on_mnist():
    if not Path(os.environ.get("DIVULGE_DATA", ""), "mnist", "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("mnist is not in $DIVULGE_DATA/mnist")
    data = load("mnist")
    module = train_classifier(128, data, dtype=torch.float32, epochs=6, batch_size=128)
    assert accuracy(module, data.test_inputs, data.test_targets) >= 0.97


@pytest.mark.parametrize("shape", [(1,), ()])
def test_one_logit_is_trained_and_counted_as_two_classes(shape):
    data = halves()
    layers = [nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 1)]
    module = nn.Sequential(*layers, nn.Unflatten(1, shape) if shape else nn.Flatten(0))
    fit_classifier(module, data.train_inputs, data.train_targets, learning_rate=1e-2, perturb=Pgd(0.01))
    z = module(data.test_inputs).detach().reshape(-1)
    right = accuracy(module, data.test_inputs, data.test_targets)
    assert right == float(((z > 0) == data.test_targets).double().mean())
    assert right > 0.9


def test_an_adversary_of_one_logit_raises_its_loss():
    data = halves()
    module = classifier(data, 1)
    x, y = data.test_inputs, data.test_targets
    attacked = Pgd(0.1)(module, x, y)
    loss = nn.BCEWithLogitsLoss(reduction="none")
    before, after = (loss(module(part)[:, 0], y.float()).detach() for part in (x, attacked))
    assert (after > before).double().mean() > 0.99
    assert accuracy(module, attacked, y) < accuracy(module, x, y) - 0.2
