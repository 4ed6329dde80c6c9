import pytest
import torch

from divulge.datasets import digits
from divulge.training import Pgd, accuracy, fit_classifier, mlp, train_classifier


@pytest.fixture(scope="module")
def data():
    return digits()


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
