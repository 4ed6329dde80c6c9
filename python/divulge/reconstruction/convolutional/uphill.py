"""An input moved up a function of it by steps of a share of its size that get shorter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from divulge.arrays import Array
from divulge.reconstruction.convolutional.walk import Walk
from divulge.reconstruction.settings import CONV_ENDS, CONV_LAST


def uphill(walk: Walk, point: Array, goal: Callable[[Tensor], Tensor]) -> Array:
    """Return a point (d,) moved to where a goal, one number for an input (1, C, H, W), is large.

    It ends where the goal is flat, and in a box at its faces.
    """
    x, length = walk.known.images(point[None]), float(np.linalg.norm(point))
    for share in np.geomspace(*CONV_LAST.raised, CONV_ENDS.climb):
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(goal(x).sum(), x)
        size = float(slope.norm())
        if not size:
            break
        x = x + share * length / size * slope
        if walk.lines.domain is not None:
            x = walk.known.images(np.clip(x.detach().numpy().reshape(1, -1), *walk.lines.domain))
    return np.asarray(x.detach().numpy().reshape(-1))
