"""Tokens, masks, several inputs, and losses over positions, against dense float64 one sample at a time."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dense_influence import dense
from torch import nn
from torch.utils.data import DataLoader

from divulge.influence import GradientSimilarity, Influence, Task, TracIn
from divulge.influence.kronecker import label_cotangents
from divulge.influence.losses import resolve_loss
from divulge.influence.positions import Positions

VOCABULARY, LENGTH = 5, 4


@dataclass
class ModelOutput:
    logits: torch.Tensor
    hidden: torch.Tensor


class Tagger(nn.Module):
    """A class for each token, from those that the mask lets it see."""

    def __init__(self, classes=VOCABULARY, form="attribute"):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.form = nn.Embedding(VOCABULARY, 3), form
        self.query, self.norm, self.head = nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, classes)

    def forward(self, input_ids, attention_mask, scale=None):
        x = self.embed(input_ids)
        weights = (self.query(x) @ x.transpose(1, 2)).masked_fill(~attention_mask.bool()[:, None], -1e9)
        x = self.norm(x + torch.tanh(weights.softmax(-1) @ x))
        if scale is not None:
            x = x * scale[:, None, None]
        logits = self.head(x)
        return {"attribute": ModelOutput(logits, x), "key": {"logits": logits}, "plain": logits}[self.form]


class Pair(nn.Module):
    """Two inputs in a row."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.head = nn.Linear(4, 3), nn.Linear(2, 3), nn.Linear(3, 3)

    def forward(self, left, right):
        return self.head(torch.tanh(self.left(left) + self.right(right)))


def texts(n, seed, classes=VOCABULARY):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, LENGTH + 1, (n, 1))
    lengths[0] = LENGTH
    inputs = {
        "input_ids": rng.integers(0, VOCABULARY, (n, LENGTH)),
        "attention_mask": (np.arange(LENGTH) < lengths).astype(np.int64),
    }
    targets = rng.integers(0, max(classes, 2), (n, LENGTH))
    return inputs, np.where(inputs["attention_mask"] == 1, targets, -100)


class Rows(nn.Module):
    """A module as a function of its samples' numbers, with flat outputs, as the dense reference wants it."""

    def __init__(self, module, *inputs):
        super().__init__()
        self.module, self.inputs = module, inputs

    def forward(self, numbers):
        i = numbers.reshape(-1).long()
        first, second = self.inputs
        if isinstance(first, dict):
            out = self.module(**{k: torch.as_tensor(np.concatenate([first[k], second[k]]))[i] for k in first})
        else:
            pairs = zip(first, second, strict=True)
            out = self.module(*[torch.as_tensor(np.concatenate(pair))[i] for pair in pairs])
        out = getattr(out, "logits", out)
        return (out["logits"] if isinstance(out, dict) else out).flatten(1)


def reference(module, train, test, loss):
    rows = Rows(module, train[0], test[0])
    n, m = len(train[1]), len(test[1])
    return dense(rows, (np.arange(n)[:, None], train[1]), (n + np.arange(m)[:, None], test[1]), loss)


def token_loss(reduction, classes=VOCABULARY):
    def loss(z, y):
        z = z.reshape(*y.shape, classes)
        kept = y != -100
        if classes == 1:
            total = F.binary_cross_entropy_with_logits(z[..., 0][kept], y[kept].to(z), reduction="sum")
        else:
            total = F.cross_entropy(z[kept], y[kept], reduction="sum")
        return total / kept.sum() if reduction == "mean" else total

    return loss


@pytest.mark.parametrize("form", ["attribute", "key", "plain"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("classes", [VOCABULARY, 1])
def test_a_tagger_of_tokens(form, reduction, classes):
    module = Tagger(classes, form).double()
    train, test = texts(9, 0, classes), texts(3, 1, classes)
    truth = reference(module, train, test, token_loss(reduction, classes))
    for curvature in ("hessian", "gauss_newton"):
        influence = Influence(
            module, train, task=Task(positions=reduction), curvature=curvature, solver="direct", damping=20.0
        )
        assert influence.path == "torch"
        np.testing.assert_allclose(influence.gradients(test), truth.test, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(
            influence.scores(test), truth.scores(20.0, curvature), rtol=1e-7, atol=1e-10
        )


def items(inputs, targets, name="labels"):
    return [{**{k: v[i] for k, v in inputs.items()}, name: targets[i]} for i in range(len(targets))]


FORMS = {
    "pair": lambda x, y: (x, y),
    "dict": lambda x, y: {**x, "labels": y},
    "tensors": lambda x, y: ({k: torch.as_tensor(v) for k, v in x.items()}, torch.as_tensor(y)),
    "user dict": lambda x, y: UserDict({**x, "labels": y}),
    "list of dicts": items,
    "list of pairs": lambda x, y: [({k: v[i] for k, v in x.items()}, y[i]) for i in range(len(y))],
    "loader": lambda x, y: DataLoader(items(x, y), batch_size=4, shuffle=True),
    "boolean mask": lambda x, y: ({**x, "attention_mask": x["attention_mask"] == 1}, y),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_several_inputs(form):
    module, (inputs, targets), test = Tagger().double(), texts(9, 0), texts(2, 1)
    expected = Influence(module, (inputs, targets), damping=0.5, curvature="gauss_newton").scores(test)
    got = Influence(module, FORMS[form](inputs, targets), damping=0.5, curvature="gauss_newton")
    np.testing.assert_allclose(got.scores(test), expected, rtol=1e-6, atol=1e-10)


def test_texts_that_a_loader_fills_up():
    module, (inputs, targets), test = Tagger().double(), texts(9, 0), texts(2, 1)
    expected = Influence(module, (inputs, targets), damping=0.5, curvature="gauss_newton").scores(test)
    lengths = inputs["attention_mask"].sum(1)
    assert (lengths.min(), lengths.max()) == (2, LENGTH)
    ragged = [(inputs["input_ids"][i, :k], targets[i, :k]) for i, k in enumerate(lengths)]

    def filled(batch):
        longest = max(len(x) for x, _ in batch)
        pad = [longest - len(x) for x, _ in batch]
        ids = np.stack([np.pad(x, (0, p)) for (x, _), p in zip(batch, pad, strict=True)])
        mask = np.stack([np.arange(longest) < len(x) for x, _ in batch]).astype(int)
        labels = np.stack(
            [np.pad(y, (0, p), constant_values=-100) for (_, y), p in zip(batch, pad, strict=True)]
        )
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    loader = DataLoader(ragged, batch_size=3, collate_fn=filled)
    np.testing.assert_allclose(
        Influence(module, loader, damping=0.5, curvature="gauss_newton").scores(test),
        expected,
        rtol=1e-6,
        atol=1e-10,
    )
    with pytest.raises(ValueError, match=r"inputs of one shape, got .*; fill them up to one length"):
        Influence(module, ragged)


def test_two_inputs_in_a_row():
    rng, module = np.random.default_rng(0), Pair().double()

    def data(n):
        return (rng.normal(size=(n, 4)), rng.normal(size=(n, 2))), rng.integers(0, 3, n)

    train, test = data(8), data(2)
    truth = reference(module, train, test, F.cross_entropy)
    influence = Influence(module, train, damping=0.5, curvature="gauss_newton")
    np.testing.assert_allclose(
        influence.scores(test), truth.scores(0.5, "gauss_newton"), rtol=1e-6, atol=1e-10
    )
    (left, right), targets = train
    pairs = [((left[i], right[i]), targets[i]) for i in range(8)]
    np.testing.assert_allclose(
        Influence(module, pairs, damping=0.5, curvature="gauss_newton").scores(test), influence.scores(test)
    )


def test_real_numbers_among_the_inputs_take_the_modules_precision():
    module = Tagger()
    inputs, targets = texts(6, 0)
    train = {**inputs, "scale": np.linspace(0.5, 2, 6)}, targets
    wide = Influence(Tagger().double(), train, damping=0.5, curvature="gauss_newton").scores(train)
    np.testing.assert_allclose(
        Influence(module, train, damping=0.5, curvature="gauss_newton").scores(train),
        wide,
        rtol=1e-2,
        atol=1e-4,
    )


def test_how_a_module_is_called_can_be_told():
    module, (inputs, targets), test = Tagger().double(), texts(9, 0), texts(2, 1)
    expected = Influence(module, (inputs, targets), damping=0.5, curvature="gauss_newton").scores(test)

    def call(model, ids):
        return model(ids[..., 0], ids[..., 1]).logits

    def stacked(inputs):
        return np.stack([inputs["input_ids"], inputs["attention_mask"]], axis=-1)

    influence = Influence(
        module, (stacked(inputs), targets), task=Task(call=call), damping=0.5, curvature="gauss_newton"
    )
    got = influence.scores((stacked(test[0]), test[1]))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-10)


def test_next_tokens():
    """The usual form of a language model's training: each position names its successor."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(VOCABULARY, 3), nn.Linear(3, VOCABULARY)).double()
    text = texts(9, 0)[0]["input_ids"]
    shifted = Task(call=lambda model, ids: model(ids[:, :-1]), positions="sum")
    by_hand = Influence(
        module, (text[:, :-1], text[:, 1:]), task=Task(positions="sum"), damping=0.5, curvature="gauss_newton"
    )
    influence = Influence(module, (text, text[:, 1:]), task=shifted, damping=0.5, curvature="gauss_newton")
    np.testing.assert_allclose(
        influence.scores((text[:2], text[:2, 1:])), by_hand.scores((text[:2, :-1], text[:2, 1:])), rtol=1e-7
    )


@pytest.mark.parametrize("of", ["log_probability", "margin", "logit"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_what_is_explained_at_positions(of, reduction):
    module = Tagger().double()
    train, test = texts(6, 0), texts(3, 1)

    def value(z, y):
        z = z.reshape(LENGTH, VOCABULARY)[y[0] != -100]
        y = y[0][y[0] != -100]
        log = z.log_softmax(-1)[torch.arange(len(y)), y]
        odds = log - torch.log1p(-log.exp())
        parts = {"log_probability": log, "margin": odds, "logit": z[torch.arange(len(y)), y]}[of]
        return parts.mean() if reduction == "mean" else parts.sum()

    expected = reference(module, train, test, value).test
    influence = Influence(module, train, task=Task(of=of, positions=reduction))
    np.testing.assert_allclose(influence.gradients(test), expected, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(influence.gradients(test, of), expected, rtol=1e-8, atol=1e-11)


def test_parameters_by_pattern():
    module, train, test = Tagger().double(), texts(6, 0), texts(3, 1)
    options = {"curvature": "ekfac", "damping": 0.1}
    expected = Influence(module, train, parameters=["query.weight", "head.weight"], **options).scores(test)
    got = Influence(module, train, parameters=["[qh]*.weight"], **options)
    np.testing.assert_array_equal(got.scores(test), expected)


def test_one_token_is_explained_by_a_function():
    module, train, test = Tagger().double(), texts(6, 0), texts(3, 1)
    second = Influence(module, train).gradients(test, lambda z, y: z[:, 1, 2])
    expected = reference(module, train, test, lambda z, y: z[0, VOCABULARY + 2]).test
    np.testing.assert_allclose(second, expected, rtol=1e-8, atol=1e-11)


def test_the_row_for_padding_is_not_trained():
    module, train, test = Tagger().double(), texts(9, 0), texts(3, 1)
    module.embed = nn.Embedding(VOCABULARY, 3, padding_idx=0).double()
    influence = Influence(module, train, curvature="gauss_newton", damping=0.5)
    truth = reference(module, train, test, token_loss("mean"))
    np.testing.assert_allclose(
        influence.scores(test), truth.scores(0.5, "gauss_newton"), rtol=1e-6, atol=1e-9
    )
    assert (influence.gradients(test)[:, :3] == 0).all()


def test_a_text_that_counts_nowhere_has_no_influence():
    module, (inputs, targets), test = Tagger().double(), texts(6, 0), texts(3, 1)
    targets[4] = -100
    influence = Influence(module, (inputs, targets), damping=0.5, curvature="gauss_newton")
    scores = influence.scores(test)
    assert np.isfinite(scores).all()
    assert (scores[:, 4] == 0).all()
    assert (scores[:, 3] != 0).all()


def test_real_targets_at_positions():
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    train = rng.normal(size=(7, LENGTH, 2)), rng.normal(size=(7, LENGTH, 2))
    test = train[0][:2] + 1, train[1][:2]

    def loss(z, y):
        return ((z - y) ** 2).sum(-1).mean() / 2

    influence = Influence(module, train, task=Task(loss="squared"), damping=0.5, solver="direct")
    gradients = []
    for x, y in zip(*map(torch.as_tensor, test), strict=True):
        parts = torch.autograd.grad(loss(module(x), y), list(module.parameters()))
        gradients.append(torch.cat([p.reshape(-1) for p in parts]))
    np.testing.assert_allclose(influence.gradients(test), torch.stack(gradients), rtol=1e-9)
    assert np.isfinite(influence.scores(test)).all()


class Recorded:
    """What a layer sees, and what comes back to it, with one backward pass for each sample and label."""

    def __init__(self, layer):
        self.seen, self.back = [], []
        layer.register_forward_hook(self._note)

    def _note(self, layer, args, output):
        self.seen = args[0].detach()
        output.register_hook(lambda g: self.back.append(g))


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_kronecker_factors_of_tokens(curvature, reduction):
    module = Tagger(form="plain").double()
    train, test = texts(9, 0), texts(3, 1)
    influence = Influence(
        module,
        train,
        task=Task(positions=reduction),
        curvature=curvature,
        damping=0.1,
        parameters=["head", "query"],
    )
    got = influence.scores(test)
    spies = [Recorded(module.query), Recorded(module.head)]
    n, loss = len(train[1]), resolve_loss("cross_entropy", positions=Positions(reduction))
    inputs = {k: torch.as_tensor(v) for k, v in train[0].items()}
    z = module(**inputs)
    cotangents = torch.as_tensor(label_cotangents(z.detach().numpy(), loss, 0)).reshape(n, -1, *z.shape[1:])
    kept = torch.as_tensor(train[1]) != -100
    weights = kept.double() / kept.sum(1, keepdim=True) if reduction == "mean" else kept.double()
    weights_of_layers = [(module.query.weight, module.query.bias), (module.head.weight, module.head.bias)]
    gradients, factors = [[], []], [[0, 0], [0, 0]]
    for i in range(n):
        for label in cotangents[i]:
            for spy in spies:
                spy.back.clear()
            along = (label * weights[i].sqrt()[:, None])[None]
            out = module(**{k: v[i : i + 1] for k, v in inputs.items()})
            flat = [p for pair in weights_of_layers for p in pair]
            g = torch.autograd.grad(out, flat, along)
            for j, spy in enumerate(spies):
                a = torch.cat([spy.seen[0], torch.ones(LENGTH, 1)], dim=1)
                delta = spy.back[0][0]
                gradients[j].append(torch.cat([g[2 * j], g[2 * j + 1][:, None]], dim=1))
                factors[j][0] += a.T @ a / n / len(cotangents[i])
                factors[j][1] += delta.T @ delta / LENGTH / n
    truth = reference(module, train, test, token_loss(reduction))
    names = [name for name, _ in module.named_parameters()]
    sizes = [p.numel() for p in module.parameters()]
    starts = dict(zip(names, np.cumsum([0, *sizes[:-1]]), strict=True))
    expected = 0
    for j, name in enumerate(("query", "head")):
        (_, v), (_, u) = (np.linalg.eigh(f.numpy()) for f in factors[j])
        if curvature == "ekfac":
            values = sum(((u.T @ g.numpy() @ v) ** 2) for g in gradients[j]) / n
        else:
            values = np.outer(np.linalg.eigvalsh(factors[j][1]), np.linalg.eigvalsh(factors[j][0]))

        def rows(g, name=name):
            weight, bias = dict(module.named_parameters())[f"{name}.weight"], f"{name}.bias"
            h, d = weight.shape
            w = g[:, starts[f"{name}.weight"] :][:, : h * d].reshape(-1, h, d)
            return np.concatenate([w, g[:, starts[bias] :][:, :h, None]], axis=2)

        turned = [u.T @ rows(g) @ v for g in (truth.test, truth.train)]
        expected = expected - np.einsum("mij,ij,nij->mn", turned[0], 1 / (values + 0.1), turned[1])
    np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_drawn_labels_have_the_fisher_matrix_without_mixing_positions(k):
    z = np.random.default_rng(0).normal(size=(2, k))
    loss, n = resolve_loss("cross_entropy"), 40_000
    drawn = label_cotangents(np.tile(z, (n, 1, 1)), loss, 0).reshape(n, -1, 2 * k)
    found = np.einsum("nsi,nsj->ij", drawn, drawn) / n
    p = 1 / (1 + np.exp(-z)) if k == 1 else np.exp(z) / np.exp(z).sum(1, keepdims=True)
    expected = np.zeros((2 * k, 2 * k))
    for t in range(2):
        block = p[t] * (1 - p[t]) if k == 1 else np.diag(p[t]) - np.outer(p[t], p[t])
        expected[t * k : (t + 1) * k, t * k : (t + 1) * k] = block
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_drawn_labels_do_not_depend_on_the_batches():
    z = np.random.default_rng(0).normal(size=(6, 3, 4))
    for name in ("cross_entropy", "squared"):
        loss = resolve_loss(name)
        whole = label_cotangents(z, loss, 7)
        parts = [label_cotangents(z[:2], loss, 7), label_cotangents(z[2:], loss, 7, first=2)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_noise_of_squared_losses_has_the_mean_square_one():
    drawn = label_cotangents(np.zeros((20_000, 2, 2)), resolve_loss("squared"), 0).reshape(20_000, -1, 4)
    np.testing.assert_allclose(np.einsum("nsi,nsj->ij", drawn, drawn) / 20_000, np.eye(4), atol=0.02)


def test_baselines_take_tokens():
    module, train, test = Tagger().double(), texts(6, 0), texts(2, 1)
    truth = reference(module, train, test, token_loss("mean"))
    expected = -truth.test @ truth.train.T
    np.testing.assert_allclose(
        GradientSimilarity(module, train).scores(test), expected, rtol=1e-8, atol=1e-11
    )
    steps = [{k: v.clone() for k, v in module.state_dict().items()}] * 2
    traced = TracIn(module, train, checkpoints=steps, learning_rates=[0.1, 0.2]).scores(test)
    np.testing.assert_allclose(traced, 0.3 * expected, rtol=1e-8, atol=1e-11)


INPUTS, TARGETS = texts(6, 0)
BAD = {
    "a missing name": (
        ({"input_ids": INPUTS["input_ids"]}, TARGETS),
        "fails on inputs of shapes .* 'input_ids': .*attention_mask",
    ),
    "another length": (
        ({**INPUTS, "attention_mask": INPUTS["attention_mask"][:5]}, TARGETS),
        "expected 6 training inputs 'attention_mask', got 5",
    ),
    "too few targets": ((INPUTS, TARGETS[:5]), "expected 6 training targets, got 5"),
    "a token out of range": (
        ({**INPUTS, "input_ids": INPUTS["input_ids"] + 1}, TARGETS),
        "index out of range",
    ),
    "a class out of range": (
        (INPUTS, np.where(TARGETS == 4, 5, TARGETS)),
        r"targets from 0 to 4, or -100 .*, got 5 at row",
    ),
    "a class for a text": (
        (INPUTS, np.zeros(6, int)),
        r"class numbers of shape \(n, 4\), one for each position of outputs \(n, 4, 5\)",
    ),
    "real classes": ((INPUTS, TARGETS.astype(float)), "class numbers of shape"),
    "a NaN": (
        ({**INPUTS, "scale": np.array([1, 2, np.nan, 1, 1, 1])}, TARGETS),
        "finite training inputs 'scale', row 2",
    ),
    "words": (({**INPUTS, "words": np.array(list("abcdef"))}, TARGETS), "inputs 'words' of shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    data, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        Influence(Tagger().double(), data)


def test_test_points_of_another_form_are_refused():
    module, train = Tagger().double(), texts(6, 0)
    influence = Influence(module, train, curvature="gauss_newton")
    inputs, targets = texts(2, 1)
    with pytest.raises(
        ValueError, match=r"expected test inputs 'input_ids', 'attention_mask' like .* got one array"
    ):
        influence.scores((inputs["input_ids"], targets))
    with pytest.raises(ValueError, match=r"test inputs 'input_ids' of shape \(m, 4\)"):
        influence.scores(({k: v[:, :3] for k, v in inputs.items()}, targets[:, :3]))
    with pytest.raises(ValueError, match="test inputs 'input_ids' that are whole numbers"):
        influence.scores(({**inputs, "input_ids": inputs["input_ids"] + 0.5}, targets))
    with pytest.raises(ValueError, match=r"several, and whole numbers, have no gradient"):
        influence.perturbation((inputs, targets))


def test_tasks_that_make_no_sense_are_refused():
    module, train = Tagger().double(), texts(6, 0)
    with pytest.raises(TypeError, match="expected call as a function of"):
        Task(call="logits")
    with pytest.raises(ValueError, match="expected positions as 'mean' or 'sum', got 'max'"):
        Influence(module, train, task=Task(positions="max"))
    with pytest.raises(ValueError, match=r"expected ignore_index as a whole number, got 0.5"):
        Influence(module, train, task=Task(ignore_index=0.5))
    with pytest.raises(ValueError, match=r"one loss, got one in task= and another"):
        Influence(module, train, task=Task(), loss="squared")

    class Tuples(Tagger):
        def forward(self, **inputs):
            return (super().forward(**inputs).logits, None)

    with pytest.raises(ValueError, match=r"expected outputs as a tensor, .* got tuple; pass task=Task"):
        Influence(Tuples().double(), train)


@pytest.mark.parametrize("ignored", [0, -100, 1])
@pytest.mark.parametrize("curvature", ["gauss_newton", "kfac"])
def test_all_positions_of_squared_loss_count(curvature, ignored):
    torch.manual_seed(0)
    module, x = nn.Linear(3, 2).double().eval(), torch.randn(6, 4, 3).double()
    y = torch.randn(6, 4, 2).double()
    y[:3, :, 0] = ignored
    influence = Influence(
        module, (x, y), task=Task(loss="squared", ignore_index=ignored), curvature=curvature, damping=1.0
    )
    expected = ((module(x) - y) ** 2).sum(-1).mean(1) / 2
    np.testing.assert_allclose(influence.losses((x, y)), expected.detach(), rtol=1e-12)
    other = Influence(
        module, (x, y), task=Task(loss="squared", ignore_index=-7), curvature=curvature, damping=1.0
    )
    np.testing.assert_array_equal(influence.scores((x, y)), other.scores((x, y)))


def test_a_task_is_a_task():
    with pytest.raises(TypeError, match=r"expected task as a divulge\.influence\.Task, got 'squared'"):
        Influence(nn.Linear(3, 2), (np.ones((4, 3)), np.zeros(4, int)), task="squared")


@pytest.mark.parametrize("inputs", [{}, ()])
def test_no_inputs_are_refused(inputs):
    with pytest.raises(ValueError, match=f"expected training inputs, got an empty {type(inputs).__name__}"):
        Influence(nn.Linear(3, 2), (inputs, np.zeros(0, int)))


def test_functions_that_fail_on_positions_say_on_what():
    module, x = nn.Linear(3, 2).double().eval(), np.ones((4, 5, 3))
    influence = Influence(module, (x, np.zeros((4, 5), int)), task=Task(of=F.cross_entropy), damping=1.0)
    with pytest.raises(ValueError, match=r"the function fails on outputs of shape \(4, 5, 2\)"):
        influence.scores((x, np.zeros((4, 5), int)))
