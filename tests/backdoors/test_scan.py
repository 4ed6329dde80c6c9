import os
from pathlib import Path

import numpy as np
import pytest
import torch

from divulge.backdoors import backdoor_scan, square
from divulge.datasets import load, subset
from divulge.training import accuracy, fit_classifier
from divulge.victims.published import badnets


@pytest.fixture(scope="module")
def scan(backdoored, data):
    return backdoor_scan(backdoored, data.train_inputs)


def test_the_backdoor_is_real(backdoored, data):
    assert accuracy(backdoored, data.test_inputs, data.test_targets) > 0.85
    assert scan_target_success(backdoored, data) > 0.85


def scan_target_success(module, data):
    x = data.test_inputs[data.test_targets != 3].clone()
    x[:, :, -2:, -2:] = 1
    with torch.no_grad():
        return float((module(x).argmax(1) == 3).double().mean())


def test_the_target_is_flagged_and_its_trigger_found(scan, backdoored, data):
    assert scan.flagged == (3,)
    assert (scan.method, scan.samples, scan.classes) == ("agnostic", "data", 10)
    assert scan.anomaly_index.argmax() == 3
    trigger = scan.triggers[3]
    assert trigger.mask.shape == (8, 8)
    assert trigger.pattern.shape == (1, 8, 8)
    assert 0 <= float(trigger.mask.min()) <= float(trigger.mask.max()) <= 1
    # By chance 4 of 64 pixels lie in the square; on images this small other pixels help.
    assert float(trigger.mask[-2:, -2:].sum()) > 0.4 * trigger.size
    assert trigger.success(backdoored, data.test_inputs, 3) > 0.85
    _, bottom, _, right = trigger.place
    assert (bottom, right) == (8, 8)


def test_without_data(backdoored, data):
    scan = backdoor_scan(backdoored, shape=data.input_shape, classes=10)
    assert scan.flagged == (3,)
    assert scan.samples == "noise"


def test_a_clean_model_is_not_flagged(clean, data):
    assert backdoor_scan(clean, data).flagged == ()


def test_the_same_seed_gives_the_same(scan, backdoored, data):
    again = backdoor_scan(backdoored, data.train_inputs)
    np.testing.assert_array_equal(again.sizes, scan.sizes)
    np.testing.assert_array_equal(again.triggers[3].mask, scan.triggers[3].mask)


def test_neural_cleanse_has_the_same_interface(backdoored, data):
    calls = []
    scan = backdoor_scan(
        backdoored, data, method="neural-cleanse", steps=60,
        progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip
    assert scan.method == "neural-cleanse"
    assert 3 in scan.flagged
    assert scan.sizes.argmin() == 3
    assert calls == [(k, 10) for k in range(1, 11)]
    assert len(scan.triggers) == 10


def test_other_bounds_give_the_same_trigger(backdoored, data):
    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = backdoored

        def forward(self, x):
            return self.inner((x + 3) / 4)

    x = 4 * data.train_inputs - 3
    scan = backdoor_scan(Shifted().eval(), x, bounds=(-3, 1))
    assert scan.flagged == (3,)
    assert float(scan.triggers[3].pattern[:, -1, -1]) > 0.5


def test_probabilities_do_as_scores_do(backdoored, data):
    module = torch.nn.Sequential(backdoored, torch.nn.Softmax(1)).eval()
    assert backdoor_scan(module, data).flagged == (3,)


def test_float64_and_gradients_of_parameters_stay_as_they_are(backdoored, data):
    for p in backdoored.parameters():
        p.grad = None
    module = torch.nn.Sequential(backdoored).eval().double()
    try:
        scan = backdoor_scan(module, data)
    finally:
        backdoored.float()
    assert scan.flagged == (3,)
    assert scan.triggers[0].mask.dtype == torch.float64
    assert all(p.requires_grad and p.grad is None for p in backdoored.parameters())


def test_a_budget_that_is_too_small_is_told(backdoored, data):
    scan = backdoor_scan(backdoored, data, steps=1)
    assert scan.flagged == ()
    assert "no backdoor was found, which does not say that there is none" in scan.finding
    assert scan.notes[0] == "class 0 was not reached within 1 steps"
    assert len(scan.triggers) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": 2}, "expected at least 3 classes, for a median to say what is usual, got 2"),
        ({"classes": 9}, "expected 9 outputs, one a class, the module has 10"),
        ({"shape": None, "data": None}, "expected data, or the shape (channels, height, width) of one image"),
        ({"shape": (3, 8, 8)}, "the module fails on inputs of shape (n, 3, 8, 8)"),
        ({"shape": (64,)}, "expected a shape (channels, height, width), got (64,)"),
        ({"data": torch.zeros(5, 1, 9, 8)}, "expected images of shape (n, 1, 8, 8), got (5, 1, 9, 8)"),
        ({"data": torch.zeros(0, 1, 8, 8)}, "got (0, 1, 8, 8)"),
        ({"method": "guess"}, "expected method 'agnostic' or 'neural-cleanse', got 'guess'"),
        ({"bounds": (1, 0)}, "expected bounds (low, high) with low below high, got (1, 0)"),
        ({"steps": 0}, "expected steps of at least 1, got 0"),
        ({"data": torch.full((9, 1, 8, 8), torch.nan)}, "the loss of target 0 is NaN at step 0"),
        (
            {"data": torch.full((9, 1, 8, 8), torch.nan), "method": "neural-cleanse"},
            "the loss of target 0 is NaN at step 0",
        ),
    ],
)
def test_bad_input_is_one_sentence(clean, change, message):
    arguments = {"shape": (1, 8, 8), "classes": 10, "data": torch.rand(20, 1, 8, 8), **change}
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        backdoor_scan(clean, **arguments)
    assert message in str(error.value)


def test_a_module_in_training_mode(clean):
    clean.train()
    try:
        with pytest.raises(ValueError, match=r"the module is in training mode; call its eval\(\) first"):
            backdoor_scan(clean, shape=(1, 8, 8), classes=10)
    finally:
        clean.eval()
    with pytest.raises(TypeError, match=r"expected a torch.nn.Module, got int"):
        backdoor_scan(3, shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize("method", ["agnostic", "neural-cleanse"])
def test_it_is_told_which_triggers_were_not_looked_for(clean, data, method):
    notes = backdoor_scan(clean, data, method=method, steps=2).notes
    assert any("triggers that work from one class alone: source=k looks for those" in note for note in notes)
    everywhere = any("triggers that send each class to another, which" in note for note in notes)
    assert everywhere == (method == "neural-cleanse")
    notes = backdoor_scan(clean, data, method=method, steps=2, source=4).notes
    assert notes[-1] == "only triggers that work from class 4 were looked for"


@pytest.mark.slow
@pytest.mark.skipif(
    not Path(os.environ.get("DIVULGE_DATA", ""), "models").is_dir(), reason="no models in $DIVULGE_DATA"
)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_published_backdoors_are_found(name):
    data, module = load(name), badnets(name)
    scan = backdoor_scan(module, data.train_inputs[:2000])
    assert scan.flagged == (1,)
    assert scan.anomaly_index[1] >= 5
    trigger = scan.triggers[1]
    assert float(trigger.mask[-5:, -5:].sum()) >= 0.8 * trigger.size
    assert trigger.success(module, data.test_inputs[:2000], 1) >= 0.95
    blind = backdoor_scan(module, shape=data.input_shape, classes=10)
    assert blind.flagged == (1,)
    assert blind.anomaly_index[1] >= 2.5


@pytest.mark.slow
@pytest.mark.skipif(
    not Path(os.environ.get("DIVULGE_DATA", ""), "models").is_dir(), reason="no models in $DIVULGE_DATA"
)
@pytest.mark.parametrize(("name", "images", "epochs"), [("mnist", 200, 12), ("cifar10", 500, 10)])
def test_a_published_backdoor_that_fine_tuning_has_weakened_is_found(name, images, epochs):
    data = subset(load(name), train=10_000, test=2000, seed=0)
    x, y = data.train_inputs[-images:], data.train_targets[-images:]
    module = fit_classifier(badnets(name), x, y, epochs=epochs, learning_rate=1e-3)
    true = square(data.input_shape, 5, -5, -5)
    assert 0.6 < true.success(module, data.test_inputs, 1) < 0.85
    scan = backdoor_scan(module, data.train_inputs)
    assert scan.flagged == (1,)
    assert "of the samples" in scan.reasons[1]
    trigger = scan.triggers[1]
    assert float(trigger.mask[-9:, -9:].sum()) >= 0.8 * trigger.size
    assert trigger.success(module, data.test_inputs, 1) > 0.6
