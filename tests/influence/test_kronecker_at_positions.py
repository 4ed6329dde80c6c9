"""K-FAC and EK-FAC of tokens: factors, eigenvalues, and the labels that are drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from token_models import LENGTH, Tagger, reference, texts, token_loss

from divulge.influence import Influence, Task
from divulge.influence.label_cotangents import label_cotangents, other_seed
from divulge.influence.losses import resolve_loss
from divulge.influence.positions import Positions


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
    draws = [label_cotangents(z.detach().numpy(), loss, seed) for seed in (0, other_seed(0))]
    of_bases, of_values = (torch.as_tensor(drawn).reshape(n, -1, *z.shape[1:]) for drawn in draws)
    labels = of_bases.shape[1]
    kept = torch.as_tensor(train[1]) != -100
    weights = kept.double() / kept.sum(1, keepdim=True) if reduction == "mean" else kept.double()
    weights_of_layers = [(module.query.weight, module.query.bias), (module.head.weight, module.head.bias)]
    gradients, factors = [[], []], [[0, 0], [0, 0]]
    for i in range(n):
        for number, label in enumerate(torch.cat([of_bases[i], of_values[i]])):
            for spy in spies:
                spy.back.clear()
            along = (label * weights[i].sqrt()[:, None])[None]
            out = module(**{k: v[i : i + 1] for k, v in inputs.items()})
            flat = [p for pair in weights_of_layers for p in pair]
            g = torch.autograd.grad(out, flat, along)
            for j, spy in enumerate(spies):
                a = torch.cat([spy.seen[0], torch.ones(LENGTH, 1)], dim=1)
                delta = spy.back[0][0]
                if number >= labels:
                    gradients[j].append(torch.cat([g[2 * j], g[2 * j + 1][:, None]], dim=1))
                    continue
                factors[j][0] += a.T @ a / n / labels
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


@pytest.mark.parametrize("seed", [0, 1, 2, 2**32])
def test_eigenvalues_have_labels_of_their_own(seed):
    z, loss = np.zeros((50, 3, 4)), resolve_loss("cross_entropy")
    drawn = [label_cotangents(z, loss, s).ravel() for s in (seed, other_seed(seed))]
    assert abs(np.corrcoef(*drawn)[0, 1]) < 0.2


def test_drawn_labels_are_nearer_to_the_covariance_than_single_labels():
    p = np.array([0.9, 0.05, 0.03, 0.02])
    drawn = label_cotangents(np.tile(np.log(p), (4000, 8, 1)), resolve_loss("cross_entropy"), 0)
    sizes = (drawn.reshape(-1, 4) ** 2).sum(1)
    of_labels = ((p - np.eye(4)) ** 2).sum(1)
    assert np.isclose(sizes.mean(), p @ of_labels, rtol=0.02)
    assert sizes.std() < 0.5 * np.sqrt(p @ of_labels**2 - (p @ of_labels) ** 2)


@pytest.mark.parametrize("k", [1, 4, 70])
def test_drawn_labels_do_not_depend_on_the_batches(k):
    z = np.random.default_rng(0).normal(size=(6, 3, k))
    for name in ("cross_entropy", "squared"):
        loss = resolve_loss(name)
        whole = label_cotangents(z, loss, 7)
        parts = [label_cotangents(z[:2], loss, 7), label_cotangents(z[2:], loss, 7, first=2)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_noise_of_squared_losses_has_the_mean_square_one():
    drawn = label_cotangents(np.zeros((20_000, 2, 2)), resolve_loss("squared"), 0).reshape(20_000, -1, 4)
    np.testing.assert_allclose(np.einsum("nsi,nsj->ij", drawn, drawn) / 20_000, np.eye(4), atol=0.02)
