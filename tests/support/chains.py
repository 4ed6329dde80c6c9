"""Random chains and data: a native curvature with its twin."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.curvature import Curvature, as_tensors

SIZES = st.lists(st.integers(1, 13), min_size=2, max_size=5)
LOSSES = st.sampled_from(["cross_entropy", "squared", "smooth_hinge"])
ACTIVATION = st.sampled_from(["relu", "tanh", "identity"])


def problem(sizes, loss, activation, seed, n, dtype, temperature=0.5, biases="some", cached=True):
    """A native curvature and its twin on the same random chain and data."""
    rng = np.random.default_rng(seed)
    sizes = [*sizes[:-1], 1] if loss == "smooth_hinge" else sizes
    depth = len(sizes) - 1
    weights = [rng.standard_normal((h, d)) / np.sqrt(d) for d, h in pairwise(sizes)]
    keep = {"some": rng.random(depth) < 0.7, "all": [True] * depth, "none": [False] * depth}[biases]
    offsets = [0.3 * rng.standard_normal(len(w)) if k else None for w, k in zip(weights, keep, strict=True)]
    activations = [activation] * (depth - 1) + ["identity"]
    inputs = rng.standard_normal((n, sizes[0]))
    targets = {
        "cross_entropy": rng.integers(0, sizes[-1], (n, 1)),
        "squared": rng.standard_normal((n, sizes[-1])),
        "smooth_hinge": rng.choice([-1, 1], (n, 1)),
    }[loss]
    cast = [None if a is None else a.astype(dtype) for a in [*weights, *offsets, inputs, targets]]
    weights, offsets, inputs, targets = cast[:depth], cast[depth:-2], cast[-2], cast[-1]
    kind = _core.Curvature32 if dtype == np.float32 else _core.Curvature64
    native = kind(weights, offsets, activations, loss, inputs, targets, temperature, cached)
    tensors = as_tensors([inputs, targets])
    twin = Curvature(as_tensors(weights), as_tensors(offsets), activations, loss, *tensors, temperature)
    return native, twin


def relative_error(a, b, floor):
    return np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) / max(np.abs(b).max(initial=0), floor)
