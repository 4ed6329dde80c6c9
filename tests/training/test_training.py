import os
from pathlib import Path

import pytest
import torch

from divulge.datasets import Dataset, digits, load
from divulge.training import Pgd, accuracy, cnn, fit_classifier, mlp, patch_cnn, train_classifier


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


@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.1), ("l2", 0.8)])
def test_pgd_stays_in_its_ball_and_finds_errors(data, norm, radius):
    module = train_classifier(32, data, dtype=torch.float32, epochs=10)
    inputs, targets = data.test_inputs[:100], data.test_targets[:100]
    attacked = Pgd(radius, norm=norm)(module, inputs, targets)
    change = (attacked - inputs).flatten(1)
    size = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert size.max() <= radius * (1 + 1e-5)
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert accuracy(module, attacked, targets) < 0.7 < accuracy(module, inputs, targets)
    assert torch.equal(Pgd(radius, norm=norm, warm_up=0.5)(module, inputs, targets, done=0), inputs)
    assert not attacked.requires_grad


def test_training_against_pgd_makes_robust(data):
    attack = Pgd(0.2, warm_up=0.3)
    x, y = data.train_inputs, data.train_targets
    plain = fit_classifier(mlp((1, 8, 8), [32], 10), x, y, epochs=8)
    robust = fit_classifier(mlp((1, 8, 8), [32], 10), x, y, epochs=8, perturb=attack)
    inputs, targets = data.test_inputs, data.test_targets
    survived = [accuracy(m, attack(m, inputs, targets), targets) for m in (plain, robust)]
    assert survived[1] > survived[0] + 0.1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"radius": -1}, "-1"),
        ({"radius": 1, "norm": "l1"}, "'l1'"),
        ({"radius": 1, "steps": 0}, "at least one step"),
        ({"radius": 1, "warm_up": 2}, "got 2"),
    ],
)
def test_pgd_refuses_what_cannot_be(arguments, named):
    with pytest.raises(ValueError, match=named):
        Pgd(**arguments)


def test_networks_refuse_what_cannot_be():
    with pytest.raises(ValueError, match=r"got \[0, 10\]"):
        mlp((4,), [0], 10)
    with pytest.raises(ValueError, match="2x2"):
        cnn((1, 2, 2), 10)
    with pytest.raises(ValueError, match=r"got \(4,\)"):
        cnn((4,), 10)
    with pytest.raises(ValueError, match="at least 4x4 pixels, got 3x9"):
        patch_cnn((1, 3, 9), 10, patch=2)


def test_patches_hardly_overlap():
    module = patch_cnn((3, 8, 13), 2, patch=2, channels=(5, 7), dtype=torch.float64)
    x = torch.rand(1, 3, 8, 13, dtype=torch.float64)
    other = x.clone()
    other[:, :, 5:, 9:] += 1  # one pixel within the last of 2 x 3 patches of 4x4
    before, after = (module[:4](images) for images in (x, other))
    changed = (before != after)[0].any(dim=0)
    assert changed.tolist() == [[False, False, False], [False, False, True]]
    assert module(x).shape == (1, 2)


@pytest.mark.slow
def test_reaches_97_percent_on_mnist():
    if not Path(os.environ.get("DIVULGE_DATA", ""), "mnist", "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("mnist is not in $DIVULGE_DATA/mnist")
    data = load("mnist")
    module = train_classifier(128, data, dtype=torch.float32, epochs=6, batch_size=128)
    assert accuracy(module, data.test_inputs, data.test_targets) >= 0.97
