"""Gradients by the outputs for the labels that a model itself would give, as K-FAC takes them."""

from __future__ import annotations

import numpy as np
import torch

from divulge.influence.losses import Loss
from divulge.influence.operators import Array
from divulge.influence.solvers.solution import Floats

__all__ = ["label_cotangents"]

# Classes of which every one has its part in the labels' covariance.
_EXACT_CLASSES = 16
# Labels a sample of more classes.
_LABELS = 8
# A few of a sample's labels take the place of so many times as many; with more of them little is saved.
_PARTS = 2
# A draw for each of a sample's positions, eight of them or more together.
_DRAWS_TOGETHER = 8


def label_cotangents(
    outputs: Array, loss: Loss, seed: int, first: int = 0, few: int | None = None, share: int = 1
) -> Array:
    """Return (n, S K): the gradients by the outputs for S labels of each sample, times their weights' roots.

    Outputs of several positions (n, *positions, K) have independent labels: those are drawn, at all positions
    together, as often as makes eight draws a sample; squared loss takes signs in the noise's place.

    Softmax: a root of the labels' covariance diag(p) - p p', a row for each class but the likeliest m,
    r_s = sqrt(p_s) (e_s - (p + sqrt(p_m) e_m) / (1 + sqrt(p_m))); where there are more rows than S, the S - 1
    of the likeliest classes and the sum of the others with signs (`_balanced_signs`), whose outer product has
    the same mean. A single logit: sqrt(p (1 - p)), p its sigmoid, the root of both labels' mean square.
    Squared loss: the model's label is its output plus standard normal noise, whose outer product has the mean
    I: e_s.

    Args:
        outputs: (n, K) or (n, *positions, K).
        loss: a likelihood.
        seed: of drawn labels and of signs.
        first: the number of the first sample among all; its labels do not depend on what else is drawn.
        few: cross-entropy's labels a sample, where that is half of them at most.
        share: one in so many of few are taken, and at least one.

    Raises:
        ValueError: the loss is no likelihood.
    """
    if outputs.ndim > 2:
        return _labels_at_positions(outputs, loss, seed, first)
    n, k = outputs.shape
    identity = np.eye(k, dtype=outputs.dtype)
    if loss.name == "squared":
        return np.tile(identity.reshape(1, -1), (n, 1))
    if loss.name != "cross_entropy":
        raise ValueError(
            f"the model's own labels need the loss cross_entropy or squared, got {loss.name}; "
            "use curvature='gauss_newton'"
        )
    if k == 1:  # two classes by one logit: p (1 - p)^2 + (1 - p) p^2
        p = torch.from_numpy(outputs).sigmoid().numpy()
        return np.asarray(np.sqrt(p * (1 - p)), outputs.dtype)
    p = torch.from_numpy(outputs).softmax(1).numpy()
    rows = k - 1 if k <= _EXACT_CLASSES else _LABELS
    if few is not None and _PARTS * few <= rows:
        rows = -(-few // share)
    signs = _balanced_signs(seed, first, n, k)
    return np.asarray(_covariance_root(p, rows, signs), outputs.dtype).reshape(n, -1)


def _labels_at_positions(outputs: Array, loss: Loss, seed: int, first: int) -> Array:
    """Return (n, S T K) of outputs (n, *positions, K) with T positions."""
    n, k = len(outputs), outputs.shape[-1]
    flat = outputs.reshape(n, -1, k)
    positions = flat.shape[1]
    draws = -(-_DRAWS_TOGETHER // positions)
    if loss.name == "squared":
        signs = np.where(_uniform(seed, first, (n, draws, positions, k)) < 0.5, -1, 1) / np.sqrt(draws)
        return np.asarray(signs, outputs.dtype).reshape(n, -1)
    if loss.name != "cross_entropy":
        return label_cotangents(flat[:, 0], loss, seed, first)  # which refuses
    uniform = _uniform(seed, first, (n, positions, draws))
    if k == 1:
        p = torch.from_numpy(flat).sigmoid().numpy()
        binary: Array = np.asarray((p - (uniform < p)) / np.sqrt(draws), outputs.dtype)
        return np.asarray(binary.transpose(0, 2, 1)).reshape(n, -1)
    p = torch.from_numpy(flat).softmax(-1).numpy().reshape(-1, k)
    drawn = _drawn(p, uniform.reshape(-1, draws)).reshape(n, positions, draws, k)
    moved: Array = np.asarray(drawn, outputs.dtype).transpose(0, 2, 1, 3)
    return moved.reshape(n, -1)


def _uniform(seed: int, first: int, shape: tuple[int, ...]) -> Floats:
    """Return random numbers of samples from `first` on, the same whatever else is drawn."""
    stream = np.random.PCG64(seed).advance(first * int(np.prod(shape[1:])))  # one step a number
    return np.random.Generator(stream).random(shape)


def _balanced_signs(seed: int, first: int, n: int, k: int) -> Floats:
    """Return signs (n, K) of samples from `first` on, the same whatever else is drawn.

    A class has a random sign in each block of 2^b samples, 2^b the first power of two from K on, times a
    number of a Hadamard matrix, whose rows a block's samples take in random order: two classes' signs are
    equal in half of the block, so that of samples alike what is between classes cancels.
    """
    size = 1 << (k - 1).bit_length()
    parts = []
    for block in range(first // size, (first + n - 1) // size + 1):
        random, begin = np.random.default_rng([seed, block]), block * size
        rows = random.permutation(size)[max(first - begin, 0) : first + n - begin]
        both = rows[:, None] & np.arange(k)
        for shift in (32, 16, 8, 4, 2, 1):  # bits of both, even or odd
            both ^= both >> shift
        parts.append((1.0 - 2.0 * (both & 1)) * np.where(random.random(k) < 0.5, -1.0, 1.0))
    return np.concatenate(parts) if parts else np.zeros((0, k))


def _covariance_root(p: Array, rows: int, signs: Floats) -> Floats:
    """Return (n, S, K): what has diag(p) - p p' as the sum of its outer products, or as that sum's mean.

    Those of the likeliest classes come first; the last row is the sum of all others along signs (n, K).
    The rows are those of I - q q', q the roots of p, in a basis that a reflection of q makes.
    """
    n, k = p.shape
    order = np.argsort(-p, axis=1, kind="stable")
    sorted_p = np.take_along_axis(p.astype(np.float64), order, axis=1)
    q = np.sqrt(sorted_p)
    shared = sorted_p.copy()
    shared[:, 0] += q[:, 0]
    shared /= 1 + q[:, :1]
    single = min(rows, k - 1) - (rows < k - 1)
    root = np.zeros((n, min(rows, k - 1), k))
    root[:, :single] = -q[:, 1 : single + 1, None] * shared[:, None, :]
    root[:, np.arange(single), np.arange(1, single + 1)] += q[:, 1 : single + 1]
    if rows < k - 1:
        signed = q[:, single + 1 :] * np.take_along_axis(signs, order, axis=1)[:, single + 1 :]
        root[:, -1] = -signed.sum(axis=1, keepdims=True) * shared
        root[:, -1, single + 1 :] += signed
    out = np.empty_like(root)
    np.put_along_axis(out, np.broadcast_to(order[:, None, :], root.shape), root, axis=2)
    return out


def _drawn(p: Array, uniform: Floats) -> Floats:
    """Return (p - e_label) / sqrt(S) (n, S, K) of probabilities (n, K) for S labels each."""
    cumulative = np.cumsum(p.astype(np.float64), axis=1)
    labels = (uniform[:, :, None] > cumulative[:, None, :-1]).sum(axis=2)
    drawn: Floats = p[:, None, :] - np.eye(p.shape[1], dtype=p.dtype)[labels]
    scaled: Floats = drawn / np.sqrt(uniform.shape[1])
    return scaled
