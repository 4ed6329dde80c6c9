"""Small modules of tokens and of two inputs, their data, and the dense reference for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from dense_influence import dense
from torch import nn

VOCABULARY, LENGTH = 5, 4
WORDS, WIDTH = 5, 3


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


class Tied(nn.Module):
    """The next word of each, by a layer that shares the table's weight, or by the weight itself."""

    def __init__(self, bias=False, by_layer=True, padded=False):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(WORDS, WIDTH, padding_idx=1 if padded else None)
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.by_layer = by_layer
        if by_layer:
            self.head = nn.Linear(WIDTH, WORDS, bias=bias)
            self.head.weight = self.table.weight

    def forward(self, words):
        x = torch.tanh(self.inner(self.table(words)))
        return self.head(x) if self.by_layer else F.linear(x, self.table.weight)


def words(n, seed):
    drawn = np.random.default_rng(seed).integers(0, WORDS, (n, LENGTH + 1))
    return drawn[:, :-1], drawn[:, 1:]
