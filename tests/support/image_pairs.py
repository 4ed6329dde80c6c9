"""Networks of images, and the same function written as another module."""

import numpy as np
import torch
from torch import nn

import divulge

SHAPE = (2, 12, 12)


POINTS = np.random.default_rng(0).standard_normal((50, 288))


def compare(module, victim):
    return divulge.compare(module, victim, POINTS)


def network(*parts, shape=SHAPE, outputs=3, seed=0):
    torch.manual_seed(seed)
    body = nn.Sequential(*[part() for part in parts]).double()
    for part in body.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
    body.eval()
    size = body(torch.zeros(1, *shape).double()).numel()
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(size, outputs).double()).eval()


def conv(*sizes, **options):
    return lambda: nn.Conv2d(*sizes, **options)


def flat(module, shape=SHAPE):
    """The module for inputs (n, d)."""
    return nn.Sequential(nn.Unflatten(1, shape), module)


def written(layers, seed):
    """Another module of the same function: channels in another order and scale, batch norm folded."""
    rng = np.random.default_rng(seed)
    parts, order, factors = [], np.arange(layers[0].weighted.inputs[0]), np.ones(layers[0].weighted.inputs[0])
    for depth, layer in enumerate(layers):
        one = layer.weighted
        filters = (one.filters / factors[:, None, None])[:, order]
        count, last = len(one.offsets), depth == len(layers) - 1
        order = np.arange(count) if last else rng.permutation(count)
        factors = np.ones(count) if last else rng.uniform(0.3, 3, count)
        if layer.dense:
            part = nn.Linear(filters[0].size, count).double()
        else:
            part = nn.Conv2d(
                filters.shape[1], count, filters.shape[2:], one.stride, one.padding[::2]
            ).double()
        with torch.no_grad():
            scaled = (filters * factors[:, None, None, None])[order]
            part.weight.copy_(torch.from_numpy(scaled.reshape(part.weight.shape).copy()))
            part.bias.copy_(torch.from_numpy((one.offsets * factors)[order]))
        parts += [nn.Flatten(), part] if layer.dense else [part]
        for step in layer.behind:
            pool = step.average[0] if step.average else None
            kinds = {
                "ReLU": nn.ReLU(),
                "LeakyReLU": nn.LeakyReLU(*step.numbers),
                "max of 2x2": nn.MaxPool2d(2),
            }
            parts.append(nn.AvgPool2d(pool) if pool else kinds[step.name])
    return nn.Sequential(*parts)


KINDS = {
    "plain": [conv(2, 4, 5), nn.ReLU, lambda: nn.AvgPool2d(2), conv(4, 6, 3), nn.ReLU],
    "maxima": [conv(2, 4, 3, padding=1), nn.ReLU, lambda: nn.MaxPool2d(2), conv(4, 6, 3), nn.ReLU],
    "maxima first": [conv(2, 4, 3, padding=1), lambda: nn.MaxPool2d(2), nn.ReLU, conv(4, 6, 3), nn.ReLU],
    "norm": [conv(2, 4, 3), lambda: nn.BatchNorm2d(4), nn.ReLU, conv(4, 6, 3, stride=2), nn.ReLU],
    "norm behind": [conv(2, 4, 3), nn.ReLU, lambda: nn.BatchNorm2d(4), conv(4, 6, 3), nn.ReLU],
    "norm in front": [lambda: nn.BatchNorm2d(2), conv(2, 4, 3), nn.LeakyReLU, conv(4, 6, 3), nn.LeakyReLU],
    "groups": [conv(2, 4, 3, groups=2), nn.ReLU, conv(4, 8, 3, groups=4), nn.ReLU],
    "dilation": [conv(2, 4, 3, dilation=2), nn.ReLU, conv(4, 6, (1, 3)), nn.ReLU],
    "same": [conv(2, 4, 3, padding="same"), nn.ReLU, conv(4, 6, 5, padding="same"), nn.ReLU],
    "global": [conv(2, 4, 3), nn.ReLU, conv(4, 6, 3), nn.ReLU, lambda: nn.AdaptiveAvgPool2d(1)],
    "halves": [conv(2, 4, 3), nn.ReLU, conv(4, 6, 3), nn.ReLU, lambda: nn.AdaptiveAvgPool2d(2)],
    "dense behind": [conv(2, 4, 3, stride=2), nn.ReLU, nn.Flatten, lambda: nn.Linear(100, 7), nn.ReLU],
    "one": [conv(2, 5, 4, stride=2, padding=1), nn.ReLU],
}
