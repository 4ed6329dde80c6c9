"""Whatever a victim is made of, as a torch module with the shape of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.errors import UnsupportedModel
from divulge.points import host_array
from divulge.victims.boosters import as_estimator
from divulge.victims.estimator_layers import layers_of
from divulge.victims.estimators import EstimatorModule, width_of
from divulge.victims.wrapped import HALF, InFloat32

if TYPE_CHECKING:
    from divulge.datasets import Dataset

KNOWN = (torch.float32, torch.float64)
_PROBED = 16


def in_known_precision(module: nn.Module) -> tuple[nn.Module, torch.dtype, torch.device]:
    """Return a module, the precision it is fed in and its device, told by its first floating-point tensor."""
    tensors = (*module.parameters(), *module.buffers())
    floating = next((t for t in tensors if t.is_floating_point()), torch.empty(0, dtype=torch.float32))
    if floating.dtype in HALF:
        return InFloat32(module, floating.dtype), torch.float32, floating.device
    if floating.dtype not in KNOWN:
        raise UnsupportedModel(
            f"expected parameters in float16, bfloat16, float32 or float64, got {floating.dtype}"
        )
    return module, floating.dtype, floating.device


def some_inputs(data: Dataset | None) -> Array | None:
    """Return the first inputs of data, shape (n, ...), as float64; None without data."""
    return None if data is None else np.asarray(host_array(data.train_inputs[:_PROBED]), np.float64)


def of_estimator(
    estimator: Any, input_shape: Sequence[int] | None, data: Dataset | None
) -> tuple[nn.Module, tuple[int, ...], tuple[Any, ...] | None, Array]:
    """Return a module that runs an estimator, its input shape, its classes and some inputs (n, d)."""
    estimator = as_estimator(estimator)
    width = width_of(estimator)
    shape = (width,) if input_shape is None else tuple(input_shape)
    if shape[0] is None:
        raise UnsupportedModel(
            f"{type(estimator).__name__} does not tell how many columns it takes; pass data= or input_shape="
        )
    known = tuple(int(size) for size in shape if size is not None)
    check_columns(estimator, data)
    found = some_inputs(data)
    rows = np.random.default_rng(0).standard_normal((_PROBED, prod(known))) if found is None else found
    rows = rows.reshape(len(rows), -1)
    model = EstimatorModule(estimator, data, rows)
    if data is not None and model.class_names is not None:
        data.with_classes(model.class_names)  # raises where the data's classes are others
    layers = layers_of(model, rows)
    return (model if layers is None else layers), known, model.class_names, rows


def check_columns(estimator: Any, data: Dataset | None) -> None:
    """Raise UnsupportedModel where an estimator was fitted on columns that a table does not have."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or data is None or not data.columns:
        return
    names, held = np.asarray(names).tolist(), [column.name for column in data.columns]
    lightgbm = type(estimator).__module__.startswith("lightgbm")
    if lightgbm and [str(name).replace(" ", "_") for name in held] == names:
        return  # it calls them so
    missing = next((name for name in names if name not in held), None)
    if missing is not None:
        raise UnsupportedModel(f"{data.name} has no column {missing!r}, which the model was fitted with")
    strange = next((name for name in held if name not in set(names)), None)
    if strange is not None:
        raise UnsupportedModel(f"the model was fitted without the column {strange!r} of {data.name}")


def input_shape_of(module: nn.Module, given: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape of one input, as given or from the first Linear."""
    if given is not None:
        shape = tuple(int(s) for s in given)
        if not shape or min(shape) < 1:
            raise ValueError(f"expected an input_shape of positive numbers, got {tuple(given)}")
        return shape
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            return (layer.in_features,)
        if getattr(layer, "original_name", None) == "Linear":  # of a scripted or traced module
            weight = dict(layer.named_parameters())["weight"]  # `get_parameter` is refused by scripted ones
            return (int(weight.shape[1]),)
    raise UnsupportedModel(
        "no Linear layer tells the shape of one input; pass input_shape=, such as (1, 28, 28)"
    )
