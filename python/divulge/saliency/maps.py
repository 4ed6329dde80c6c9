"""Pictures of what a classifier holds of a class, from no input at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.conventions import OnProgress
from divulge.html import ShownAsTable
from divulge.saliency.arguments import (
    Bounds,
    Classifier,
    check_bounds,
    check_least,
    check_loss,
    classifier,
    norms,
    split,
)
from divulge.saliency.concepts import (
    Activations,
    Target,
    Unit,
    as_tuple,
    check_layer,
    check_targets,
    reached,
    value,
    watched,
)
from divulge.saliency.moments import Moments

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# Returns samples (n, channels, height, width); called with n, the shape and a generator.
Sampler = Callable[[int, tuple[int, int, int], torch.Generator], Tensor]


@dataclass(frozen=True)
class SaliencyMaps(ShownAsTable):
    """Maps of several targets, on the CPU.

    Attributes:
        targets: what was asked for, T of them.
        maps: what is added to a sample, shape (T, channels, height, width).
        base: the mean sample, shape (channels, height, width).
        bounds: of the inputs.
        reached: the share of the samples that reached a target, before the first step and after each;
            it stays where the target was done, shape (steps + 1, T).
        norms: |map| in the ball's norm at the same times, shape (steps + 1, T).
        complete: for each target, whether the wanted share was reached, or none was wanted.
        notes: a sentence for each target that was not.
    """

    targets: tuple[Target, ...]
    maps: Tensor
    base: Tensor
    bounds: Bounds
    reached: Tensor
    norms: Tensor
    complete: tuple[bool, ...]
    notes: tuple[str, ...]

    @property
    def images(self) -> Tensor:
        """The maps on the mean sample, as the classifier may be shown them, (T, channels, height, width)."""
        return (self.base + self.maps).clamp(*self.bounds)

    @property
    def pictures(self) -> Tensor:
        """The maps scaled for looking at: each from 0 to 1, zero at .5, (T, channels, height, width)."""
        limit = self.maps.abs().flatten(1).quantile(0.995, dim=1).clamp_min(1e-12)[:, None, None, None]
        return (0.5 + 0.5 * self.maps / limit).clamp(0, 1)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each target: the share of the samples that reached it, and the norm of its map."""
        import pandas as pd

        columns = {
            "target": [str(target) for target in self.targets],
            "reached": self.reached[-1].tolist(),
            "norm": self.norms[-1].tolist(),
            "complete": self.complete,
        }
        return pd.DataFrame(columns)

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"of shape": tuple(self.maps.shape[1:]), "steps": len(self.reached) - 1}

    def plot(self) -> NDArray[Any]:
        """Draw the maps of all targets, scaled for looking at, and return the array of Axes."""
        from divulge.saliency.views import gallery

        return gallery(self)


def agnostic_saliency(
    module: nn.Module,
    targets: Target | Sequence[Target],
    shape: Sequence[int],
    *,
    samples: int = 16,
    steps: int = 100,
    step_size: float = 0.05,
    norm: str = "l2",
    radius: float | None = None,
    sampler: str | Sampler = "gaussian",
    bounds: Bounds = (0.0, 1.0),
    reach: float | None = 0.9,
    layer: str | None = None,
    fourier: float = 0.0,
    autocast: torch.dtype | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> SaliencyMaps:
    """Return a picture of what a classifier holds of each target, from no input at all.

    After Akhtar and Jalwana (2023), Rethinking Interpretation: Input-agnostic Saliency Mapping of Deep Visual
    Classifiers. For a target t with the loss L_t and a map rho = 0, step k = 1, 2, ...

    1. draws x_1, ..., x_n from an unrestricted distribution and adds the map: z_i = clip(x_i + rho);
    2. differentiates the loss of each: g_i = dL_t(f(z_i)) / dz_i;
    3. accumulates moments: v <- .9 v + .1 mean_i g_i, w <- .99 w + .01 mean_i g_i^2;
    4. nudges: d = v^ / (sqrt(w^) + 1e-12), rho <- rho - step_size (high - low) d / max|d|;
    5. projects: rho <- rho min(1, radius / |rho|_2), or rho <- clip(rho, -radius, radius);
    6. stops where the wanted share of the samples z_i reached the target, until all targets are done.

    Last, with a layer, the map is refined: a = the mean of the layer's outputs over samples and channels,
    less its mean, below 0 set to 0, divided by its largest value, upsampled; rho <- rho a.

    Ours are: one map shared by fresh samples at every step, the corrected moments v^ and w^ (as Adam's), the
    division by max|d|, refining once at the end with the threshold at the mean, and the defaults.
    L_t is the cross-entropy for a class, and minus the value for a function or a unit.

    Args:
        module: maps (n, *shape) to class scores or probabilities (n, K), or to the log-odds of class 1,
            (n, 1); in evaluation mode.
        targets: one or several of: a class; a function of scores (n, K) that returns what is to be large,
            (n,); a `Unit`. A class is reached by a sample that the module assigns to it, any other target by
            a value above all those of the samples without map.
        shape: (channels, height, width) of one image.
        samples: n, drawn anew at every step.
        steps: at most.
        step_size: the largest change of a number in a step, as a share of the bounds' distance.
        norm: of the ball, "l2" or "linf".
        radius: of the ball in the units of the inputs; by default .3 of the bounds' distance for a number,
            times the root of the numbers in an image for "l2".
        sampler: "gaussian" (the bounds' middle, deviation a quarter of their distance), "uniform" between
            them, or a function of n, shape and a generator that returns samples.
        bounds: smallest and largest value of an input.
        reach: the wanted share, above 0 and at most 1; None takes all steps.
        layer: name of the layer to refine with.
        fourier: above 0, each step's spectrum is divided by max(1, |k|)^fourier, k the whole cycles along an
            image: what descent on Fourier coefficients scaled by |k|^(-fourier/2) does. 1 to 2 is smooth.
        autocast: torch.bfloat16 or torch.float16 for mixed precision.
        seed: of the samples.
        progress: called with the steps done and the number of all.

    Raises:
        TypeError: module is no torch module.
        ValueError: the module is in training mode or refuses the shape; no such target, layer or
            option; a loss that is NaN.
    """
    model = classifier(module, shape)
    wanted = as_tuple(targets)
    check_targets(model, wanted)
    check_bounds(bounds)
    check_least(step_size=(step_size, 0))
    span = bounds[1] - bounds[0]
    if radius is None:
        radius = 0.3 * span * (model.shape[0] * model.shape[1] * model.shape[2]) ** (norm == "l2" and 0.5)
    run = _Run(
        model, samples, steps, step_size * span, norm, radius, _sampler(sampler, bounds), bounds, reach,
        layer, fourier, autocast, seed, progress,
    )  # fmt: skip
    run.check()
    return run.result(wanted)


@dataclass
class _Run:
    """One call's settings, as `agnostic_saliency` explains them; step_size in the units of the inputs."""

    model: Classifier
    samples: int
    steps: int
    step_size: float
    norm: str
    radius: float
    sampler: Sampler
    bounds: Bounds
    reach: float | None
    layer: str | None
    fourier: float
    autocast: torch.dtype | None
    seed: int
    progress: OnProgress | None

    def check(self) -> None:
        """Raise ValueError for a setting that cannot be."""
        check_least(samples=(self.samples, 1), steps=(self.steps, 0))
        check_least(radius=(self.radius, 0), fourier=(self.fourier, 0))
        if self.norm not in ("l2", "linf"):
            raise ValueError(f"expected norm 'l2' or 'linf', got {self.norm!r}")
        if self.reach is not None and not 0 < self.reach <= 1:
            raise ValueError(f"expected reach above 0 and at most 1, got {self.reach}")
        if self.layer is not None:
            check_layer(self.model, self.layer)

    def result(self, targets: tuple[Target, ...]) -> SaliencyMaps:
        """Return the maps of all targets, found group by group."""
        parts = []
        for group in self.model.groups(len(targets), self.samples):
            parts.append(self._maps(targets[group]))
        length = max(len(shares) for _, shares, _ in parts)
        shares, sizes = (torch.cat([_lengthened(part[i], length) for part in parts], dim=1) for i in (1, 2))
        complete = tuple(bool(share >= (self.reach or 0)) for share in shares[-1])
        notes = tuple(
            f"target {target} was reached by {float(share):.0%} of the samples within {self.steps} steps"
            for target, share, done in zip(targets, shares[-1], complete, strict=True)
            if not done
        )
        draws = self.sampler(256, self.model.shape, torch.Generator().manual_seed(self.seed))
        maps = torch.cat([maps for maps, _, _ in parts]).cpu()
        base = draws.to(maps).mean((0, 2, 3), keepdim=True)[0].expand(self.model.shape)
        return SaliencyMaps(targets, maps, base, self.bounds, shares, sizes, complete, notes)

    def _maps(self, targets: tuple[Target, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps (T, channels, height, width), shares and norms (steps + 1, T)."""
        generator = torch.Generator().manual_seed(self.seed)
        maps = self.model.tensor(torch.zeros(len(targets), *self.model.shape))
        moments = Moments(maps, 0.9, 0.99)
        active = torch.ones(len(targets), dtype=torch.bool, device=maps.device)
        shares: list[Tensor] = []
        sizes: list[Tensor] = []
        before: Tensor | None = None
        layers = [t.layer for t in targets if isinstance(t, Unit)] + ([self.layer] if self.layer else [])
        with watched(self.model.module, layers) as activations:
            for step in range(self.steps + 1):
                x = self.sampler(self.samples, self.model.shape, generator)
                gradients, values, scores = self._differentiate(
                    targets, maps, self.model.tensor(x), activations
                )
                check_loss(-values.mean(1), targets, step)
                before = values if before is None else before
                share = _reached(targets, scores, values, before)
                share = torch.where(active, share, shares[-1] if shares else share)
                shares.append(share)
                sizes.append(self._size(maps).cpu())
                active &= share < (2 if self.reach is None else self.reach)
                if step == self.steps or not bool(active.any()):
                    break
                direction = moments.direction(gradients.mean(1), (gradients**2).mean(1))
                maps = torch.where(active[:, None, None, None], self._nudged(maps, direction), maps)
                if self.progress is not None:
                    self.progress(step + 1, self.steps)
            if self.layer is not None:
                maps = maps * self._attention(activations.seen[self.layer], len(targets))
        return maps, torch.stack(shares).cpu(), torch.stack(sizes)

    def _differentiate(
        self, targets: tuple[Target, ...], maps: Tensor, x: Tensor, activations: Activations
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return dL/dz (T, n, ...), values (T, n) and scores (T, n, K) of samples with maps."""
        z = (x[None] + maps[:, None]).clamp(*self.bounds).flatten(0, 1).requires_grad_()
        with torch.enable_grad(), self._precision():
            scores = split(self.model.module(z), len(targets))
            values = torch.stack(
                [
                    value(target, scores[i], self._part(activations, i, len(targets)))
                    for i, target in enumerate(targets)
                ]
            )
        (gradient,) = torch.autograd.grad(-values.float().sum(), z)
        return split(gradient, len(targets)), values.detach().float(), scores.detach()

    def _part(self, activations: Activations, i: int, targets: int) -> Activations:
        """Return the activations of one target's samples."""
        return Activations({name: split(seen, targets)[i] for name, seen in activations.seen.items()})

    def _precision(self) -> AbstractContextManager[object]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.model.device.type, self.autocast)

    def _nudged(self, maps: Tensor, direction: Tensor) -> Tensor:
        """Take a step and return to the ball."""
        if self.fourier:
            direction = _smoothed(direction, self.fourier)
        largest = direction.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        maps = maps - self.step_size * direction / largest
        if self.norm == "linf":
            return maps.clamp(-self.radius, self.radius)
        return maps * (self.radius / norms(maps).clamp_min(1e-12)).clamp_max(1)

    def _size(self, maps: Tensor) -> Tensor:
        """Return the norm of each map, (T,)."""
        return norms(maps).flatten() if self.norm == "l2" else maps.abs().amax((1, 2, 3))

    def _attention(self, output: Tensor, targets: int) -> Tensor:
        """Return what maps are multiplied with, (T, 1, height, width), from outputs (T n, c, h, w)."""
        if output.ndim != 4:
            raise ValueError(
                f"expected a layer that returns (n, channels, height, width), {self.layer} returns "
                f"{tuple(output.shape)}"
            )
        mean = split(output.detach().float(), targets).mean((1, 2))
        above = (mean - mean.mean((1, 2), keepdim=True)).clamp_min(0)
        above = above / above.amax((1, 2), keepdim=True).clamp_min(1e-12)
        size = self.model.shape[1:]
        grown: Tensor = F.interpolate(above[:, None], size, mode="bilinear", align_corners=False)
        return grown.to(self.model.dtype)


def _sampler(sampler: str | Sampler, bounds: Bounds) -> Sampler:
    """Return the function that draws samples.

    Raises:
        ValueError: no such distribution.
    """
    low, high = bounds
    if callable(sampler):
        return sampler
    if sampler == "gaussian":
        return lambda n, shape, g: (low + high) / 2 + (high - low) / 4 * torch.randn(n, *shape, generator=g)
    if sampler == "uniform":
        return lambda n, shape, g: low + (high - low) * torch.rand(n, *shape, generator=g)
    raise ValueError(f"expected sampler 'gaussian', 'uniform' or a function, got {sampler!r}")


def _smoothed(direction: Tensor, exponent: float) -> Tensor:
    """Divide the spectrum of (T, channels, height, width) by max(1, |k|)^exponent."""
    height, width = direction.shape[-2:]
    rows = torch.fft.fftfreq(height, 1 / height, device=direction.device)
    columns = torch.fft.rfftfreq(width, 1 / width, device=direction.device)
    frequency = torch.hypot(rows[:, None], columns).clamp_min(1).to(direction.dtype)
    spectrum = torch.fft.rfft2(direction) / frequency**exponent
    smoothed: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return smoothed


def _reached(targets: tuple[Target, ...], scores: Tensor, values: Tensor, before: Tensor) -> Tensor:
    """Return the share of the samples that reached each target, float64, (T,)."""
    parts = zip(targets, scores, values, before, strict=True)
    return torch.stack([reached(*one).double().mean() for one in parts])


def _lengthened(series: Tensor, length: int) -> Tensor:
    """Repeat the last row of (steps, T) up to a length."""
    return torch.cat([series, series[-1:].expand(length - len(series), -1)])
