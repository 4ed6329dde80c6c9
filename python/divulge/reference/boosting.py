"""Gradient boosting with a fixed structure, fitted sample by sample: twin of `influence.trees`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array

__all__ = ["LOSSES", "refit_boosting"]

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda z, y: ((z - y) ** 2).sum() / 2,
    "logistic": lambda z, y: torch.log1p(z[0].exp()) - y[0] * z[0],
    "softmax": lambda z, y: torch.logsumexp(z, 0) - y @ z,
    "exponential": lambda z, y: torch.exp(-(2 * y[0] - 1) * z[0]),
    "poisson": lambda z, y: z[0].exp() - y[0] * z[0],
}


def refit_boosting(
    loss: str,
    leaves: Array,
    targets: Array,
    weights: Array,
    start: Callable[[Array], Array],
    *,
    rate: float,
    l2: float = 0.0,
    curvature: float = 1.0,
) -> tuple[Array, list[list[dict[int, float]]]]:
    """Return F_0 (K,), and for each round and tree the value of each leaf.

    Args:
        loss: a name of LOSSES; its derivatives are autograd's.
        leaves: the samples' leaf numbers (n, T, K).
        targets: (n, K).
        weights: (n,), 0 for samples that are left out.
        start: from the targets' weighted mean (K,) to F_0 (K,).
        rate: the learning rate.
        l2: added to the second derivatives' sum.
        curvature: a factor on them.
    """
    n, rounds, outputs = leaves.shape
    first = torch.func.grad(LOSSES[loss])
    slopes, bends = torch.func.vmap(first), torch.func.vmap(torch.func.jacrev(first))
    y = torch.from_numpy(targets)
    initial = np.asarray(start((weights[:, None] * targets).sum(axis=0) / weights.sum()))
    margins = np.tile(initial, (n, 1))
    trees: list[list[dict[int, float]]] = []
    for t in range(rounds):
        z = torch.from_numpy(margins.copy())
        g = slopes(z, y).numpy()
        h = curvature * bends(z, y).diagonal(dim1=1, dim2=2).numpy()
        trees.append([])
        for k in range(outputs):
            values = {}
            for leaf in set(leaves[:, t, k].tolist()):
                rows = [i for i in range(n) if leaves[i, t, k] == leaf and weights[i] > 0]
                top = sum(weights[i] * g[i, k] for i in rows)
                below = sum(weights[i] * h[i, k] for i in rows) + l2
                values[leaf] = -rate * top / below if rows else 0.0
            margins[:, k] += [values[leaf] for leaf in leaves[:, t, k].tolist()]
            trees[-1].append(values)
    return initial, trees
