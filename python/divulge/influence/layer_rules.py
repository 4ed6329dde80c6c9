"""What a layer's gradient is a sum of: for each kind of layer, from what it sees and what comes back."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

__all__ = [
    "MOST_NUMBERS",
    "Kind",
    "back_last",
    "bias_name",
    "is_elementwise",
    "is_head",
    "kind_of",
    "seen_last",
]

Kind = Literal["dense", "transposed", "embedding", "convolution", "scale", "shift", "attention"]

# Rows of an embedding and numbers in a scale or shift at most: their factors are matrices of that size.
MOST_NUMBERS = 4096

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_NORMS: tuple[type, ...] = (nn.LayerNorm, nn.GroupNorm, _BatchNorm) + (
    (nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ()
)
_CHANNELS_SECOND = (nn.GroupNorm, _BatchNorm)


def kind_of(layer: nn.Module, name: str) -> Kind | None:
    """Return how the gradient by a layer's "weight" or "bias" is made, or None where no rule says it.

    dense: sum of delta (a, 1)'. transposed: of a delta', of a weight (inputs, outputs). embedding: of
    e delta', e the row looked up. convolution: of delta (a, 1)', a the patches. scale: of delta times
    the normalised input, number by number. shift: of delta. attention: of delta (a, 1)' for each of query,
    key and value.
    """
    kind: Any = type(layer)
    if name in ("in_proj_weight", "in_proj_bias") and isinstance(layer, nn.MultiheadAttention):
        own = kind.forward is not nn.MultiheadAttention.forward or "forward" in layer.__dict__
        return None if own or not hasattr(F, "_in_projection_packed") else "attention"
    if name not in ("weight", "bias") or "forward" in layer.__dict__:
        return None
    if isinstance(layer, _CONVOLUTIONS):
        return "convolution" if _is_plain_convolution(layer) else None
    if isinstance(layer, (nn.Linear, NonDynamicallyQuantizableLinear)):
        return "dense" if kind.forward is nn.Linear.forward else None
    if isinstance(layer, nn.Embedding):
        return "embedding" if kind.forward is nn.Embedding.forward and _is_plain_embedding(layer) else None
    if isinstance(layer, _NORMS):
        own = not any(kind.forward is getattr(base, "forward", None) for base in _NORMS)
        numbers = max(p.numel() for p in layer._parameters.values() if p is not None)
        if own or numbers > MOST_NUMBERS or (isinstance(layer, _BatchNorm) and layer.running_mean is None):
            return None
        return "scale" if name == "weight" else "shift"
    if kind.__name__ == "Conv1D" and getattr(layer, "nf", None) is not None:  # of Hugging Face's GPT-2
        return "transposed"
    return None


def bias_name(kind: Kind) -> str:
    """Return the name of the bias beside a weight."""
    return "in_proj_bias" if kind == "attention" else "bias"


def is_elementwise(kind: Kind) -> bool:
    """Whether a parameter's gradient is taken whole, with the full matrix of its mean squares."""
    return kind in ("scale", "shift")


def is_head(layer: nn.Module) -> bool:
    """Whether a layer that shares its weight with an embedding multiplies by it, and looks up no rows."""
    return not isinstance(layer, nn.Embedding)


def seen_last(layer: nn.Module, kind: Kind, a: Tensor) -> Tensor:
    """Return what a layer sees as (..., d): patches (n, T, d), rows looked up as 0 and 1, or numbers."""
    if kind == "convolution":
        return _patches(layer, a)
    if kind == "embedding":
        return _looked_up(layer, a)
    return _normalised(layer, a) if kind == "scale" else a


def back_last(layer: nn.Module, kind: Kind, gradient: Tensor) -> Tensor:
    """Return a gradient by a layer's output as (..., h)."""
    if kind == "convolution":
        return gradient.flatten(2).transpose(1, 2)
    if is_elementwise(kind):
        return _numbers_last(layer, gradient)
    return gradient


def _is_plain_convolution(layer: nn.Module) -> bool:
    kind: Any = type(layer)
    base: Any = next(c for c in _CONVOLUTIONS if isinstance(layer, c))
    own = kind.forward is not base.forward or kind._conv_forward is not base._conv_forward
    zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return not own and zeros and "_conv_forward" not in layer.__dict__


def _is_plain_embedding(layer: nn.Embedding) -> bool:
    plain = layer.max_norm is None and not layer.scale_grad_by_freq and not layer.sparse
    return plain and layer.num_embeddings <= MOST_NUMBERS


def _patches(layer: Any, a: Tensor) -> Tensor:
    """Return (n, T, channels x kernel) of images, or of rows as images one high."""
    if isinstance(layer, nn.Conv1d):
        if a.ndim != 3:
            return a
        along: Any = layer
        options = (1, along.dilation[0]), (0, along.padding[0]), (1, along.stride[0])
        return F.unfold(a[:, :, None], (1, along.kernel_size[0]), *options).transpose(1, 2)
    if a.ndim != 4:
        return a
    patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return patches.transpose(1, 2)


def _looked_up(layer: Any, numbers: Tensor) -> Tensor:
    rows = F.one_hot(numbers.long(), layer.num_embeddings).to(layer.weight.dtype)
    if layer.padding_idx is not None:  # whose gradient torch leaves out
        rows[..., layer.padding_idx] = 0
    return rows


def _normalised(layer: Any, a: Tensor) -> Tensor:
    """Return a layer's input as it is scaled and shifted, features last."""
    if isinstance(layer, nn.LayerNorm):
        out = F.layer_norm(a, layer.normalized_shape, None, None, layer.eps)
    elif isinstance(layer, nn.GroupNorm):
        out = F.group_norm(a, layer.num_groups, None, None, layer.eps)
    elif isinstance(layer, _BatchNorm):
        out = F.batch_norm(a, layer.running_mean, layer.running_var, None, None, False, 0.0, layer.eps)
    else:
        out = F.rms_norm(a, layer.normalized_shape, None, layer.eps)
    return _numbers_last(layer, out)


def _numbers_last(layer: Any, a: Tensor) -> Tensor:
    """Return (..., h) with the h numbers of a scale or a shift on one axis."""
    if isinstance(layer, _CHANNELS_SECOND):
        return a.movedim(1, -1)
    if isinstance(layer, nn.Linear):  # the bias of an output whose weight is that of an embedding
        return a
    return a.flatten(-len(layer.normalized_shape))
