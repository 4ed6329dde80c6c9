"""Modules that deepcopy refuses, or copies to what cannot be trained."""

import warnings

import torch
from torch import nn
from torch.nn.utils import prune


def computed_weights():
    """Yield Linear layers (4 to 3) whose weight is computed from other tensors, by name, then a plain one."""
    yield "pruned", prune.l1_unstructured(nn.Linear(4, 3), "weight", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield "weight norm of old", nn.utils.weight_norm(nn.Linear(4, 3))
    yield "spectral norm of old", nn.utils.spectral_norm(nn.Linear(4, 3))
    yield "weight norm", nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    yield "spectral norm", nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    yield "plain", nn.Linear(4, 3)


def small_networks():
    """Yield networks from (n, 1, 2, 2) to (n, 3), called and differentiated once, by name."""
    torch.manual_seed(0)
    for name, layer in computed_weights():
        module = nn.Sequential(nn.Flatten(), layer, nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3))
        yield name, called(module)
    yield "scripted", scripted(called(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU())))


def called(module):
    module(torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))).sum().backward()
    return module.eval()


def scripted(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(module)
