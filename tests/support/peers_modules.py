"""The modules that kronfluence and curvlinops are tested on, smaller where theirs have more parameters."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


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
