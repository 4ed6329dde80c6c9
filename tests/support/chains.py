"""Random chains and data, a native curvature of them and its twin."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from divulge import _core
from divulge.reference.curvature import Curvature, as_tensors

SIZES = st.lists(st.integers(1, 13), min_size=2, max_size=5)
LOSSES = st.sampled_from(["cross_entropy", "squared", "smooth_hinge"])
ACTIVATION = st.sampled_from(["relu", "tanh", "identity"])


def chain(sizes, loss, activation, seed, n, dtype, temperature=0.5, biases="some"):
    """Weights, biases, activations, loss, inputs, targets and temperature of a random chain with data."""
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
    return cast[:depth], cast[depth:-2], activations, loss, cast[-2], cast[-1], temperature


def twin_of(arguments):
    """The slow curvature of what `chain` made, in float64."""
    weights, biases, activations, loss, inputs, targets, temperature = arguments
    data = as_tensors([inputs, targets])
    return Curvature(as_tensors(weights), as_tensors(biases), activations, loss, *data, temperature)


def problem(sizes, loss, activation, seed, n, dtype, temperature=0.5, biases="some", cached=True):
    """A native curvature and its twin on the same random chain and data."""
    arguments = chain(sizes, loss, activation, seed, n, dtype, temperature, biases)
    kind = _core.Curvature32 if dtype == np.float32 else _core.Curvature64
    return kind(*arguments, cached), twin_of(arguments)


def relative_error(a, b, floor):
    return np.abs(np.asarray(a) - np.asarray(b)).max(initial=0) / max(np.abs(b).max(initial=0), floor)
