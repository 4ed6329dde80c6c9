"""K-FAC and EK-FAC of torch's MultiheadAttention, whose projections are no layers that are called."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from divulge import Influence
from divulge.influence.layer_gradients import LayerGradients

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((14, 5, 4)), RNG.integers(0, 3, 14)
TRAIN, TEST = (X[:10], Y[:10]), (X[10:], Y[10:])


class Attention(nn.Module):
    """A class for rows that look at each other, or at some of themselves."""

    def __init__(self, batch_first=True, bias=True, cross=False, masked=False, need_weights=False):
        super().__init__()
        torch.manual_seed(0)
        self.attention = nn.MultiheadAttention(4, 2, bias=bias, batch_first=batch_first)
        self.head, self.cross, self.masked, self.need = nn.Linear(4, 3), cross, masked, need_weights
        for p in self.parameters():  # biases of the projections begin at 0
            nn.init.normal_(p, std=0.5)

    def forward(self, x):
        mask = None
        if self.masked:
            mask = torch.zeros(x.shape[:2], dtype=torch.bool)
            mask[:, 3:] = True
        seen = torch.tanh(x[:, 1:]) if self.cross else x
        first = self.attention.batch_first
        q, kv = (x, seen) if first else (x.transpose(0, 1), seen.transpose(0, 1))
        y = self.attention(q, kv, kv, key_padding_mask=mask, need_weights=self.need)[0]
        return self.head(y.mean(1 if first else 0))


class Apart(nn.Module):
    """The same, written down with a layer for each projection."""

    def __init__(self, given):
        super().__init__()
        self.given, bias = given, given.attention.in_proj_bias is not None
        self.query, self.key, self.value, self.out = (nn.Linear(4, 4, bias=bias) for _ in range(4))
        self.head = nn.Linear(4, 3)
        weights = given.attention.in_proj_weight.chunk(3)
        biases = given.attention.in_proj_bias.chunk(3) if bias else [None] * 3
        for layer, weight, b in zip((self.query, self.key, self.value), weights, biases, strict=True):
            layer.weight = nn.Parameter(weight.detach().clone())
            if bias:
                layer.bias = nn.Parameter(b.detach().clone())
        self.out.load_state_dict(given.attention.out_proj.state_dict())
        self.head.load_state_dict(given.head.state_dict())
        self.cross, self.masked = given.cross, given.masked
        del self.given

    def forward(self, x):
        seen = torch.tanh(x[:, 1:]) if self.cross else x
        q, k, v = (
            layer(a).unflatten(-1, (2, 2)).transpose(1, 2)
            for layer, a in ((self.query, x), (self.key, seen), (self.value, seen))
        )
        weights = q @ k.transpose(-1, -2) / 2**0.5
        if self.masked:
            weights[..., 3:] = -torch.inf
        y = (weights.softmax(-1) @ v).transpose(1, 2).flatten(-2)
        return self.head(self.out(y).mean(1))


KINDS = {
    "plain": {},
    "rows first": {"batch_first": False},
    "without bias": {"bias": False},
    "of others": {"cross": True},
    "masked": {"masked": True, "need_weights": True},
}


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("kind", KINDS)
def test_as_with_a_layer_for_each_projection(kind, curvature):
    module = Attention(**KINDS[kind]).double().eval()
    apart = Apart(module).double().eval()
    x = torch.from_numpy(X)
    torch.testing.assert_close(module(x), apart(x))
    linear, packed = F.linear, F._in_projection_packed
    ours = Influence(module, TRAIN, curvature=curvature, damping=0.1)
    expected = Influence(apart, TRAIN, curvature=curvature, damping=0.1)
    np.testing.assert_allclose(ours.scores(TEST), expected.scores(TEST), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(ours.self_influence(), expected.self_influence(), rtol=1e-8)
    assert (F.linear, F._in_projection_packed) == (linear, packed)


def test_a_layer_of_a_transformer():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation="gelu", batch_first=True)
    module = nn.Sequential(layer, nn.Flatten(), nn.Linear(20, 3)).double().eval()
    traces = []
    for curvature in ("ekfac", "gauss_newton"):
        influence = Influence(module, TRAIN, curvature=curvature, damping=0.1)
        traces.append(np.trace(influence.hvp(np.eye(influence.operator.parameters))))
    assert traces[0] == pytest.approx(traces[1], rel=1e-8)


class Shared(nn.Module):
    """Two attentions with the weights of one, called one after the other, and the first of them again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = (nn.MultiheadAttention(4, 2, batch_first=True) for _ in range(2))
        self.second.in_proj_weight, self.second.in_proj_bias = (
            self.first.in_proj_weight,
            self.first.in_proj_bias,
        )
        self.second.out_proj = self.first.out_proj
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        for attention in (self.first, self.second, self.first):
            x = torch.tanh(attention(x, x, x, need_weights=False)[0])
        return self.head(x.mean(1))


def test_attentions_that_share_their_weights():
    module, traces = Shared().double().eval(), []
    for curvature in ("ekfac", "gauss_newton"):
        influence = Influence(module, TRAIN, curvature=curvature, damping=0.1)
        traces.append(np.trace(influence.hvp(np.eye(influence.operator.parameters))))
    assert traces[0] == pytest.approx(traces[1], rel=1e-8)


def test_the_functions_are_given_back_after_an_error(monkeypatch):
    module = Attention().double().eval()
    linear, packed = F.linear, F._in_projection_packed

    def failing(self, snapshot, run, probe):
        raise RuntimeError("midway")

    influence = Influence(module, TRAIN, curvature="ekfac", damping=0.1)
    monkeypatch.setattr(LayerGradients, "turned", failing)
    with pytest.raises(RuntimeError, match="midway"):
        influence.scores(TEST)
    assert (F.linear, F._in_projection_packed) == (linear, packed)


def test_keys_of_another_width_are_named():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, kdim=4, vdim=3, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.attention(x, x, x[..., :3], need_weights=False)[0].mean(1))

    with pytest.raises(ValueError, match=r"q_proj_weight' belongs to MultiheadAttention: name others in par"):
        Influence(Other().double().eval(), TRAIN, curvature="ekfac").self_influence()


class Padded(nn.Module):
    """A class for rows of which some are padding, at which the encoder's outputs are made use of, too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.encoder(x, src_key_padding_mask=x[..., 0] == 0).mean(1))


def test_padded_encoders_are_scored_at_the_outputs_that_are_derived():
    x = X.copy()
    x[1:-1:2, 3:] = 0  # the first and the last, which modules are tried on, are whole
    module = Padded().double().eval()
    influence = Influence(module, (x, Y), curvature="ekfac", damping=0.1)
    gradients = influence.gradients((x, Y))
    expected = -influence.solve(gradients[:3]).vectors @ gradients.T
    np.testing.assert_allclose(influence.scores((x[:3], Y[:3])), expected, rtol=1e-9, atol=1e-12)
    losses = F.cross_entropy(module(torch.tensor(x)), torch.tensor(Y), reduction="none")
    np.testing.assert_allclose(influence.losses((x, Y)), losses.detach().numpy())
    assert torch.backends.mha.get_fastpath_enabled()
