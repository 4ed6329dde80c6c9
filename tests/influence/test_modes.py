"""The caller's mode changes nothing, and modules are left as they were."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from chains import relative_error
from dense_influence import dense
from torch import nn

from divulge import Influence

MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton", "ekfac"])
@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_on_whatever_the_callers_mode(make, mode, curvature, lower):
    module, train, test = make("mlp")
    options = {"train": train, "curvature": curvature, "damping": 0.5, "lower": lower, "tolerance": 1e-12}
    expected = Influence(module, **options)
    if curvature != "ekfac":
        true = dense(module, train, test).scores(0.5, curvature)
        assert relative_error(expected.scores(test), true, floor=1e-6) < 1e-9
    with MODES[mode]():
        influence = Influence(module, **options)
        assert np.abs(influence.scores(test)).max() > 0
        for of in ("loss", "margin"):
            np.testing.assert_allclose(influence.scores(test, of=of), expected.scores(test, of=of), rtol=1e-9)
        np.testing.assert_allclose(influence.self_influence(), expected.self_influence(), rtol=1e-9)
        np.testing.assert_allclose(influence.losses(test), expected.losses(test), rtol=1e-12)
        np.testing.assert_allclose(
            influence.perturbation(test, [1]), expected.perturbation(test, [1]), atol=1e-9
        )


def test_a_module_made_in_inference_mode(make):
    module, train, test = make("cnn")
    expected = Influence(module, train, damping=0.5).scores(test)
    with torch.inference_mode():
        module = copy.deepcopy(module)
    np.testing.assert_allclose(Influence(module, train, damping=0.5).scores(test), expected, rtol=1e-6)


class Remembers(nn.Module):
    """Keeps what it saw, counts, and has parts in different modes."""

    def __init__(self):
        super().__init__()
        self.first, self.act, self.last = nn.Linear(36, 4), nn.ReLU(), nn.Linear(4, 3)
        self.dropout, self.calls, self.hidden = nn.Dropout(0.5), 0, None
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.seen += 1
        self.hidden = self.act(self.first(x.flatten(1)))
        return self.last(self.dropout(self.hidden))


@pytest.mark.parametrize("fails", [False, True])
def test_modules_are_left_as_they_were(make, fails):
    _, train, test = make()
    module = Remembers().double().eval()
    module.first.train()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    parameters = list(module.parameters())
    if fails:
        module.last.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ValueError, match=r"the module fails .*: division by zero"):
            Influence(module, train)
    else:
        for curvature in ("hessian", "kfac"):
            Influence(module, train, curvature=curvature, damping=1.0).scores(test)
    assert [part.training for part in module.modules()] == [False, True, False, False, False]
    assert module.calls == 0
    assert module.hidden is None
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert all(a is b for a, b in zip(module.parameters(), parameters, strict=True))
    assert all(p.grad is None and p.requires_grad for p in parameters)
    assert not module.first._forward_hooks


def test_a_part_with_two_names_keeps_its_parameters(make):
    _, train, test = make("mlp")
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 4), layer, nn.Tanh(), layer, nn.Linear(4, 3)).double()
    before = dict(module.named_parameters())
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5)
    first = influence.scores(test)
    after = dict(module.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is p for name, p in before.items())
    np.testing.assert_allclose(influence.scores(test), first)


def test_compiled_modules_compute_as_they_are_written(make):
    module, train, test = make("mlp")
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    options = {"damping": 0.5, "curvature": "gauss_newton"}
    found = Influence(torch.compile(copy.deepcopy(module), backend=backend), train, **options).scores(test)
    np.testing.assert_allclose(found, Influence(module, train, **options).scores(test), rtol=1e-6)
    assert not compiled


def test_what_compiles_is_not_loaded_where_nothing_is_compiled():
    program = (
        "import sys, numpy as np; from torch import nn; from divulge import Influence;"
        "influence = Influence(nn.Linear(3, 2), (np.eye(3), [0, 1, 0]), lower=False);"
        "influence.scores((np.eye(3), [0, 1, 0])); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
