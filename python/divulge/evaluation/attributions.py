"""How much each coordinate of an input counts for what a classifier says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.evaluation.outputs import class_scores, precision

__all__ = ["METHODS", "Attribution", "attribute"]

METHODS = ("gradient", "gradient_times_input", "smoothgrad", "integrated_gradients", "random")
# From (module, inputs (n, ...), classes (n,)) to the attribution (n, ...).
Attribution = Callable[[nn.Module, Tensor, Tensor], Tensor]


def attribute(
    module: nn.Module,
    inputs: Tensor,
    method: str | Attribution | Any = "gradient",
    *,
    of: str | int = "predicted",
    targets: Tensor | None = None,
    samples: int = 16,
    noise: float = 0.15,
    steps: int = 32,
    baseline: float | Tensor = 0.0,
    batch_size: int = 256,
    seed: int = 0,
) -> Tensor:
    """Return an attribution of every input, of its shape, with its sign.

    With z the score that is asked about, of input x:

    - "gradient": dz/dx;
    - "gradient_times_input": x dz/dx;
    - "smoothgrad": the mean of dz/dx over `samples` of x + N(0, (noise (max x - min x))^2), max and min over
      all inputs (Smilkov et al. 2017);
    - "integrated_gradients": (x - baseline) times the mean of dz/dx at `steps` midpoints of the line from the
      baseline to x (Sundararajan, Taly, Yan 2017);
    - "random": uniform numbers, whatever the module;
    - a function of (module, inputs, classes), one that returns the attribution;
    - an attribution of captum, or its class, such as captum.attr.DeepLift; it is asked for `target`.

    Args:
        module: maps inputs to class scores (n, K), or to one number, the log-odds of class 1; run in
            evaluation mode.
        inputs: shape (n, ...), floating point.
        method: one of the above.
        of: the score: "predicted", that of the class which scores most at x; "target", that of the input's
            own class; a class number; or "loss", the cross-entropy with the input's own class.
        targets: classes, shape (n,), for "target" and "loss".
        samples: of SmoothGrad.
        noise: of SmoothGrad.
        steps: of integrated gradients.
        baseline: of integrated gradients, a number or of the shape of one input.
        batch_size: inputs passed through the module at a time.
        seed: of SmoothGrad's noise, and of random numbers.

    Raises:
        ValueError: one of these cannot be, or a method returns another shape than that of the inputs.
    """
    asked = _Asked(module, of, targets)
    asked.check(inputs)
    run = _method(method, module, asked, inputs, samples, noise, steps, baseline, seed)
    parts = []
    with _evaluating(module):
        for rows in torch.split(torch.arange(len(inputs)), batch_size):
            x = inputs[rows].detach().to(precision(module, inputs))
            part = run(x, asked.classes(x, rows))
            if part.shape != x.shape:
                raise ValueError(
                    f"expected an attribution of shape {tuple(x.shape)}, got {tuple(part.shape)}"
                )
            parts.append(part.detach())
    return torch.cat(parts) if parts else torch.empty_like(inputs)


class _Asked:
    """What is asked about, and its gradient."""

    def __init__(self, module: nn.Module, of: str | int, targets: Tensor | None) -> None:
        if isinstance(of, str) and of not in ("predicted", "target", "loss"):
            raise ValueError(f"expected of to be 'predicted', 'target', 'loss' or a class, got {of!r}")
        self.module, self.of, self.targets = module, of, targets

    def check(self, inputs: Tensor) -> None:
        """Raise ValueError for targets that are missing or do not fit."""
        if self.of not in ("target", "loss"):
            return
        if self.targets is None:
            raise ValueError(f"expected targets, of={self.of!r} asks about the inputs' own classes")
        if self.targets.shape != inputs.shape[:1]:
            raise ValueError(f"expected targets of shape ({len(inputs)},), got {tuple(self.targets.shape)}")

    def classes(self, x: Tensor, rows: Tensor) -> Tensor:
        """Return the class (n,) that is asked about at each input."""
        with torch.no_grad():
            scores = class_scores(self.module(x))
        if self.of == "predicted":
            return scores.argmax(dim=1)
        if self.targets is not None and self.of in ("target", "loss"):
            classes = self.targets[rows].to(x.device)
        else:
            classes = torch.full((len(x),), int(self.of), device=x.device)
        if len(x) and not 0 <= int(classes.min()) <= int(classes.max()) < scores.shape[1]:
            raise ValueError(f"expected classes from 0 to {scores.shape[1] - 1}, got {classes.tolist()[:3]}")
        return classes

    def gradient(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the gradient (n, ...) of the score or the loss at x."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            scores = class_scores(self.module(x))
            if self.of == "loss":
                asked = F.cross_entropy(scores, classes, reduction="sum")
            else:
                asked = scores.gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(asked, x)
        return gradient


def _method(
    method: Any,
    module: nn.Module,
    asked: _Asked,
    inputs: Tensor,
    samples: int,
    noise: float,
    steps: int,
    baseline: float | Tensor,
    seed: int,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what attributes a batch of inputs with their classes."""
    if not isinstance(method, str):
        return _of_user(method, module)
    generator = torch.Generator().manual_seed(seed)
    if method == "gradient":
        return asked.gradient
    if method == "gradient_times_input":
        return lambda x, classes: x * asked.gradient(x, classes)
    if method == "random":
        return lambda x, classes: torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    if method == "smoothgrad":
        if samples < 1 or not noise >= 0:
            raise ValueError(f"expected at least one sample and noise of at least 0, got {samples}, {noise}")
        size = noise * float(inputs.max() - inputs.min()) if inputs.numel() else 0.0

        def smooth(x: Tensor, classes: Tensor) -> Tensor:
            total = torch.zeros_like(x)
            for _ in range(samples):
                shift = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
                total += asked.gradient(x + size * shift, classes)
            return total / samples

        return smooth
    if method == "integrated_gradients":
        if steps < 1:
            raise ValueError(f"expected at least one step, got {steps}")

        def integrated(x: Tensor, classes: Tensor) -> Tensor:
            way = x - torch.as_tensor(baseline, dtype=x.dtype, device=x.device)
            total = torch.zeros_like(x)
            for i in range(steps):
                total += asked.gradient(x - (1 - (i + 0.5) / steps) * way, classes)
            return way * total / steps

        return integrated
    raise ValueError(f"expected a method {', '.join(METHODS)}, got {method!r}")


def _of_user(method: Any, module: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function of the user's, or captum's, that attributes a batch of inputs."""
    if isinstance(method, type) and hasattr(method, "attribute"):
        method = method(module)
    if hasattr(method, "attribute"):
        explained = getattr(method, "forward_func", getattr(method, "model", module))
        if explained is not module:
            raise ValueError(
                f"{type(method).__name__} explains another module; pass its class where modules are trained"
            )
        return lambda x, classes: _captum(method, module, x, classes)
    if not callable(method):
        raise ValueError(f"expected a method {', '.join(METHODS)} or a function, got {method!r}")
    return lambda x, classes: method(module, x, classes)


def _captum(method: Any, module: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """Ask captum, which takes no target of a module with one output."""
    with torch.no_grad():
        outputs = module(x[:1])
    several = outputs.ndim == 2 and outputs.shape[1] > 1
    with torch.enable_grad():
        found: Tensor = method.attribute(x.clone().requires_grad_(), target=classes if several else None)
    return found


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and back into its own."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
