"""Recognising a dense chain in a torch module, parameter by parameter."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules import module as _global

from divulge.influence.modes import attributes_kept

__all__ = ["DenseChain", "find_chain"]

_RELU = (torch.relu, F.relu, "relu")
_TANH = (torch.tanh, F.tanh, "tanh")
_RESHAPES = (torch.flatten, torch.reshape, "flatten", "view", "reshape")
_SHAPES = (getattr, operator.getitem, "size", "shape")
_IGNORED = (nn.Identity, nn.Dropout)
_LAYERS = (nn.Linear, nn.ReLU, nn.Tanh, nn.Flatten, *_IGNORED)


@dataclass(frozen=True)
class DenseChain:
    """Linear layers with an activation after each.

    Attributes:
        layers: the linear layers, from the input on.
        activations: "relu", "tanh" or "identity" after each.
        frozen: how many layers at the start are not among the parameters in question.
    """

    layers: list[nn.Linear]
    activations: list[str]
    frozen: int = 0

    def features(self, inputs: Tensor) -> Tensor:
        """Return what the layers that are not frozen see, (n, d)."""
        return self._run(inputs, self.frozen)

    @property
    def active_layers(self) -> list[nn.Linear]:
        """The layers whose parameters are in question."""
        return self.layers[self.frozen :]

    @property
    def active_activations(self) -> list[str]:
        """Their activations."""
        return self.activations[self.frozen :]

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the chain's outputs (n, K), from its weights and biases alone."""
        return self._run(inputs, len(self.layers))

    def _run(self, inputs: Tensor, depth: int) -> Tensor:
        x = inputs.reshape(len(inputs), -1)
        for layer, activation in zip(self.layers[:depth], self.activations, strict=False):
            x = _activate(activation, F.linear(x, layer.weight, layer.bias))
        return x


def find_chain(module: nn.Module, parameters: Sequence[Tensor], probe: Tensor) -> DenseChain | None:
    """Return a module as a dense chain whose last layers hold exactly the parameters given, in order.

    A chain holds Linear, ReLU, tanh, flattening of the input, dropout and Identity, written as modules,
    functions or methods. None where the module is anything else: with hooks, a forward() of an instance, a
    subclass of a layer, a parameter in two layers; or where it answers otherwise than its chain does.

    Args:
        module: the module.
        parameters: those in question, in the order of their flat vector.
        probe: a few inputs (n, *shape) on which module and chain are compared.
    """
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    # those registered alone: to read a weight that is computed may change buffers, or fail
    held = {id(parameter) for part in linear for parameter in part.parameters(recurse=False)}
    if not all(id(parameter) in held for parameter in parameters):
        return None  # without a trace, which takes as long as several calls
    if not all(_is_plain(part) for part in module.modules()):
        return None
    try:
        with attributes_kept(module, buffers=True):
            graph = fx.symbolic_trace(nn.Sequential(module))  # a Linear on its own is a layer, too
            chain = _read(graph)
    except Exception:  # a forward() that cannot be traced may fail in any way; torch runs it then
        return None
    if chain is None or (frozen := _frozen(chain, parameters)) is None:
        return None
    chain = DenseChain(chain.layers, chain.activations, frozen)
    with torch.no_grad(), attributes_kept(module, buffers=True):
        expected, got = module(probe.clone()), chain.outputs(probe)
    if got.shape != expected.shape:
        return None
    tolerance = (1e-9 if got.dtype == torch.float64 else 1e-4) * float(expected.abs().max())
    return chain if float((got - expected).abs().max()) <= tolerance else None


def _is_plain(part: nn.Module) -> bool:
    """Whether calling a module runs the forward() of its class and nothing else."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, _global._global_forward_hooks,
             _global._global_forward_pre_hooks)  # fmt: skip
    return not any(hooks) and "forward" not in part.__dict__


def _read(graph: fx.GraphModule) -> DenseChain | None:
    """Follow the single path from input to output."""
    layers: list[nn.Linear] = []
    activations: list[str] = []
    at: Any = None
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            if at is not None:
                return None
            at = node
        elif node.op == "output":
            return DenseChain(layers, activations) if layers and node.args[0] is at else None
        elif node.op != "get_attr" and not _is_shape(node):
            if not node.args or node.args[0] is not at or not _step(graph, node, layers, activations):
                return None
            at = node
    return None


def _is_shape(node: fx.Node) -> bool:
    """Whether a node only asks for a size."""
    return node.op in ("call_function", "call_method") and node.target in _SHAPES


def _step(graph: fx.GraphModule, node: fx.Node, layers: list[nn.Linear], activations: list[str]) -> bool:
    """Take up one operation; False where a chain has none such."""
    kind: Any = graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target
    if isinstance(kind, nn.Module) and type(kind) not in _LAYERS:
        return False  # a subclass may compute anything
    if isinstance(kind, nn.Linear):
        layers.append(kind)
        activations.append("identity")
        return sum(layer is kind for layer in layers) == 1
    if isinstance(kind, (*_IGNORED, nn.Flatten)) or kind in _RESHAPES:
        return isinstance(kind, _IGNORED) or not layers
    for name, function_forms, module_form in (("relu", _RELU, nn.ReLU), ("tanh", _TANH, nn.Tanh)):
        if isinstance(kind, module_form) or kind in function_forms:
            usable = bool(layers) and activations[-1] == "identity"
            if usable:
                activations[-1] = name
            return usable
    return False


def _frozen(chain: DenseChain, parameters: Sequence[Tensor]) -> int | None:
    """Return how many layers stand before those that hold exactly the parameters, or None."""
    everything = [id(p) for p in _parameters(chain.layers)]
    if chain.activations[-1] != "identity" or len(set(everything)) < len(everything):
        return None
    for first in range(len(chain.layers)):
        held = list(_parameters(chain.layers[first:]))
        if len(held) == len(parameters) and all(a is b for a, b in zip(held, parameters, strict=True)):
            return first
    return None


def _parameters(layers: Sequence[nn.Linear]) -> Iterator[Tensor]:
    for layer in layers:
        yield layer.weight
        if layer.bias is not None:
            yield layer.bias


def _activate(name: str, z: Tensor) -> Tensor:
    return {"relu": torch.relu, "tanh": torch.tanh}.get(name, lambda t: t)(z)
