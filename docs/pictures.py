"""Draw the pictures of reconstruction.md.

python docs/pictures.py
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from divulge import GradientOracle, Victim, _core

HERE = Path(__file__).parent
FIRST, SECOND, ACCENT = "#9aa5b1", "#d1495b", "#30638e"
LOW, HIGH = -1.5, 1.5


def network(sizes: list[int], seed: int) -> Victim:
    """Return a random network with normal weights in float64."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs, dtype=torch.float64)
        nn.init.normal_(linear.weight, std=inputs**-0.5)
        nn.init.normal_(linear.bias, std=0.4)
        layers += [linear, nn.ReLU()]
    return Victim(nn.Sequential(*layers[:-1]))


def kinks(path: Path) -> None:
    """Draw a network along a line: its value, two tangents that meet in a kink, and its slope."""
    victim = network([20, 7, 1], seed=1)
    u, v = np.random.default_rng(16).standard_normal((2, 20))
    t = np.linspace(LOW, HIGH, 4001)
    values, gradients = GradientOracle(victim).query(u + t[:, None] * v)
    found = _core.kink_search(_core.NetworkOracle(victim.network), u[None], v[None], LOW, HIGH)
    at_kinks = np.interp(found.t, t, values)
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    value, slope = figure.subplots(2, sharex=True, height_ratios=[2, 1])
    value.plot(t, values, color="black")
    value.plot(found.t, at_kinks, "o", color=SECOND, label="kinks")
    ends = np.array([LOW, *found.t, HIGH])
    sharpest = int(np.argmax(np.abs(found.jumps @ v)))
    for side in (sharpest, sharpest + 1):
        middle = ends[side : side + 2].mean()
        i = int(np.searchsorted(t, middle))
        line = values[i] + gradients[i] @ v * (t - t[i])
        near = np.abs(t - found.t[sharpest]) < 0.6
        value.plot(t[near], line[near], "--", color=ACCENT)
        value.plot(
            t[i], values[i], "s", color=ACCENT, label="queries and tangents" if side == sharpest else None
        )
    value.set_ylabel("f(u + t v)")
    value.legend()
    slope.plot(t, gradients @ v, color="black", drawstyle="steps-mid")
    for place in found.t:
        slope.axvline(place, color=SECOND, linewidth=0.8, alpha=0.6)
    slope.set(xlabel="t", ylabel="slope g . v")
    figure.savefig(path, dpi=130)


def bent(path: Path) -> None:
    """Draw, in a plane of inputs, where the first layer's units switch and one unit of the second layer."""
    victim = network([30, 6, 4, 1], seed=2)
    (first, first_bias), (second, second_bias) = zip(
        victim.layers.weights[:2], victim.layers.biases[:2], strict=True
    )
    rng = np.random.default_rng(0)
    u, v, w = (rng.standard_normal(30) / 2 for _ in range(3))
    side = np.linspace(-3, 3, 801)
    s, t = np.meshgrid(side, side)
    points = u + s[..., None] * v + t[..., None] * w
    before = points @ first.T + first_bias
    level = np.maximum(before, 0) @ second.T + second_bias
    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    for unit in range(before.shape[-1]):
        axes.contour(s, t, before[..., unit], levels=[0], colors=FIRST, linewidths=1)
    unit = most_bent(before, level)
    axes.contour(s, t, level[..., unit], levels=[0], colors=SECOND, linewidths=2.4)
    axes.plot([], [], color=FIRST, label="units of the first layer switch")
    axes.plot([], [], color=SECOND, linewidth=2.4, label="a unit of the second layer switches")
    axes.set(xlabel="s", ylabel="t", aspect="equal")
    axes.legend(loc="upper right", fontsize=8)
    figure.savefig(path, dpi=130)


def most_bent(before: np.ndarray, level: np.ndarray) -> int:
    """Return the unit whose zero set passes through most activation patterns of the layer before."""
    patterns = (before > 0) @ (1 << np.arange(before.shape[-1]))
    crossed = []
    for unit in range(level.shape[-1]):
        sign = level[..., unit] > 0
        edge = (sign[:-1, :-1] != sign[1:, :-1]) | (sign[:-1, :-1] != sign[:-1, 1:])
        crossed.append(len(np.unique(patterns[:-1, :-1][edge])))
    return int(np.argmax(crossed))


def jump(path: Path) -> None:
    """Draw two saliency maps of a convolutional network on either side of a kink, and a filter."""
    torch.manual_seed(4)
    layers = [nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 12**2, 1)]
    module = nn.Sequential(*layers).double()
    oracle = GradientOracle(Victim(module, (1, 16, 16)))
    start, end = np.random.default_rng(3).standard_normal((2, 256))
    ends, maps = np.array([0.0, 1.0]), oracle.query(np.stack([start, end]))[1]
    while True:  # until one unit alone switches between the two
        middle = ends.mean()
        gradient = oracle.query((start + middle * (end - start))[None])[1][0]
        left = np.count_nonzero(np.abs(gradient - maps[0]) > 1e-12)
        side = 1 if left else 0
        ends[side], maps[side] = middle, gradient
        change = (maps[1] - maps[0]).reshape(16, 16)
        rows, columns = (np.flatnonzero(np.abs(change).max(axis=axis) > 1e-12) for axis in (1, 0))
        if max(np.ptp(rows), np.ptp(columns)) < 5:
            break
    seen = change[np.ix_(rows, columns)].reshape(-1)
    filters = module[0].weight.detach().numpy().reshape(4, 25)
    nearest = int(np.abs(filters @ seen / np.linalg.norm(filters, axis=1)).argmax())
    own = filters[nearest].reshape(5, 5) * np.sign(filters[nearest] @ seen)
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    titles = (
        "saliency map",
        "on the other side of a kink",
        "their difference",
        f"filter {nearest} of the network",
    )
    shown = (maps[0].reshape(16, 16), maps[1].reshape(16, 16), change, own)
    for axes, title, image in zip(figure.subplots(1, 4), titles, shown, strict=True):
        limit = np.abs(image).max()
        axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(title, fontsize=9)
        axes.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    kinks(HERE / "kinks.png")
    bent(HERE / "bent.png")
    jump(HERE / "jump.png")
