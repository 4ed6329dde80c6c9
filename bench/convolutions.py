"""Convolutional networks from gradients: `python bench/convolutions.py [--only NAME] [--trained] [--single]`.

Random networks as torch initialises them, in float64 or with --single in float32, and with --trained ones
that learned MNIST or CIFAR-10.
Nothing is told but the input's shape. Copies are checked on 200 fresh points and 800
images of blocks, and on as many of .3 to 30 times the size; seconds are those of one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import divulge
from divulge.datasets import load

Part = Callable[[], nn.Module]


def conv(*sizes: int, **options: int) -> Part:
    """Return what makes a convolution."""
    return lambda: nn.Conv2d(*sizes, **options)


def dense(inputs: int, outputs: int) -> Part:
    """Return what makes a dense layer."""
    return lambda: nn.Linear(inputs, outputs)


def normed(channels: int) -> Part:
    """Return what makes a batch norm."""
    return lambda: nn.BatchNorm2d(channels)


def leaky() -> nn.Module:
    """max(z, z / 10)."""
    return nn.LeakyReLU(0.1)


def slightly_leaky() -> nn.Module:
    """max(z, z / 100)."""
    return nn.LeakyReLU(0.01)


def very_leaky() -> nn.Module:
    """max(z, z / 5)."""
    return nn.LeakyReLU(0.2)


def average() -> nn.Module:
    """Averages of 2 x 2."""
    return nn.AvgPool2d(2)


def largest() -> nn.Module:
    """The largest of 2 x 2."""
    return nn.MaxPool2d(2)


def twice_behind(pool: Part) -> list[Part]:
    """Return two convolutions with a pool behind each, and a dense layer, on 14 x 14."""
    first, second = [conv(1, 4, 3), nn.ReLU, pool], [conv(4, 6, 3), nn.ReLU, pool]
    return [*first, *second, nn.Flatten, dense(24, 16), nn.ReLU]


VICTIMS: dict[str, tuple[tuple[int, int, int], list[Part]]] = {
    "4 of 5x5, average, 8 of 3x3": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, average, conv(4, 8, 3), nn.ReLU]),
    "the same, 14x14": ((1, 14, 14), [conv(1, 4, 5), nn.ReLU, average, conv(4, 8, 3), nn.ReLU]),
    "the same, largest": ((1, 14, 14), [conv(1, 4, 5), nn.ReLU, largest, conv(4, 8, 3), nn.ReLU]),
    "leaky units": ((1, 14, 14), [conv(1, 4, 5), leaky, average, conv(4, 8, 3), leaky]),
    "padding 2 and 1": (
        (1, 14, 14),
        [conv(1, 4, 5, padding=2), nn.ReLU, average, conv(4, 8, 3, padding=1), nn.ReLU],
    ),
    "stride 2 in the first": ((1, 18, 18), [conv(1, 4, 5, stride=2), nn.ReLU, conv(4, 8, 3), nn.ReLU]),
    "stride 2 in the second": ((1, 16, 16), [conv(1, 4, 5), nn.ReLU, conv(4, 8, 3, stride=2), nn.ReLU]),
    "no pooling": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, conv(4, 8, 3), nn.ReLU]),
    "three colours": ((3, 14, 14), [conv(3, 4, 5), nn.ReLU, average, conv(4, 8, 3), nn.ReLU]),
    "4 of 4x4 in steps of 2, dense 8": (
        (1, 14, 14),
        [conv(1, 4, 4, stride=2, padding=1), nn.ReLU, nn.Flatten, dense(196, 8), nn.ReLU],
    ),
    "4 of 3x3, average, dense 8": (
        (1, 12, 12),
        [conv(1, 4, 3), nn.ReLU, average, nn.Flatten, dense(100, 8), nn.ReLU],
    ),
    "4 of 3x3, average, dense 16 and 8": (
        (1, 12, 12),
        [conv(1, 4, 3), nn.ReLU, average, nn.Flatten, dense(100, 16), nn.ReLU, dense(16, 8), nn.ReLU],
    ),
    "two of 4x4 in steps of 2, dense 20": (
        (3, 16, 16),
        [
            conv(3, 4, 4, stride=2, padding=1),
            nn.ReLU,
            conv(4, 6, 4, stride=2, padding=1),
            nn.ReLU,
            nn.Flatten,
            dense(96, 20),
            nn.ReLU,
        ],
    ),
    "both pooled, dense 16": ((1, 14, 14), twice_behind(largest)),
    "both averaged, dense 16": ((1, 14, 14), twice_behind(average)),
    "8 of 3x3 behind 8 of 3x3": ((1, 12, 12), [conv(1, 8, 3), nn.ReLU, conv(8, 8, 3), nn.ReLU]),
    "16 of 3x3 behind 16 of 3x3": ((3, 16, 16), [conv(3, 16, 3), nn.ReLU, conv(16, 16, 3), nn.ReLU]),
    "6 of 3x3 behind 4 of 1x5": ((1, 12, 12), [conv(1, 4, (1, 5)), nn.ReLU, conv(4, 6, 3), nn.ReLU]),
    "6 of 7x7 behind 4 of 3x3": ((1, 16, 16), [conv(1, 4, 3), nn.ReLU, conv(4, 6, 7), nn.ReLU]),
    "two groups": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, conv(4, 6, 3, groups=2), nn.ReLU]),
    "depthwise": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, conv(4, 8, 3, groups=4), nn.ReLU]),
    "depthwise behind averages": (
        (1, 14, 14),
        [conv(1, 4, 3), nn.ReLU, average, conv(4, 8, 3, groups=4), nn.ReLU],
    ),
    "depthwise behind the largest": (
        (1, 14, 14),
        [conv(1, 4, 3), nn.ReLU, largest, conv(4, 8, 3, groups=4), nn.ReLU],
    ),
    "dilation 2": ((1, 14, 14), [conv(1, 4, 5), nn.ReLU, conv(4, 6, 3, dilation=2), nn.ReLU]),
    "global average": (
        (1, 10, 10),
        [conv(1, 4, 3), nn.ReLU, conv(4, 8, 3), nn.ReLU, lambda: nn.AdaptiveAvgPool2d(1)],
    ),
    "1x1 first, averages": ((3, 10, 10), [conv(3, 4, 1), nn.ReLU, average, conv(4, 6, 3), nn.ReLU]),
    "1x1 first, no pooling": ((3, 12, 12), [conv(3, 4, 1), nn.ReLU, conv(4, 6, 3), nn.ReLU]),
    "1x1 second, averages": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, average, conv(4, 6, 1), nn.ReLU]),
    "1x1 second, no pooling": ((1, 12, 12), [conv(1, 4, 5), nn.ReLU, conv(4, 6, 1), nn.ReLU]),
    "1x5 second": ((1, 12, 12), [conv(1, 4, 3), nn.ReLU, conv(4, 6, (1, 5)), nn.ReLU]),
    "7x7 first": ((1, 16, 16), [conv(1, 4, 7), nn.ReLU, average, conv(4, 6, 3), nn.ReLU]),
    "dilated first": ((1, 14, 14), [conv(1, 4, 3, dilation=2), nn.ReLU, average, conv(4, 6, 3), nn.ReLU]),
    "dilated behind averages": (
        (1, 16, 16),
        [conv(1, 4, 3), nn.ReLU, average, conv(4, 6, 3, dilation=2), nn.ReLU],
    ),
    "each channel alone first": (
        (3, 12, 12),
        [conv(3, 6, 3, groups=3), nn.ReLU, average, conv(6, 6, 3), nn.ReLU],
    ),
    "groups behind averages": (
        (1, 12, 12),
        [conv(1, 4, 5), nn.ReLU, average, conv(4, 6, 3, groups=2), nn.ReLU],
    ),
    "8 leaky of 3x3, no pooling": ((1, 10, 10), [conv(1, 8, 3), leaky, conv(8, 6, 3), leaky]),
    "one convolution": ((1, 12, 12), [conv(1, 6, 3), nn.ReLU]),
}
TRAINED: dict[str, tuple[tuple[int, int, int], list[Part]]] = {
    "MNIST, average": ((1, 28, 28), [conv(1, 8, 5), nn.ReLU, average, conv(8, 16, 5), nn.ReLU]),
    "MNIST, largest": ((1, 28, 28), [conv(1, 8, 5), nn.ReLU, largest, conv(8, 16, 5), nn.ReLU]),
    "MNIST, steps of 2": (
        (1, 28, 28),
        [conv(1, 8, 5, stride=2, padding=1), nn.ReLU, conv(8, 16, 5, stride=2, padding=1), nn.ReLU],
    ),
    "MNIST, batch norm": (
        (1, 28, 28),
        [conv(1, 8, 5), normed(8), nn.ReLU, average, conv(8, 16, 5), normed(16), nn.ReLU],
    ),
    "CIFAR-10 at 16x16, dense 100": (
        (3, 16, 16),
        [
            conv(3, 8, 4, stride=2, padding=1),
            nn.ReLU,
            conv(8, 16, 4, stride=2, padding=1),
            nn.ReLU,
            nn.Flatten,
            dense(256, 100),
            nn.ReLU,
        ],
    ),
    "MNIST, leaky .1": ((1, 28, 28), [conv(1, 8, 5), leaky, average, conv(8, 16, 5), leaky]),
    "MNIST, leaky .01": (
        (1, 28, 28),
        [conv(1, 8, 5), slightly_leaky, average, conv(8, 16, 5), slightly_leaky],
    ),
    "MNIST, leaky .2": ((1, 28, 28), [conv(1, 8, 5), very_leaky, average, conv(8, 16, 5), very_leaky]),
    "MNIST, leaky, largest": ((1, 28, 28), [conv(1, 8, 5), leaky, largest, conv(8, 16, 5), leaky]),
    "MNIST, ReLU6": ((1, 28, 28), [conv(1, 8, 5), nn.ReLU6, average, conv(8, 16, 5), nn.ReLU6]),
}


def network(shape: tuple[int, int, int], parts: list[Part], outputs: int, seed: int) -> nn.Sequential:
    """Return a victim's module, float32."""
    torch.manual_seed(seed)
    body = [part() for part in parts]
    size = nn.Sequential(*body)(torch.zeros(1, *shape)).numel()
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(size, outputs))


def train(net: nn.Sequential, shape: tuple[int, int, int], seed: int) -> None:
    """Learn MNIST, or CIFAR-10 where there are three colours, at a size (C, H, W), for two epochs."""
    data = load("mnist" if shape[0] == 1 else "cifar10")
    images, labels = data.train_inputs, data.train_targets
    if images.shape[1:] != shape:
        images = nn.functional.interpolate(images, size=shape[1:], mode="area")
    steps = torch.optim.Adam(net.parameters(), 1e-3)
    random = torch.Generator().manual_seed(seed)
    for _ in range(2):
        for batch in torch.randperm(len(images), generator=random).split(64):
            steps.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            steps.step()


def error_of(copy: nn.Module, net: nn.Module, shape: tuple[int, int, int], scale: float) -> float:
    """Largest error at fresh points, noise and images of blocks of one colour, of the range."""
    x = scale * torch.cat([noise(shape, 200), blocks(shape, 800)])
    with torch.no_grad():
        true, found = net(x), copy(x)
    return float((true - found).abs().max() / (true.max() - true.min()))


def noise(shape: tuple[int, int, int], count: int) -> torch.Tensor:
    """Return standard normal images (n, C, H, W)."""
    random = torch.Generator().manual_seed(9)
    return torch.randn(count, *shape, generator=random, dtype=torch.float64)


def blocks(shape: tuple[int, int, int], count: int) -> torch.Tensor:
    """Return images (n, C, H, W) of 2 x 2 to 5 x 5 blocks: a channel that is on in no noise may be here."""
    random, sides = torch.Generator().manual_seed(10), range(2, 6)
    coarse = [
        torch.randn(count // len(sides), shape[0], n, n, generator=random, dtype=torch.float64) for n in sides
    ]
    return torch.cat([nn.functional.interpolate(images, shape[1:]) for images in coarse])


def filter_error(copy: nn.Module, net: nn.Module) -> float:
    """Largest difference of the first convolutions' filters, of norm 1 and matched; NaN if there is none.

    Either way round: a batch norm may turn them.
    """

    def rows(module: nn.Module) -> np.ndarray:
        layers = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
        found = layers[0].weight.detach().flatten(1).double().numpy() if layers else np.zeros((0, 1))
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    ours, theirs = rows(copy), rows(net)
    if ours.shape != theirs.shape:
        return float("nan")
    gaps = [np.minimum(np.abs(ours - row).max(axis=1), np.abs(ours + row).max(axis=1)) for row in theirs]
    return max(float(gap.min()) for gap in gaps)


def main() -> None:
    """Print a row for every victim and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="part of a victim's name")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--outputs", type=int, default=1)
    parser.add_argument("--trained", action="store_true", help="victims that learned MNIST")
    parser.add_argument("--single", action="store_true", help="victims of single precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heads = ["victim", "seed", "found", "queries", "numbers / parameters"]
    heads += ["filters", "certificate", "error", "at .3 to 30", "s"]
    print("| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|")
    for name, (shape, parts) in (TRAINED if options.trained else VICTIMS).items():
        if options.only and options.only not in name:
            continue
        for seed in range(options.first, options.first + options.seeds):
            net = network(shape, parts, 10 if options.trained else options.outputs, seed)
            if options.trained:
                train(net, shape, seed)
            net = net.to(torch.float32 if options.single else torch.float64).eval()
            start = time.process_time()
            result = divulge.reconstruct(
                divulge.GradientOracle(divulge.Victim(net, shape)), seed=seed, input_shape=shape
            )
            seconds = time.process_time() - start
            sizes = ", ".join(str(size) for size in result.hidden_sizes)
            told = result.numbers_told / sum(p.numel() for p in net.parameters())
            whole = "whole" if result.complete else "incomplete"
            cells = [name, str(seed), f"{whole}: {sizes}", str(result.queries), f"{told:.0f}"]
            scales = (0.3, 1.0, 3.0, 10.0, 30.0)
            copy = result.module.double()
            net = net.double()
            errors = [error_of(copy, net, shape, 1.0)]
            errors.append(max(error_of(copy, net, shape, scale) for scale in scales))
            small = [filter_error(copy, net), result.certificate.error, *errors]
            cells += [*(f"{error:.0e}" for error in small), f"{seconds:.0f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
