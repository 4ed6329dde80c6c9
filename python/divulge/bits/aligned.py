"""A network with its hidden units in the order and the size of another one's."""

from __future__ import annotations

from itertools import pairwise

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from divulge.bits.architecture import is_plain
from divulge.training.modes import copied
from divulge.training.scaled import Scaled

_PASSING = (nn.Sequential, nn.Flatten, nn.Identity, nn.Dropout)


def aligned(module: nn.Module, to: nn.Module) -> nn.Module:
    """Return the same function with hidden units matched to those of another network of the same form.

    A chain of linear layers and ReLUs is the same function whatever the order of a layer's units, and with a
    positive factor moved from a unit's outgoing to its incoming weights. Layer by layer from the input, units
    are matched by the least sum of squared distances between their rows, weights and bias, of norm 1; then
    each row gets the norm of its match. Any other module is returned as it is.
    """
    mine, theirs = _linear(module), _linear(to)
    if mine is None or theirs is None:
        return module
    found = copied(module)
    layers = _linear(found)
    assert layers is not None
    with torch.no_grad():
        for layer, following, model in zip(layers, layers[1:], theirs, strict=False):
            order, factor = _matched(_rows(layer), _rows(model))
            layer.weight.copy_(layer.weight[order] * factor[:, None])
            if layer.bias is not None:
                layer.bias.copy_(layer.bias[order] * factor)
            following.weight.copy_(following.weight[:, order] / factor)
    return found


def _linear(module: nn.Module) -> list[nn.Linear] | None:
    """Return the linear layers of a chain of nothing but those and ReLUs between them; None for others."""
    if not is_plain(module):
        return None
    chain = [part for _, part in module.named_modules(remove_duplicate=False) if type(part) not in _PASSING]
    while chain and type(chain[0]) is Scaled:
        chain = chain[1:]
    layers = [part for part in chain if type(part) is nn.Linear]
    kinds = all(type(part) is (nn.ReLU if place % 2 else nn.Linear) for place, part in enumerate(chain))
    met = all(a.out_features == b.in_features for a, b in pairwise(layers))
    return layers if kinds and len(chain) % 2 and met else None


def _rows(layer: nn.Linear) -> Tensor:
    """Return weights and bias of each unit, float64, (h, d + 1)."""
    bias = torch.zeros(len(layer.weight)) if layer.bias is None else layer.bias
    return torch.cat([layer.weight, bias.to(layer.weight.dtype)[:, None]], dim=1).detach().double()


def _matched(rows: Tensor, model: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit that is matched to each of the model's, and the factor that gives it its norm."""
    norms, wanted = (part.norm(dim=1).clamp(min=1e-30) for part in (rows, model))
    likeness = (model / wanted[:, None]) @ (rows / norms[:, None]).T
    _, order = linear_sum_assignment(-likeness.numpy())
    chosen = torch.from_numpy(order)
    factor = wanted / norms[chosen]
    return chosen, torch.where((wanted > 1e-20) & (norms[chosen] > 1e-20), factor, 1.0)
