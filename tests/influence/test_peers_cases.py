"""What kronfluence and curvlinops are tested on: shapes, layers and losses, each right or refused by name.

Written anew, smaller where their models have more than some 500 parameters. Exact curvatures and EK-FAC are
held against matrices that are formed whole in float64.
"""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense_outputs import whole
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from divulge import Influence
from divulge.influence import Task

N, TESTS, DAMPING = 7, 3, 0.5


def mlp(*sizes, act=nn.ReLU):
    layers = []
    for d, h in pairwise(sizes):
        layers += [nn.Linear(d, h), act()]
    return nn.Sequential(*layers[:-1])


def repeated(bias=True):
    """One layer called twice, as kronfluence's repeated perceptron."""
    shared = nn.Linear(6, 6, bias=bias)
    return nn.Sequential(
        nn.Linear(5, 6, bias=bias), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(6, 1)
    )


def convolutions(norm, bias=True):
    first, second = nn.Conv2d(3, 4, 3, bias=bias), nn.Conv2d(4, 6, 3, bias=bias)
    norms = [[nn.BatchNorm2d(4)], [nn.BatchNorm2d(6)]] if norm else [[], []]
    module = nn.Sequential(
        first, nn.ReLU(), *norms[0], second, nn.ReLU(), *norms[1], nn.Flatten(), nn.Linear(6, 5, bias=bias)
    )
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 2)
    return module


class Shared(nn.Sequential):
    """Layers called at each position, whose outputs are kept, joined in a row, or averaged."""

    def __init__(self, *layers, how):
        super().__init__(*layers)
        self.how = how

    def forward(self, x):
        z = super().forward(x)
        if self.how == "mean":
            return z.flatten(1, -2).mean(1)
        if self.how == "row":
            return z.flatten(1)
        return z.movedim(-1, 1) if self.how == "classes second" else z


class Pixels(nn.Module):
    """A convolution whose pixels are the outputs, classes last."""

    def __init__(self, how):
        super().__init__()
        self.conv, self.how = nn.Conv2d(3, 2, 4, padding=2), how

    def forward(self, x):
        z = self.conv(x)
        if self.how == "mean":
            return z.mean((2, 3))
        z = z.movedim(1, -1)
        return z.flatten(1) if self.how == "row" else z


class Unet(nn.Module):
    """Down by a stride, up by doubling."""

    def __init__(self, how):
        super().__init__()
        self.down, self.middle, self.up = (
            nn.Conv2d(3, 2, 3, stride=2, padding=1),
            nn.Conv2d(2, 2, 3, padding=1),
            nn.Conv2d(2, 3, 3, padding=1),
        )
        self.how = how

    def forward(self, x):
        z = self.up(F.interpolate(self.middle(self.down(x)), scale_factor=2, mode="nearest"))
        return {"last": z.movedim(1, -1), "second": z, "row": z.movedim(1, -1).flatten(1)}[self.how]


class FromDict(nn.Module):
    """Takes a batch's dict whole."""

    def __init__(self, classes):
        super().__init__()
        self.net = mlp(10, 5, classes)

    def forward(self, data):
        return self.net(data["x"])


class Conv1D(nn.Module):
    """Hugging Face's linear layer, its weight (inputs, outputs)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf, self.weight, self.bias = (
            nf,
            nn.Parameter(0.4 * torch.randn(nx, nf)),
            nn.Parameter(torch.zeros(nf)),
        )

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).reshape(*x.shape[:-1], self.nf)


class Causal(nn.Module):
    """GPT-2's block in small: fused projections, a table that is the head, too."""

    def __init__(self):
        super().__init__()
        self.embed, self.place, self.norm = nn.Embedding(6, 4), nn.Embedding(5, 4), nn.LayerNorm(4)
        self.fused, self.out, self.head = Conv1D(12, 4), Conv1D(4, 4), nn.Linear(4, 6, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, input_ids, attention_mask):
        x = self.embed(input_ids) + self.place(torch.arange(input_ids.shape[1]).expand_as(input_ids))
        q, k, v = self.fused(self.norm(x)).split(4, -1)
        seen = torch.ones(x.shape[1], x.shape[1]).tril().bool() & attention_mask.bool()[:, None]
        weights = (q @ k.mT / 2).masked_fill(~seen, -1e9).softmax(-1)
        return self.head(x + self.out(weights @ v))


class Classifier(nn.Module):
    """BERT's shape: tokens seen through a mask, the first pooled; choices are folded into the batch."""

    def __init__(self, choices=False):
        super().__init__()
        self.embed, self.query, self.value = nn.Embedding(6, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm, self.pool, self.head = nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 1 if choices else 3)
        self.choices = choices

    def forward(self, input_ids, attention_mask):
        n = len(input_ids)
        ids, mask = input_ids.flatten(0, -2), attention_mask.flatten(0, -2)
        x = self.embed(ids)
        weights = (self.query(x) @ x.mT).masked_fill(~mask.bool()[:, None], -1e9).softmax(-1)
        z = self.head(torch.tanh(self.pool(self.norm(x + self.value(weights @ x))[:, 0])))
        return z.reshape(n, -1) if self.choices else z


@dataclass
class Case:
    """A problem: what makes the module, a sample's inputs, its targets, the loss here and for the reference.

    Attributes:
        make: the module.
        shape: of a sample's inputs.
        targets: from a generator and n to targets.
        loss: as `Influence` takes it.
        truth: from outputs (1, ...) and targets (1, ...) to a number.
        task: whatever else the task says.
        of: what is explained, here and for the reference.
        tokens: the inputs are tokens with a mask, of this shape.
        closed: whether EK-FAC has a closed form here whose labels are not drawn.
    """

    make: object
    shape: tuple
    targets: object
    loss: object
    truth: object
    task: dict = field(default_factory=dict)
    of: tuple = (None, None)
    tokens: bool = False
    closed: bool = False


def classes(k, *positions):
    return lambda rng, n: rng.integers(0, k, (n, *positions))


def numbers(*shape):
    return lambda rng, n: rng.uniform(0, 1, (n, *shape))


def signs(*shape):
    return lambda rng, n: rng.integers(0, 2, (n, *shape)).astype(float)


def text_targets(rng, n):
    found = rng.integers(0, 6, (n, 5))
    found[:, 4:] = -100
    return found


def entropy(z, y):
    return F.cross_entropy(z, y)


def squares(z, y):
    return ((z - y) ** 2).sum() / 2


def margin(z, y):
    """Return minus the log odds of the label, kronfluence's measurement."""
    right = z.gather(1, y[:, None])[:, 0]
    others = z.masked_fill(F.one_hot(y, z.shape[1]).bool(), -torch.inf).logsumexp(1)
    return others - right


CE, MSE, BCE = nn.CrossEntropyLoss, nn.MSELoss, nn.BCEWithLogitsLoss
FIVES = (5, 10)
MARGIN = (margin, lambda z, y: margin(z, y).sum())


def torchs(make, shape, targets, kind, reduction, **more):
    """A case with one of torch's losses; the reference takes it as it is."""
    return Case(make, shape, targets, kind(reduction=reduction), kind(reduction=reduction), **more)


CASES = {
    # curvlinops: matrices and their inverses
    "classes": Case(lambda: mlp(10, 5, 3), (10,), classes(3), "cross_entropy", entropy, closed=True),
    "numbers": Case(lambda: mlp(8, 5, 3), (8,), numbers(3), "squared", squares, closed=True),
    **{
        f"{name}, {reduction}": torchs(make, shape, targets, kind, reduction)
        for reduction in ("mean", "sum")
        for name, make, shape, targets, kind in (
            ("torch's entropy", lambda: mlp(10, 5, 3), (10,), classes(3), CE),
            ("torch's squares", lambda: mlp(8, 5, 3), (8,), numbers(3), MSE),
            ("one logit", lambda: mlp(10, 5, 1), (10,), signs(1), BCE),
            ("two logits", lambda: mlp(10, 5, 2), (10,), signs(2), BCE),
            ("logits at positions", lambda: mlp(10, 5, 2), FIVES, signs(5, 2), BCE),
            ("squares at positions", lambda: mlp(8, 5, 3), (5, 8), numbers(5, 3), MSE),
            (
                "classes second",
                lambda: Shared(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 3), how="classes second"),
                FIVES,
                classes(3, 5),
                CE,
            ),
            (
                "linear, one output",
                lambda: nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1)),
                (6,),
                numbers(1),
                MSE,
            ),
            ("pixels", lambda: Pixels("last"), (3, 4, 4), numbers(5, 5, 2), MSE),
            ("pixels in a row", lambda: Pixels("row"), (3, 4, 4), numbers(50), MSE),
            ("mean of pixels", lambda: Pixels("mean"), (3, 4, 4), numbers(2), MSE),
            ("u-net, squares", lambda: Unet("last"), (3, 4, 4), numbers(4, 4, 3), MSE),
            ("u-net, logits", lambda: Unet("last"), (3, 4, 4), signs(4, 4, 3), BCE),
            ("u-net, logits in a row", lambda: Unet("row"), (3, 4, 4), signs(48), BCE),
            ("u-net, classes second", lambda: Unet("second"), (3, 4, 4), classes(3, 4, 4), CE),
        )
    },
    "positions by name": Case(
        lambda: mlp(10, 5, 3), FIVES, classes(3, 5), "cross_entropy", lambda z, y: F.cross_entropy(z[0], y[0])
    ),
    "positions by name, sum": Case(
        lambda: mlp(10, 5, 3),
        FIVES,
        classes(3, 5),
        "cross_entropy",
        lambda z, y: F.cross_entropy(z[0], y[0], reduction="sum"),
        {"positions": "sum"},
    ),
    "squares by name, sum": Case(
        lambda: mlp(8, 5, 3), (5, 8), numbers(5, 3), "squared", squares, {"positions": "sum"}
    ),
    "linear, outputs": Case(
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)),
        (5,),
        numbers(3),
        "squared",
        squares,
        closed=True,
    ),
    "shared, a row": Case(
        lambda: Shared(nn.Linear(4, 3), nn.Linear(3, 2), how="row"),
        (3, 4),
        numbers(6),
        "squared",
        squares,
        closed=True,
    ),
    "shared, a mean": Case(
        lambda: Shared(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), how="mean"),
        (3, 4),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "shared, mean over two": Case(
        lambda: Shared(nn.Linear(4, 3), nn.Linear(3, 2), how="mean"),
        (2, 3, 4),
        numbers(2),
        "squared",
        squares,
        closed=True,
    ),
    "mean of pixels, classes": Case(
        lambda: Pixels("mean"), (3, 4, 4), classes(2), "cross_entropy", entropy, closed=True
    ),
    "dict, whole": Case(
        lambda: FromDict(2),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        {"call": lambda m, x: m({"x": x})},
        closed=True,
    ),
    "network of images": Case(
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2, 3, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(3, 5),
        ),
        (1, 8, 8),
        classes(5),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "dropout, evaluating": Case(
        lambda: nn.Sequential(nn.Linear(10, 5), nn.Dropout(), nn.ReLU(), nn.Linear(5, 2)),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    "batch norm, evaluating": Case(
        lambda: nn.Sequential(nn.Linear(10, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
        (10,),
        classes(2),
        "cross_entropy",
        entropy,
        closed=True,
    ),
    # kronfluence: its tasks
    **{
        f"regression{'' if bias else ', no bias'}": Case(
            lambda bias=bias: nn.Sequential(
                nn.Linear(10, 8, bias), nn.ReLU(), nn.Linear(8, 8, bias), nn.ReLU(), nn.Linear(8, 1, bias)
            ),
            (10,),
            lambda rng, n: rng.integers(-5, 5, (n, 1)).astype(float),
            "squared",
            squares,
            closed=True,
        )
        for bias in (True, False)
    },
    "regression, sum of squares": torchs(lambda: mlp(10, 8, 8, 1), (10,), numbers(1), MSE, "sum"),
    "repeated": Case(repeated, (5,), numbers(1), "squared", squares, closed=True),
    "repeated, no bias": Case(lambda: repeated(False), (5,), numbers(1), "squared", squares, closed=True),
    **{
        f"images{', normalised' * norm}, {'margin' if of[0] else 'loss'}{', no bias' * (not bias)}": Case(
            lambda norm=norm, bias=bias: convolutions(norm, bias),
            (3, 5, 5),
            classes(5),
            "cross_entropy",
            entropy,
            of=of,
            closed=True,
        )
        for norm in (False, True)
        for of in ((None, None), MARGIN)
        for bias in (True, False)
    },
    "texts' classes, margin": Case(
        Classifier, (5,), classes(3), "cross_entropy", entropy, of=MARGIN, tokens=True, closed=True
    ),
    "multiple choice": Case(
        lambda: Classifier(choices=True),
        (4, 5),
        classes(4),
        "cross_entropy",
        entropy,
        of=MARGIN,
        tokens=True,
        closed=True,
    ),
    "language": Case(
        Causal,
        (5,),
        text_targets,
        "cross_entropy",
        lambda z, y: F.cross_entropy(z[0], y[0], reduction="sum"),
        {"positions": "sum"},
        tokens=True,
    ),
}


def problem(case, seed=0):
    """Return a module in float64, and training and test data as arrays."""
    torch.manual_seed(seed)
    module = case.make().double().eval()
    rng = np.random.default_rng(seed)
    n = N + TESTS
    y = case.targets(rng, n)
    if not case.tokens:
        x = rng.uniform(0, 1, (n, *case.shape))
        return module, (x[:N], y[:N]), (x[N:], y[N:])
    lengths = rng.integers(2, case.shape[-1] + 1, (n, *case.shape[:-1], 1))
    x = {
        "input_ids": rng.integers(0, 6, (n, *case.shape)),
        "attention_mask": (np.arange(case.shape[-1]) < lengths).astype(np.int64),
    }
    parts = [{k: v[rows] for k, v in x.items()} for rows in (slice(0, N), slice(N, n))]
    return module, (parts[0], y[:N]), (parts[1], y[N:])


def reference(case, module, *sets):
    """Return the matrices and gradients."""
    tensors = [
        (
            {k: torch.as_tensor(v) for k, v in x.items()} if isinstance(x, dict) else torch.as_tensor(x),
            torch.as_tensor(y),
        )
        for x, y in sets
    ]
    call = case.task.get("call") or ((lambda m, x: m(**x)) if case.tokens else None)
    return whole(module, *tensors, case.truth, case.of[1], call)


def asked(case, module, train, curvature, **more):
    return Influence(
        module, train, task=Task(loss=case.loss, **case.task), curvature=curvature, damping=DAMPING, **more
    )


@pytest.mark.parametrize("name", CASES)
def test_exact_curvatures(name):
    case = CASES[name]
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    for curvature in ("hessian", "gauss_newton"):
        influence = asked(case, module, train, curvature, tolerance=1e-12)
        found = influence.hvp(np.eye(len(truth.hessian)))
        expected = getattr(truth, curvature)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
        if np.linalg.eigvalsh(expected)[0] + DAMPING > 1e-3:
            scores, right = influence.scores(test, of=case.of[0]), truth.scores(DAMPING, curvature)
            np.testing.assert_allclose(scores, right, rtol=0, atol=1e-8 * np.abs(right).max())
        else:
            with pytest.raises(ValueError, match="would do"):
                influence.scores(test)


def slots(place):
    """Return where the numbers of a layer's matrix (h, d + 1) lie in the vector of parameters."""
    h, d, begin, bias, transposed = place
    weight = begin + np.arange(h * d)
    matrix = weight.reshape(d, h).T if transposed else weight.reshape(h, d)
    return matrix if bias is None else np.c_[matrix, bias + np.arange(h)]


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.closed])
def test_ekfac(name, lower):
    """Its eigenvalues are the Fisher matrix's diagonal in its bases; scores are those of that matrix."""
    case = CASES[name]
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    influence = asked(case, module, train, "ekfac", lower=lower)
    fitted = influence._inverse.kronecker
    damped = np.zeros_like(truth.gauss_newton)
    covered = []
    for u, v, values, place in zip(fitted.outer, fitted.inner, fitted.values, fitted.places, strict=True):
        at = slots(place).ravel()
        basis = np.kron(u, v)
        diagonal = np.diag(basis.T @ truth.gauss_newton[np.ix_(at, at)] @ basis)
        np.testing.assert_allclose(np.ravel(values), diagonal, rtol=0, atol=1e-10 * diagonal.max())
        damped[np.ix_(at, at)] = (basis * (diagonal + DAMPING)) @ basis.T
        covered.append(at)
    assert sorted(np.concatenate(covered)) == list(range(len(damped)))
    expected = -truth.test @ np.linalg.solve(damped, truth.train.T)
    found = influence.scores(test, of=case.of[0])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["linear, outputs", "linear, one output"])
def test_kfac_is_exact_for_linear_networks(name):
    """The loss's Hessian is the same for all samples, so that each layer's block is a Kronecker product."""
    case = CASES["linear, outputs"]
    if name == "linear, one output":
        case = Case(
            lambda: nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1)), (6,), numbers(1), "squared", squares
        )
    module, train, test = problem(case)
    truth = reference(case, module, train, test)
    influence = asked(case, module, train, "kfac")
    expected = np.zeros_like(truth.gauss_newton)
    for place in influence._inverse.kronecker.places:
        at = slots(place).ravel()
        expected[np.ix_(at, at)] = truth.gauss_newton[np.ix_(at, at)]
    np.testing.assert_allclose(
        influence.hvp(np.eye(len(expected))), expected, atol=1e-10 * np.abs(expected).max()
    )


REFUSED = {
    "dropout": (lambda: nn.Sequential(nn.Linear(10, 5), nn.Dropout(), nn.Linear(5, 2)), "training mode|eval"),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(10, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)),
        "training mode|eval",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_random_is_refused(name):
    make, told = REFUSED[name]
    x, y = torch.rand(12, 10), torch.randint(0, 2, (12,))
    with pytest.raises(ValueError, match=told):
        Influence(make().train(), (x, y))


def test_a_loader_that_drops_and_shuffles_is_read_as_its_data_set():
    torch.manual_seed(0)
    data, module = TensorDataset(torch.rand(12, 10), torch.randint(0, 2, (12,))), mlp(10, 5, 2).eval()
    loader = DataLoader(data, 5, shuffle=True, drop_last=True)
    found, expected = (Influence(module, train, damping=2.0).scores(data[:3]) for train in (loader, data))
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (3, 12)


@pytest.mark.parametrize("kind", [CE, MSE, BCE])
def test_closed_forms_of_torchs_losses_are_refused(kind):
    """They draw labels from the model, which a function of outputs and targets does not say how to."""
    targets = {CE: torch.randint(0, 3, (9,)), MSE: torch.rand(9, 3), BCE: torch.ones(9, 3)}[kind]
    with pytest.raises(ValueError, match=r"cross_entropy.*squared|likelihood"):
        Influence(mlp(10, 5, 3).eval(), (torch.rand(9, 10), targets), loss=kind(), curvature="ekfac")


def test_another_kind_of_dict_is_a_dict():
    module, x, y = FromDict(2).double().eval(), torch.rand(8, 10).double(), torch.randint(0, 2, (8,))
    task = Task(call=lambda m, batch: m(batch))
    test = {"x": x[:2]}, y[:2]
    plain = Influence(module, ({"x": x}, y), task=task, damping=2.0).scores(test)
    other = Influence(module, (UserDict({"x": x}), y), task=task, damping=2.0).scores(test)
    np.testing.assert_array_equal(other, plain)
