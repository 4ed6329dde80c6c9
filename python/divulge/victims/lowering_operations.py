"""What each torch operation does to an affine form."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from divulge.victims.affine import AffineForm, NotAffine, ReluNetwork
from divulge.victims.lowering_units import UNIT_FUNCTIONS, UNIT_METHODS, UNIT_MODULES, clamped

aten = torch.ops.aten


class Batch:
    """Stands for the number of inputs, wherever a forward() asks for it."""


class AffineInterpreter(fx.Interpreter):
    """Runs a graph on an affine form instead of a tensor; parts that touch no form run as they are.

    Args:
        graph: what to run.
        network: takes up the ReLUs that are met.
    """

    def __init__(self, graph: fx.GraphModule, network: ReluNetwork) -> None:
        super().__init__(graph)
        self.network = network

    def run_node(self, n: fx.Node) -> Any:
        """Run one node; an exported graph's guards on its example input are left out."""
        if n.op == "call_module" and n.target == "_guards_fn":
            return None
        return super().run_node(n)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Apply a layer of torch.nn."""
        module = self.fetch_attr(target)
        for kind, apply in MODULES.items():
            if isinstance(module, kind):
                return apply(self.network, module, args[0])
        raise NotAffine(f"the layer {type(module).__name__}")

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Apply a function of torch, of the operator module, or of an exported graph."""
        return self._apply(FUNCTIONS.get(target), super().call_function, target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Apply a method of a tensor."""
        return self._apply(METHODS.get(target), super().call_method, target, args, kwargs)

    def _apply(self, rule: Any, concrete: Any, target: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Apply a rule if a form takes part, else compute with the tensors at hand."""
        if not any(_holds_form(a) for a in (*args, *kwargs.values())):
            return concrete(target, args, kwargs)
        if rule is None:
            raise NotAffine(f"the operation {target}")
        return rule(self.network, *args, **kwargs)


class Stack(tuple[AffineForm, ...]):
    """Forms of one shape along a new first axis, on their way to being summed."""


def _holds_form(argument: Any) -> bool:
    """Whether a form is among an operation's arguments, or in a list of them."""
    parts = argument if isinstance(argument, (list, tuple)) else (argument,)
    return any(isinstance(part, AffineForm) for part in parts)


def numbers(constant: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a constant of a graph as a float64 array."""
    if isinstance(constant, torch.Tensor):
        return constant.detach().cpu().to(torch.float64).numpy()
    return np.asarray(constant, dtype=np.float64)


def _relu(network: ReluNetwork, x: AffineForm, inplace: bool = False) -> AffineForm:
    return network.relu(x)


def _linear(network: ReluNetwork, input: AffineForm, weight: Any, bias: Any = None) -> AffineForm:
    return input.linear(numbers(weight), None if bias is None else numbers(bias))


def _matmul(network: ReluNetwork, x: AffineForm, other: Any) -> AffineForm:
    return x.linear(numbers(other).T, None)


def _addmm(network: ReluNetwork, bias: Any, x: AffineForm, other: Any) -> AffineForm:
    return x.linear(numbers(other).T, numbers(bias))


def _add(network: ReluNetwork, a: Any, b: Any) -> AffineForm:
    if isinstance(a, AffineForm) and isinstance(b, AffineForm):
        return a.add(b)
    return a.shift(numbers(b)) if isinstance(a, AffineForm) else b.shift(numbers(a))


def _stack(network: ReluNetwork, forms: Sequence[Any], dim: int = 0) -> Stack:
    if dim != 0 or not all(isinstance(form, AffineForm) for form in forms):
        raise NotAffine("a stack other than of results along a new first axis")
    return Stack(forms)


def _sum(network: ReluNetwork, stack: Any, dim: Any = None) -> AffineForm:
    if not isinstance(stack, Stack) or dim not in (0, [0], (0,)):
        raise NotAffine("a sum other than of stacked results")
    return reduce(AffineForm.add, stack)


def _neg(network: ReluNetwork, x: AffineForm) -> AffineForm:
    return x.scale(np.asarray(-1.0))


def _sub(network: ReluNetwork, a: Any, b: Any) -> AffineForm:
    return _add(network, a, _neg(network, b) if isinstance(b, AffineForm) else -numbers(b))


def _mul(network: ReluNetwork, a: Any, b: Any) -> AffineForm:
    if isinstance(a, AffineForm) and isinstance(b, AffineForm):
        raise NotAffine("a product of two results")
    return a.scale(numbers(b)) if isinstance(a, AffineForm) else b.scale(numbers(a))


def _div(network: ReluNetwork, a: Any, b: Any) -> AffineForm:
    if isinstance(b, AffineForm):
        raise NotAffine("a division by a result")
    return _mul(network, a, 1.0 / numbers(b))


def _flatten(network: ReluNetwork, x: AffineForm, start_dim: int = 0, end_dim: int = -1) -> AffineForm:
    last = len(x.shape)
    if start_dim == 1 and end_dim in (-1, last):
        return x.reshape((-1,))
    raise NotAffine(f"flattening dimensions {start_dim} to {end_dim}")


def _reshape(network: ReluNetwork, x: AffineForm, *shape: Any) -> AffineForm:
    new = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    rest = tuple(s for s in new[1:] if isinstance(s, int))
    if len(rest) != len(new) - 1 or (new[0] == -1 and np.prod(rest) != x.bias.size):
        raise NotAffine(f"a reshape of {x.shape} to {new}")
    return x.reshape(rest)


def _permute(network: ReluNetwork, x: AffineForm, *order: Any) -> AffineForm:
    axes = tuple(order[0]) if len(order) == 1 and isinstance(order[0], (tuple, list)) else order
    axes = tuple(axis % (len(x.shape) + 1) for axis in axes)
    if axes[0] != 0:
        raise NotAffine("a permutation that moves the batch axis")
    return x.permute(tuple(axis - 1 for axis in axes[1:]))


def _transpose(network: ReluNetwork, x: AffineForm, a: int, b: int) -> AffineForm:
    axes = list(range(len(x.shape) + 1))
    axes[a], axes[b] = axes[b], axes[a]
    return _permute(network, x, axes)


def _shape(network: ReluNetwork, x: AffineForm) -> tuple[Any, ...]:
    return (Batch(), *x.shape)


def _size(network: ReluNetwork, x: AffineForm, dim: int | None = None) -> Any:
    return _shape(network, x) if dim is None else _shape(network, x)[dim]


def _getattr(network: ReluNetwork, x: AffineForm, name: str) -> Any:
    if name == "shape":
        return _shape(network, x)
    raise NotAffine(f"the attribute {name}")


def _same(network: ReluNetwork, x: AffineForm) -> AffineForm:
    return x


def _dropout(
    network: ReluNetwork, input: AffineForm, p: float = 0.5, training: bool = True, inplace: bool = False
) -> AffineForm:
    if training and p > 0:
        raise NotAffine("dropout in training mode")
    return input


def _normalise(x: AffineForm, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> AffineForm:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the one axis of features."""
    if mean is None or var is None or len(x.shape) != 1:
        raise NotAffine("batch normalisation by the batch's own statistics")
    factor = 1.0 / np.sqrt(numbers(var) + eps) * (1.0 if weight is None else numbers(weight))
    return x.shift(-numbers(mean)).scale(factor).shift(np.zeros(1) if bias is None else numbers(bias))


def _batch_norm(
    network: ReluNetwork, x: AffineForm, weight: Any, bias: Any, mean: Any, var: Any,
    training: bool, momentum: float, eps: float, *rest: Any,
) -> AffineForm:  # fmt: skip
    if training:
        raise NotAffine("batch normalisation in training mode")
    return _normalise(x, mean, var, weight, bias, eps)


def _batch_norm_function(
    network: ReluNetwork, input: AffineForm, running_mean: Any, running_var: Any, weight: Any = None,
    bias: Any = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> AffineForm:  # fmt: skip
    return _batch_norm(network, input, weight, bias, running_mean, running_var, training, momentum, eps)


def _batch_norm_layer(network: ReluNetwork, layer: nn.BatchNorm1d, x: AffineForm) -> AffineForm:
    if layer.training:
        raise NotAffine("batch normalisation in training mode")
    return _normalise(x, layer.running_mean, layer.running_var, layer.weight, layer.bias, layer.eps)


def _dropout_layer(network: ReluNetwork, layer: nn.Dropout, x: AffineForm) -> AffineForm:
    return _dropout(network, x, layer.p, layer.training)


MODULES: dict[type[nn.Module], Callable[..., AffineForm]] = {
    nn.Linear: lambda network, layer, x: _linear(network, x, layer.weight, layer.bias),
    nn.ReLU: lambda network, layer, x: _relu(network, x),
    nn.Flatten: lambda network, layer, x: _flatten(network, x, layer.start_dim, layer.end_dim),
    nn.Identity: lambda network, layer, x: _same(network, x),
    nn.Dropout: _dropout_layer,
    nn.BatchNorm1d: _batch_norm_layer,
    **UNIT_MODULES,
}

_NAMED: dict[Callable[..., Any], tuple[Any, ...]] = {
    _relu: (F.relu, torch.relu, torch.relu_, aten.relu.default, aten.relu_.default),
    _linear: (F.linear, aten.linear.default),
    _matmul: (operator.matmul, torch.matmul, torch.mm, aten.matmul.default, aten.mm.default),
    _addmm: (torch.addmm, aten.addmm.default),
    _add: (operator.add, operator.iadd, torch.add, aten.add.Tensor, aten.add_.Tensor),
    _sub: (operator.sub, operator.isub, torch.sub, aten.sub.Tensor, aten.sub_.Tensor),
    _mul: (operator.mul, operator.imul, torch.mul, aten.mul.Tensor, aten.mul_.Tensor),
    _div: (operator.truediv, operator.itruediv, torch.div, aten.div.Tensor, aten.div_.Tensor),
    _stack: (torch.stack, aten.stack.default),
    _sum: (torch.sum, aten.sum.dim_IntList),
    _neg: (operator.neg, torch.neg, aten.neg.default),
    _flatten: (torch.flatten, aten.flatten.using_ints),
    _reshape: (torch.reshape, aten.reshape.default, aten.view.default),
    _permute: (torch.permute, aten.permute.default),
    _transpose: (torch.transpose, torch.swapaxes, aten.transpose.int),
    clamped: (torch.clamp, torch.clamp_min, aten.clamp.default, aten.clamp_min.default),
    _size: (aten.sym_size.int,),
    _getattr: (getattr,),
    _same: (aten.clone.default, aten.detach.default, aten.contiguous.default),
    _dropout: (F.dropout, aten.dropout.default),
    _batch_norm: (aten.batch_norm.default,),
    _batch_norm_function: (F.batch_norm,),
    **UNIT_FUNCTIONS,
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {name: rule for rule, names in _NAMED.items() for name in names}

METHODS: dict[str, Callable[..., Any]] = {
    "relu": _relu,
    "relu_": _relu,
    "flatten": _flatten,
    "view": _reshape,
    "reshape": _reshape,
    "permute": _permute,
    "transpose": _transpose,
    "clamp": clamped,
    "clamp_min": clamped,
    "size": _size,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "sum": _sum,
    "matmul": _matmul,
    "contiguous": _same,
    "clone": _same,
    "detach": _same,
    **UNIT_METHODS,
}
