"""Gradients by the outputs for the labels that a model itself would give, as K-FAC takes them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.influence.losses import Loss
from divulge.influence.operators import Array
from divulge.influence.solvers.solution import Floats

__all__ = ["label_cotangents", "other_seed"]

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

    Outputs of several positions (n, *positions, K) have independent labels: signs s are drawn, at all
    positions together, as often as makes eight draws a sample. Squared loss takes signs in the noise's place,
    softmax sqrt(p) s - (sqrt(p)' s) p, whose outer product has the labels' covariance as its mean. So has
    that of a drawn label minus p, which is farther from it: almost 0 of the likeliest label, and large of
    few others.

    Softmax: a root of the labels' covariance diag(p) - p p', a row for each class but the likeliest m,
    r_s = sqrt(p_s) (e_s - (p + sqrt(p_m) e_m) / (1 + sqrt(p_m))); where there are more rows than S, the S - 1
    of the likeliest classes and the sum of the others with signs (`_balanced_signs`), whose outer product has
    the same mean. A single logit: sqrt(p (1 - p)), p its sigmoid, the root of both labels' mean square.
    Squared loss: the model's label is its output plus standard normal noise, whose outer product has the mean
    I: e_s.

    Args:
        outputs: (n, K) or (n, *positions, K).
        loss: a likelihood.
        seed: of signs.
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
    signs = _signs(seed, first, (n, draws, positions, k)).astype(outputs.dtype)
    signs /= np.sqrt(draws)
    if loss.name == "squared":
        return signs.reshape(n, -1)
    if loss.name != "cross_entropy":
        return label_cotangents(flat[:, 0], loss, seed, first)  # which refuses
    if k == 1:
        p = torch.from_numpy(flat).sigmoid().numpy()[:, None]
        signs *= np.sqrt(p * (1 - p))
        return signs.reshape(n, -1)
    p = torch.from_numpy(flat).softmax(-1).numpy()[:, None]
    signs *= np.sqrt(p)
    root: Array = signs - np.sum(signs, axis=-1, keepdims=True) * p
    return root.reshape(n, -1)


def other_seed(seed: int) -> int:
    """Return the seed of labels that are independent of a seed's."""
    return int(np.random.default_rng([seed, 1]).integers(1 << 32))


def _signs(seed: int, first: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Return random signs of samples from `first` on, the same whatever else is drawn."""
    count = int(np.prod(shape[1:]))
    words = -(-count // 64)  # of 64 bits, as a step of the generator makes them
    stream = np.random.PCG64(seed).advance(first * words)
    raw = stream.random_raw(shape[0] * words).astype("<u8").reshape(shape[0], words).view(np.uint8)
    bits = np.unpackbits(raw, axis=1, count=count).view(np.int8)
    return (1 - 2 * bits).reshape(shape)


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
