"""Random convolutional victims, and how far a copy is from one, filter by filter."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from divulge import CallableOracle, Victim


def conv_net(shape, *parts, outputs=2, seed=0, dtype=torch.float64):
    """Convolutions and what is between them, then a Linear; modules are made in the order given."""
    torch.manual_seed(seed)
    body = [part() for part in parts]
    with torch.no_grad():
        size = nn.Sequential(*body)(torch.zeros(1, *shape)).numel()
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(size, outputs)).to(dtype).eval()


def conv(*args, **options):
    return lambda: nn.Conv2d(*args, **options)


def pool(size=2):
    return lambda: nn.AvgPool2d(size)


def victim_of(net, shape):
    return Victim(net, input_shape=shape)


class EndsAfter:
    """Answers for a victim until so many points were asked; from then on it fails, and counts how often."""

    def __init__(self, victim, after, failure):
        self.victim, self.after, self.failure = victim, after, failure
        self.asked = self.failed = 0
        self.oracle = CallableOracle(self, victim.input_size)

    def __call__(self, points):
        self.asked += len(points)
        if self.asked > self.after:
            self.failed += 1
            raise self.failure
        return self.victim.values_and_gradients(points, 0)


def error_of(result, net, shape, scale=1.0, seed=5):
    """Largest error at fresh normal points, relative to the range."""
    points = scale * np.random.default_rng(seed).standard_normal((200, *shape))
    x = torch.tensor(points, dtype=next(net.parameters()).dtype)
    with torch.no_grad():
        true, found = net(x), result.module(x.flatten(1))
    return float((true - found).abs().max() / (true.max() - true.min()))


def filter_error(result, net):
    """Largest difference of the first convolution's filters and biases, scaled to norm 1 and matched."""

    def rows(module):
        layer = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
        found = torch.cat([layer.weight.flatten(1), layer.bias[:, None]], 1).detach().double().numpy()
        return found / np.linalg.norm(found[:, :-1], axis=1, keepdims=True)

    ours, theirs = rows(result.module), rows(net)
    assert len(ours) == len(theirs)
    return max(np.abs(ours - row).max(axis=1).min() for row in theirs)


def kinds(module):
    """The layers of a module by their names, without reshapes."""
    return [type(part).__name__ for part in module if not isinstance(part, nn.Flatten | nn.Unflatten)]
