"""Reading a torch module's layers: from any forward() that is affine maps and ReLUs to plain matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, get_ident
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn.modules.conv import _ConvNd

from divulge import _core
from divulge.training.modes import evaluating
from divulge.victims.affine import AffineForm, HiddenLayers, OneHiddenLayer, ReluNetwork
from divulge.victims.export_reader import FixedBatch
from divulge.victims.lowering_operations import MODULES, AffineInterpreter

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class DenseLayers:
    """A chain x -> W x + b with ReLUs between the layers and none after the last.

    Attributes:
        weights: one array of shape (out, in) a layer.
        biases: one array of shape (out,) a layer.
    """

    weights: list[Array]
    biases: list[Array]


def lower(module: nn.Module, input_shape: Sequence[int], dtype: torch.dtype) -> DenseLayers | None:
    """Return a module's layers in its own precision, or None where it is no plain chain.

    A chain holds Linear, ReLU, flattening and reshaping, dropout in evaluation mode, and elementwise
    affine steps with constants such as a normalisation or an evaluated BatchNorm1d; neighbouring affine
    steps are multiplied out in float64. It may be written with modules, functions or tensor methods,
    nested in any way.

    Args:
        module: in evaluation mode.
        input_shape: the shape of one input.
        dtype: precision of the arrays returned, torch.float32 or torch.float64.
    """
    network = trace(module, input_shape)
    chain = None if network is None else network.chain()
    if chain is None:
        return None
    kind = np.float32 if dtype == torch.float32 else np.float64
    with np.errstate(over="ignore"):  # what float32 cannot hold the module cannot compute either
        weights, biases = ([np.ascontiguousarray(a, dtype=kind) for a in part] for part in chain)
    return DenseLayers(weights, biases)


def one_hidden_layer(module: nn.Module, input_shape: Sequence[int]) -> OneHiddenLayer | None:
    """Return a module as one hidden layer and an affine skip term in float64, or None where it is deeper.

    It is taken as it is in evaluation mode, and each of its parts left in its own.
    """
    with evaluating(module):
        network = trace(module, input_shape)
    return None if network is None else network.one_hidden_layer()


def hidden_layers(module: nn.Module, input_shape: Sequence[int]) -> HiddenLayers | None:
    """Return a module as hidden layers in a row in float64, or None where it is no such network.

    It is taken as it is in evaluation mode, and each of its parts left in its own.
    """
    with evaluating(module):
        network = trace(module, input_shape)
    return None if network is None else network.hidden_layers()


def trace(module: nn.Module, input_shape: Sequence[int]) -> ReluNetwork | None:
    """Return a module as affine maps and ReLUs, or None where its forward() does anything else."""
    layers = _chain(module)
    graph = None if layers else _graph(module)
    if layers is None and graph is None:
        return None
    network = ReluNetwork(int(np.prod(input_shape)))
    output: Any = AffineForm.of_source(0, tuple(input_shape))
    try:
        if graph is not None:
            output = AffineInterpreter(graph, network).run(output)
        for layer in layers or []:
            output = MODULES[type(layer)](network, layer, output)
    except Exception:
        # Any forward() may fail in any way on a symbolic input; torch then runs the module as it is.
        return None
    if not isinstance(output, AffineForm) or len(output.shape) != 1:
        return None
    network.output = output
    return network


def convolution(module: nn.Module) -> str | None:
    """Return the name of a module's first convolution, or None where it has none."""
    for name, layer in module.named_modules():
        if isinstance(layer, _ConvNd):
            return str(name)
        if isinstance(layer, fx.GraphModule):
            for node in layer.graph.nodes:
                if node.op == "call_function" and "conv" in str(node.target):
                    return str(node.name)
    return None


def native_network(layers: DenseLayers) -> Any:
    """Return the layers as a network of the compiled core, or None where the core has none."""
    name = "DenseNetwork32" if layers.weights[0].dtype == np.float32 else "DenseNetwork64"
    build = getattr(_core, name, None)
    return None if build is None else build(layers.weights, layers.biases)


def _chain(module: nn.Module) -> list[nn.Module] | None:
    """Return the layers of a plain nn.Sequential, nested ones in their place, or None where it is none.

    Tracing these would say the same, and takes most of the time that a small victim costs.
    """
    if type(module) is not nn.Sequential:
        return None
    layers: list[nn.Module] = []
    for child in module:
        inner = _chain(child) if isinstance(child, nn.Sequential) else [child]
        if inner is None or any(type(layer) not in MODULES for layer in inner):
            return None
        layers += inner
    return layers


def _graph(module: nn.Module) -> fx.GraphModule | None:
    """Return the operations of a module's forward(), or None where they depend on the data."""
    if isinstance(module, FixedBatch):
        module = module.module
    if isinstance(module, fx.GraphModule):
        return module
    try:
        with _TRACING:
            return fx.GraphModule(module, _ThreadTracer().trace(module))
    except Exception:
        return None


_TRACING = Lock()


class _ThreadTracer(fx.Tracer):
    """Leaves modules alone that other threads call meanwhile: while it traces, torch hands it every call."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record a call of this thread's, or run another's."""
        if get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)
