"""K-FAC and EK-FAC of a table that tokens are looked up in and that the output is multiplied by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from token_models import LENGTH, WIDTH, WORDS, Tied, words

from divulge import Influence
from divulge.influence import GradientStore, Task
from divulge.influence.label_cotangents import label_cotangents, other_seed
from divulge.influence.losses import resolve_loss
from divulge.influence.positions import Positions

N = 9


KINDS = {
    "layer": {},
    "with bias": {"bias": True},
    "weight itself": {"by_layer": False},
    "padded": {"padded": True},
}
TASK = Task(positions="sum")


def gradients(module, inputs, seed):
    """Return gradients by the table for each sample and label (n, S, WORDS, WIDTH), and both factors."""
    x = torch.as_tensor(inputs)
    z = module(x)
    loss = resolve_loss("cross_entropy", positions=Positions("sum"))
    drawn = torch.as_tensor(label_cotangents(z.detach().numpy(), loss, seed))
    along = drawn.reshape(len(x), -1, *z.shape[1:])
    e, a = torch.zeros(WORDS, WORDS).double(), torch.zeros(WIDTH, WIDTH).double()
    g, d, found = torch.zeros_like(a), torch.zeros_like(e), []
    for i in range(len(x)):
        rows = module.table(x[i : i + 1]).detach().requires_grad_()
        hidden = torch.tanh(module.inner(rows))
        outputs = hidden @ module.table.weight.T + (module.head.bias if "head.bias" in named(module) else 0)
        onehot = F.one_hot(x[i], WORDS).double()
        if module.table.padding_idx is not None:
            onehot[:, module.table.padding_idx] = 0
        e += onehot.T @ onehot
        a += hidden[0].detach().T @ hidden[0].detach() / LENGTH
        for label in along[i]:
            (back,) = torch.autograd.grad(outputs, rows, label[None], retain_graph=True)
            g += back[0].T @ back[0] / LENGTH
            d += label.T @ label
            whole = module(x[i : i + 1])
            found.append(torch.autograd.grad(whole, module.table.weight, label[None])[0])
    n = len(x)
    return torch.stack(found).reshape(n, -1, WORDS, WIDTH), [(e / n, g / n), (d / n, a / n)]


def named(module):
    return dict(module.named_parameters())


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_products_are_in_its_gradient(kind, curvature):
    module = Tied(**KINDS[kind]).double().eval()
    (inputs, targets), test = words(N, 0), words(3, 1)
    _, parts = gradients(module, inputs, 0)
    found, _ = gradients(module, inputs, other_seed(0))
    weights = [np.trace(p) * np.trace(q) for p, q in parts]
    inner = sum(w * p / np.trace(p) for w, (p, _) in zip(weights, parts, strict=True))
    outer = sum(w * q / np.trace(q) for w, (_, q) in zip(weights, parts, strict=True)) / sum(weights)
    (s, v), (t, u) = np.linalg.eigh(inner), np.linalg.eigh(outer)
    values = np.outer(t, s)
    if curvature == "ekfac":
        turned = np.einsum("hi,nswh,wj->nsij", u, found.numpy(), v)
        values = (turned**2).sum(1).mean(0)
    influence = Influence(
        module, (inputs, targets), task=TASK, curvature=curvature, damping=0.2, parameters=["table"]
    )
    block = np.random.default_rng(2).standard_normal((4, WORDS * WIDTH))
    by_hand = np.einsum("hi,nwh,wj->nij", u, block.reshape(4, WORDS, WIDTH), v) / (values + 0.2)
    expected = np.einsum("hi,nij,wj->nwh", u, by_hand, v).reshape(4, -1)
    np.testing.assert_allclose(influence.solve(block).vectors, expected, rtol=1e-8, atol=1e-10)
    g, f = influence.gradients((inputs, targets)), influence.gradients(test)
    np.testing.assert_allclose(
        influence.scores(test), -f @ influence.solve(g).vectors.T, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(
        influence.self_influence(), np.einsum("ij,ij->i", g, influence.solve(g).vectors), rtol=1e-8
    )


@pytest.mark.parametrize("kind", KINDS)
def test_all_parameters_of_such_a_module(kind, tmp_path):
    module, train, test = Tied(**KINDS[kind]).double().eval(), words(N, 0), words(3, 1)
    influence = Influence(module, train, task=TASK, curvature="ekfac", damping=0.2)
    g = influence.gradients(train)
    np.testing.assert_allclose(
        influence.self_influence(), np.einsum("ij,ij->i", g, influence.solve(g).vectors), rtol=1e-8
    )
    store = GradientStore(tmp_path, size=100)
    store.append(influence)
    products = -influence.gradients(test) @ g.T
    np.testing.assert_allclose(
        store.scores(influence, test, damping=None), products, atol=1e-5 * np.abs(products).max()
    )


def test_a_table_whose_transpose_is_read_is_refused():
    class Read(Tied):
        def forward(self, words):
            return torch.tanh(self.inner(self.table(words))) @ self.table.weight.T

    with pytest.raises(ValueError, match="weight of 'table' to be read by its layers alone"):
        Influence(Read(by_layer=False).double().eval(), words(N, 0), curvature="ekfac").self_influence()
