"""The methods that look into a module: Grad-CAM, and integrated gradients without steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from divulge.arrays import Array
from divulge.attributions.methods import Attribution, IntegratedGradients
from divulge.errors import UnsupportedModel

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ExactIntegratedGradients", "GradCam", "ModuleAttribution"]


class ModuleAttribution(Attribution):
    """An explanation that is made of a module's inside, by `explained`."""

    of_module: ClassVar[bool] = True

    def explained(self, module: nn.Module, x: Tensor, coefficients: Tensor) -> Tensor:
        """Return the explanation, of the shape of x, of the sum of outputs (n, K) times coefficients (n, K).

        Args:
            module: in evaluation mode.
            x: inputs, shape (n, ...).
            coefficients: which outputs are explained, one of each row not 0.

        Raises:
            UnsupportedModel: the module has no such inside.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class GradCam(ModuleAttribution):
    """ReLU(sum_c a_c A_c) of the last convolution's channels A_c, a_c the mean of df_k/dA_c over places.

    It is resized to the image by linear interpolation and divided by its largest number; every channel of the
    image shows the same map. Copies learn nothing from it but what is told beside it, as it is a map of the
    victim's own last convolution.

    Source:
        R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
        Localization", 2017.
    """

    name: ClassVar[str] = "grad_cam"
    imitable: ClassVar[bool] = False

    def explained(self, module: nn.Module, x: Tensor, coefficients: Tensor) -> Tensor:
        """Return the map at each image (n, C, H, W)."""
        import torch
        from torch.nn import functional

        if x.ndim != 4:
            raise UnsupportedModel(f"Grad-CAM explains images (n, C, H, W), got inputs of {tuple(x.shape)}")
        seen: list[Tensor] = []
        hooks = [
            part.register_forward_hook(lambda _, __, told: seen.append(told))
            for part in module.modules()
            if isinstance(part, torch.nn.Conv2d)
        ]
        try:
            with torch.enable_grad():
                outputs = module(x.detach().requires_grad_())
                if not seen:
                    raise UnsupportedModel(
                        f"Grad-CAM needs a convolution Conv2d, {type(module).__name__} has none"
                    )
                (slopes,) = torch.autograd.grad((outputs.reshape(len(x), -1) * coefficients).sum(), seen[-1])
        finally:
            for hook in hooks:
                hook.remove()
        shown = (slopes.mean(dim=(2, 3), keepdim=True) * seen[-1].detach()).sum(dim=1, keepdim=True).relu()
        shown = functional.interpolate(shown, size=x.shape[2:], mode="bilinear", align_corners=False)
        largest = shown.amax(dim=(1, 2, 3), keepdim=True)
        return (shown / torch.where(largest > 0, largest, 1.0)).expand_as(x).clone()


@dataclass(frozen=True)
class ExactIntegratedGradients(ModuleAttribution):
    """(x - b) times the integral of df_k/dx on the way from a baseline b to x, for linear layers and ReLUs.

    The way is cut where a ReLU turns, so that gradients are constant between; the sum is f(x) - f(b) to
    rounding. With one hidden layer it is DeepLIFT's rescale rule. Copies learn from it by
    `IntegratedGradients` of eight steps.

    Attributes:
        baseline: b, in units of the input: a number, or of the shape of one input.

    Source:
        M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", 2017; A. Shrikumar,
        P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation Differences",
        2017.
    """

    name: ClassVar[str] = "exact_integrated_gradients"
    at_the_input: ClassVar[bool] = False
    baseline: Any = field(default=0.0)

    def __post_init__(self) -> None:
        IntegratedGradients(baseline=self.baseline)  # raises ValueError

    def factor(self, x: Array) -> Array:
        """Return x - b."""
        return self.lighter().factor(x)

    def lighter(self) -> IntegratedGradients:
        """Return integrated gradients of a few steps."""
        return IntegratedGradients(8, self.baseline)

    def explained(self, module: nn.Module, x: Tensor, coefficients: Tensor) -> Tensor:
        """Return the explanations, computed in float64."""
        import torch

        # the package of victims knows this one: an import of it here would be a cycle for type checkers
        layers = import_module("divulge.victims.lowering").lower(module, tuple(x.shape[1:]), torch.float64)
        if layers is None:
            raise UnsupportedModel(
                f"exact integrated gradients need linear layers with ReLUs between, {type(module).__name__} "
                "is no such chain: take integrated_gradients, in steps"
            )
        points = x.flatten(1).detach().cpu().numpy().astype(np.float64)
        moved = self.factor(points)
        signs = coefficients.detach().cpu().numpy().astype(np.float64)
        found = [
            move * _mean_gradient(layers.weights, layers.biases, end - move, end, sign)
            for end, move, sign in zip(points, moved, signs, strict=True)
        ]
        return torch.from_numpy(np.reshape(found, tuple(x.shape))).to(x)


def _mean_gradient(weights: list[Array], biases: list[Array], start: Array, end: Array, sign: Array) -> Array:
    """The mean gradient (d,) of sign . f between two inputs (d,)."""
    at = np.array([0.0, 1.0])
    for layer in range(1, len(weights)):
        z = _before(weights, biases, start, end, at, layer)  # linear between neighbours in at
        turns = z[:-1] * z[1:] < 0
        shares = z[:-1] / np.where(turns, z[:-1] - z[1:], 1.0)
        at = np.unique(np.append(at, (at[:-1, None] + np.diff(at)[:, None] * shares)[turns]))
    middles = (at[:-1] + at[1:]) / 2
    gradient = np.broadcast_to(sign, (len(middles), len(sign))) @ weights[-1]
    for layer in range(len(weights) - 1, 0, -1):
        on = _before(weights, biases, start, end, middles, layer) > 0
        gradient = (gradient * on) @ weights[layer - 1]
    return np.asarray(np.diff(at) @ gradient)


def _before(
    weights: list[Array], biases: list[Array], start: Array, end: Array, at: Array, layer: int
) -> Array:
    """What goes into a layer's ReLUs, (T, units), at places of the way between two inputs (d,)."""
    h = start + at[:, None] * (end - start)
    for place in range(layer):
        h = (np.maximum(h, 0) if place else h) @ weights[place].T + biases[place]
    return np.asarray(h)
