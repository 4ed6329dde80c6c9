"""Losses are taken for each sample, or refused."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chains import relative_error
from dense_influence import dense
from torch import nn

from divulge import Influence
from divulge.influence.losses import output_function, resolve_loss


def module_of(outputs):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.Tanh(), nn.Linear(3, outputs)).double().eval()


def data(outputs, kind):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((24, 1, 6, 6))
    y = {
        "classes": lambda: rng.integers(0, outputs, 24),
        "numbers": lambda: rng.standard_normal((24, outputs)),
        "bits": lambda: rng.integers(0, 2, (24, outputs)).astype(float),
        "shares": lambda: rng.dirichlet(np.ones(outputs), 24),
    }[kind]()
    return (x[:20], y[:20]), (x[20:], y[20:])


WEIGHTED = nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), reduction="none")
SMOOTHED = nn.CrossEntropyLoss(label_smoothing=0.1)
# what is passed, outputs, targets, the loss of one sample
LOSSES = {
    "cross entropy": (nn.CrossEntropyLoss(), 3, "classes", F.cross_entropy),
    "smoothed": (
        nn.CrossEntropyLoss(label_smoothing=0.1),
        3,
        "shares",
        nn.CrossEntropyLoss(label_smoothing=0.1),
    ),
    "weighted": (WEIGHTED, 3, "classes", lambda z, y: WEIGHTED(z, y)[0]),
    "mean of squares": (nn.MSELoss(), 3, "numbers", lambda z, y: ((z - y) ** 2).mean()),
    "sum of squares": (nn.MSELoss(reduction="sum"), 3, "numbers", lambda z, y: ((z - y) ** 2).sum()),
    "one output": (nn.MSELoss(), 1, "numbers", lambda z, y: ((z - y) ** 2).sum()),
    "bits": (nn.BCEWithLogitsLoss(), 2, "bits", F.binary_cross_entropy_with_logits),
    "a function of torch": (F.cross_entropy, 3, "classes", F.cross_entropy),
    "one's own": (lambda z, y: (z - y).pow(4).sum(1), 3, "numbers", lambda z, y: (z - y).pow(4).sum()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_torch_are_taken_for_each_sample(name):
    loss, outputs, kind, single = LOSSES[name]
    module, (train, test) = module_of(outputs), data(outputs, kind)
    truth = dense(module, train, test, single)
    influence = Influence(module, train, loss=loss, curvature="gauss_newton", damping=0.5, tolerance=1e-12)
    assert relative_error(influence.hvp(np.eye(len(truth.hessian))), truth.gauss_newton, floor=1e-6) < 1e-9
    assert relative_error(influence.scores(test), truth.scores(0.5, "gauss_newton"), floor=1e-6) < 1e-8


MIXED = {
    "a mean": lambda z, y: F.cross_entropy(z, y),
    "a sum kept": lambda z, y: F.cross_entropy(z, y).expand(len(z)),
    "a centred loss": lambda z, y: F.cross_entropy(z - z.mean(0), y, reduction="none"),
    "one number an output": lambda z, y: z**2,
    "a number": lambda z, y: 1.0,
    "constants": lambda z, y: (z.argmax(1) == y).double(),
}


@pytest.mark.parametrize("name", MIXED)
def test_losses_over_the_batch_are_refused(name):
    module, (train, test) = module_of(3), data(3, "classes")
    with pytest.raises(ValueError, match=r"2 numbers, got|takes each sample alone|got constants"):
        Influence(module, train, loss=MIXED[name])
    influence = Influence(module, train, damping=1.0)
    with pytest.raises(ValueError, match=r"4 numbers, got|takes each sample alone|got constants"):
        influence.scores(test, of=MIXED[name])


def test_targets_that_broadcast_are_refused():
    module, ((x, y), _) = module_of(1), data(1, "numbers")
    with pytest.raises(ValueError, match=r"targets of the outputs' shape \(2, 1\), got \(2,\)"):
        Influence(module, (x, y[:, 0]), loss=nn.MSELoss())
    with pytest.raises(ValueError, match=r"the loss fails .*outputs' shape"):
        Influence(module, (x, np.round(np.abs(y[:, 0]) % 1)), loss=F.binary_cross_entropy_with_logits)
    with pytest.raises(ValueError, match=r"outputs of shape \(2, 1\) and targets of shape \(2,\) are mixed"):
        Influence(module, (x, y[:, 0]), loss=lambda z, y: ((z - y) ** 2).mean(1))


def test_losses_that_do_not_change_are_refused():
    module, (train, _) = module_of(1), data(1, "classes")
    with pytest.raises(ValueError, match=r"a loss that changes with the outputs \(n, 1\), its gradient is 0"):
        Influence(module, train, loss=nn.CrossEntropyLoss())


def test_losses_that_detach_a_part_are_refused():
    def focal(z, y):
        p = z.softmax(1).gather(1, y[:, None])[:, 0]
        return (1 - p.detach()) ** 2 * F.cross_entropy(z, y, reduction="none")

    def whole(z, y):
        p = z.softmax(1).gather(1, y[:, None])[:, 0]
        return (1 - p) ** 2 * F.cross_entropy(z, y, reduction="none")

    module, (train, _) = module_of(3), data(3, "classes")
    for dtype in (torch.float32, torch.float64):
        module = module.to(dtype)
        with pytest.raises(ValueError, match="loss whose gradient is its derivative"):
            Influence(module, train, loss=focal)
        Influence(module, train, loss=whole)


def test_losses_that_fail_say_on_what():
    def broken(z, y):
        raise KeyError("no such loss")

    module, (train, _) = module_of(1), data(1, "classes")
    with pytest.raises(ValueError, match=r"the loss fails on outputs of shape \(2, 1\) .*no such loss"):
        Influence(module, train, loss=broken)


def test_functions_of_the_outputs_of_a_fixed_number_of_test_points():
    module, (train, test) = module_of(3), data(3, "classes")
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5)
    y = torch.as_tensor(test[1])
    scores = influence.scores(test, of=lambda z, _: z[torch.arange(4), y])
    np.testing.assert_allclose(scores, influence.scores(test, of="logit"), rtol=1e-9)
    loss = resolve_loss("cross_entropy", 0.0)
    np.testing.assert_allclose(
        influence.scores(test, of=nn.CrossEntropyLoss()), influence.scores(test, of="loss"), rtol=1e-9
    )
    assert output_function("loss", loss) is loss.function


@pytest.mark.parametrize("ignored", [-100, 2])
@pytest.mark.parametrize("form", ["module", "function"])
@pytest.mark.parametrize("kind", ["cross_entropy", "nll"])
def test_means_leave_out_the_positions_that_torch_ignores(kind, form, ignored):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(3, 4, 1), nn.LogSoftmax(1)).double().eval()
    x, y = torch.randn(6, 3, 5).double(), torch.randint(0, 2, (6, 5))
    y[0, 3:] = y[1, :4] = ignored
    function = F.cross_entropy if kind == "cross_entropy" else F.nll_loss
    as_module = nn.CrossEntropyLoss if kind == "cross_entropy" else nn.NLLLoss
    loss = as_module(ignore_index=ignored) if form == "module" else partial(function, ignore_index=ignored)
    expected = [
        function(module(x[i : i + 1]), y[i : i + 1], ignore_index=ignored).item() for i in range(len(x))
    ]
    np.testing.assert_allclose(Influence(module, (x, y), loss=loss).losses((x, y)), expected, rtol=1e-12)
