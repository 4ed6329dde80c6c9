"""What a convolution sees, held in strips, against whole patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge import Influence
from divulge.influence.layer_calls import gram
from divulge.influence.layer_rules import seen_last
from divulge.influence.patch_moments import patch_moments
from divulge.influence.patches import strip_order
from divulge.influence.seen import Rows, Strips, outer, times


def drawn(seed):
    """Return a convolution of any shape, its input, its patches (k, T, d), and whether a 1 stands behind."""
    rng = np.random.default_rng(seed)
    flat = bool(rng.integers(2))
    axes = 1 if flat else 2
    kernel, padding = rng.integers(1, 5, axes), rng.integers(0, 4, axes)
    stride, dilation = rng.choice([1, 1, 2, 3], axes), rng.choice([1, 1, 2], axes)
    size = dilation * (kernel - 1) + rng.integers(1, 8, axes)  # an output of one row, too
    channels, bias = int(rng.integers(1, 4)), bool(rng.integers(2))
    numbers = [tuple(map(int, each)) for each in (kernel, stride, padding, dilation)]
    layer = (nn.Conv1d if flat else nn.Conv2d)(channels, 3, *numbers).double()
    a = torch.from_numpy(rng.standard_normal((4, channels, *size)))
    rows = seen_last(layer, "convolution", a)
    return layer, a, torch.cat([rows, torch.ones_like(rows[..., :1])], -1) if bias else rows, bias


@pytest.mark.parametrize("seed", range(60))
def test_sums_of_outer_products(seed):
    layer, a, rows, bias = drawn(seed)
    flat = rows.reshape(-1, rows.shape[-1])
    order = strip_order(layer, bias=bias)
    expected = (flat.T @ flat)[order][:, order]
    torch.testing.assert_close(patch_moments(layer, a, bias=bias), expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("seed", range(60))
def test_products_are_those_of_whole_patches(seed):
    layer, a, rows, bias = drawn(seed)
    held, whole = Strips.of(layer, a, bias=bias), Rows(rows)
    assert held.positions == whole.positions == rows.shape[1]
    rng = np.random.default_rng(seed)
    v = torch.from_numpy(rng.standard_normal((rows.shape[2], 3)))
    delta = torch.from_numpy(rng.standard_normal((*rows.shape[:2], 5)))
    torch.testing.assert_close(
        times(held, v[strip_order(layer, bias=bias)]), times(whole, v), rtol=1e-11, atol=1e-11
    )
    found = torch.cat([outer(part, delta[i : i + 1]) for i, part in enumerate(held.parts(1))])
    torch.testing.assert_close(
        found @ v[strip_order(layer, bias=bias)], outer(whole, delta) @ v, rtol=1e-11, atol=1e-11
    )
    torch.testing.assert_close(held.own_outer(delta, turned=True), held.own_outer(delta).mT)
    torch.testing.assert_close(gram(delta.mT.contiguous().mT), gram(delta))


class OneAlone(nn.Module):
    """A module that hands its convolution a single sample without the axis of samples."""

    def __init__(self, axes, channels):
        super().__init__()
        self.conv, self.last = (nn.Conv1d if axes == 1 else nn.Conv2d)(channels, 3, 2), nn.Linear(3, 2)

    def forward(self, x):
        z = self.conv(x[0])[None] if len(x) == 1 else self.conv(x)
        return self.last(z.flatten(2).mean(2))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ask", ["scores", "self_influence"])
def test_a_sample_without_its_axis_is_named(axes, channels, ask):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, channels, *(5,) * axes)).astype(np.float32)
    data = x, rng.integers(0, 2, 7)
    options = {"curvature": "ekfac", "damping": 0.1, "lower": False, "batch_size": 2}
    influence = Influence(OneAlone(axes, channels), data, **options)
    with pytest.raises(ValueError, match="'conv' had the shape"):
        influence.scores(data) if ask == "scores" else influence.self_influence()


def test_strips_are_a_copy():
    layer = nn.Conv2d(1, 2, 1).double()
    a = torch.ones(2, 1, 3, 3, dtype=torch.float64)
    held = Strips.of(layer, a, bias=False)
    a.zero_()
    assert float(times(held, torch.ones(1, 1, dtype=torch.float64)).min()) == 1
