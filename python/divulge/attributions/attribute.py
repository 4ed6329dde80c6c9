"""Attributions of any module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge.attributions.asked import Asked
from divulge.attributions.foreign import foreign
from divulge.attributions.methods import Attribution
from divulge.attributions.names import METHODS, RandomNumbers
from divulge.attributions.of_module import ModuleAttribution
from divulge.training.class_scores import precision
from divulge.training.modes import evaluating

__all__ = ["AttributionFunction", "attribute"]

# From (module, inputs (n, ...), classes (n,)) to the attribution (n, ...).
AttributionFunction = Callable[[nn.Module, Tensor, Tensor], Tensor]


def attribute(
    module: nn.Module,
    inputs: Tensor,
    method: str | Attribution | RandomNumbers | AttributionFunction | Any = "gradient",
    *,
    of: str | int = "predicted",
    targets: Tensor | None = None,
    batch_size: int = 256,
    seed: int = 0,
) -> Tensor:
    """Return an attribution of every input, of its shape, with its sign, in the module's precision.

    The score that is explained is that of a class; of a module with one output z, z for class 1 and -z for
    class 0.

    Args:
        module: maps inputs to class scores (n, K), or to one number, the log-odds of class 1; run in
            evaluation mode, each of its parts left in its own.
        inputs: shape (n, ...), real numbers.
        method: a name, with parameters or without: "gradient", "saliency", "input_times_gradient",
            "smoothgrad", "smoothgrad:samples=10,noise=0.2", "integrated_gradients", "shap" (against
            zeros), or "random" (uniform numbers); one of `divulge.attributions`, such as
            `SmoothGrad(10, 0.2)`, whose noise is a share of max - min over all inputs unless it names a
            range; a function of (module, inputs, classes) that returns the attribution; or an attribution of
            captum, or its class, such as captum.attr.DeepLift.
        of: the score: "predicted", that of the class which scores most at x; "target", that of the input's
            own class; a class number; or "loss", the cross-entropy with the input's own class.
        targets: classes, shape (n,), for "target" and "loss".
        batch_size: places passed through the module at a time; the least is those of one input.
        seed: of SmoothGrad's noise, which is that of a `SmoothGradOracle` of the seed, and of random numbers.

    Raises:
        ValueError: one of these cannot be, a score asked about is not finite, or a method returns another
            shape than that of the inputs, or NaN or infinity.
        TypeError: inputs that are no real numbers; numbers of classes, samples or steps that are not whole.
    """
    if inputs.dtype == torch.bool or inputs.dtype.is_complex:
        raise TypeError(f"expected inputs that are real numbers, got dtype {inputs.dtype}")
    asked = Asked(module, of, targets, len(inputs))
    method = METHODS.make(method) if isinstance(method, str) else method
    at_a_time = batch_size
    if isinstance(method, Attribution):
        method = method.scaled(_range(inputs))
        at_a_time = max(1, batch_size // method.count(inputs[:1].numel()))
    run = _run(method, module, asked, np.random.default_rng(seed))
    dtype = precision(module, inputs)
    parts = [inputs[:0].to(dtype)]
    with evaluating(asked.explained):
        for rows in torch.split(torch.arange(len(inputs)), at_a_time):
            x = inputs[rows].detach().to(dtype)
            part = run(x, asked.classes(x, rows)) if len(x) else x
            if part.shape != x.shape:
                raise ValueError(
                    f"expected an attribution of shape {tuple(x.shape)}, got {tuple(part.shape)}"
                )
            _check_finite(part, rows)
            parts.append(part.detach())
    return torch.cat(parts)


def _run(
    method: Any, module: nn.Module, asked: Asked, rng: np.random.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what attributes a batch of inputs with their classes."""
    if isinstance(method, ModuleAttribution):
        return lambda x, classes: _of_module(method, module, asked, x, classes)
    if isinstance(method, Attribution):
        return lambda x, classes: _combined(method, asked, x, classes, rng)
    if isinstance(method, RandomNumbers):
        return lambda x, classes: torch.from_numpy(rng.random(tuple(x.shape))).to(x)
    return foreign(method, module, asked)


def _of_module(
    method: ModuleAttribution, module: nn.Module, asked: Asked, x: Tensor, classes: Tensor
) -> Tensor:
    """Return what a method makes of a module's inside, shape (n, ...)."""
    if asked.loss:
        raise ValueError(f"expected a class's score for {method.name}, which does not explain the loss")
    with torch.no_grad():
        outputs = module(x[:1]).reshape(1, -1).shape[1]
    chosen = torch.nn.functional.one_hot(classes, max(2, outputs)).to(x)
    return method.explained(module, x, chosen if outputs > 1 else chosen[:, 1:] - chosen[:, :1])


def _combined(
    method: Attribution, asked: Asked, x: Tensor, classes: Tensor, rng: np.random.Generator
) -> Tensor:
    """Return what a method makes of gradients or values, shape (n, ...)."""
    flat = x.flatten(1)
    n, d = flat.shape
    noise = torch.from_numpy(rng.standard_normal((n, method.draws, d))).to(flat)
    places = method.places(flat, noise)
    m = places.shape[1]
    ask = asked.value if method.of_values else asked.gradient
    found = ask(places.reshape(n * m, *x.shape[1:]), classes.repeat_interleave(m))
    explanation: Tensor = method.combine(flat, found.reshape(n, m, *([] if method.of_values else [d])), noise)
    return explanation.reshape(x.shape)


def _check_finite(part: Tensor, rows: Tensor) -> None:
    """Raise ValueError for attributions (n, ...) of inputs, by their rows, that hold NaN or infinity."""
    bad = (~part.flatten(1).isfinite()).any(dim=1).nonzero()
    if len(bad):
        raise ValueError(f"expected finite attributions, that of input {int(rows[bad[0]])} is not")


def _range(inputs: Tensor) -> float:
    """Return the largest number less the smallest; as floats, since their difference may be no int8."""
    return float(inputs.max()) - float(inputs.min()) if inputs.numel() else 0.0
