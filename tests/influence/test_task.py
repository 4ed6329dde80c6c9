"""Tokens, masks, several inputs, and losses over positions, against dense float64 one sample at a time."""

from __future__ import annotations

from collections import UserDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from token_models import LENGTH, VOCABULARY, Pair, Tagger, reference, texts, token_loss
from torch import nn
from torch.utils.data import DataLoader

from divulge.influence import GradientSimilarity, Influence, Task, TracIn


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
