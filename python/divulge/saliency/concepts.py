"""What a map may be asked to show: a class, a function of the scores, or a hidden unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.saliency.arguments import Classifier
from divulge.training.class_scores import check_class, class_scores


@dataclass(frozen=True)
class Unit:
    """A hidden unit: the mean, over all places, of one channel of a layer's output.

    Attributes:
        layer: its name in `module.named_modules()`.
        channel: index along the output's second axis.
    """

    layer: str
    channel: int


# A class, a function of scores (n, K) that returns what is to be large (n,), or a hidden unit.
Target = int | Unit | Callable[[Tensor], Tensor]


@dataclass
class Activations:
    """The outputs of layers in the latest forward pass, by name."""

    seen: dict[str, Tensor] = field(default_factory=dict)


@contextmanager
def watched(module: nn.Module, layers: Sequence[str]) -> Iterator[Activations]:
    """Note what layers return, as long as the context lasts."""
    activations = Activations()
    named = dict(module.named_modules())

    def note(name: str) -> Callable[..., None]:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            activations.seen[name] = output

        return hook

    handles = [named[name].register_forward_hook(note(name)) for name in dict.fromkeys(layers)]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()


def check_targets(model: Classifier, targets: Sequence[Target]) -> None:
    """Raise ValueError for a target that the module does not have."""
    if not len(targets):
        raise ValueError("expected at least one target, got none")
    for target in targets:
        if isinstance(target, Unit):
            check_layer(model, target.layer)
        elif not callable(target):
            check_class("a target", target, max(2, model.outputs))


def check_layer(model: Classifier, layer: str) -> None:
    """Raise ValueError for a layer that there is not."""
    names = [name for name, _ in model.module.named_modules() if name]
    if layer not in names:
        raise ValueError(f"expected a layer named {', '.join(names)}, got {layer!r}")


def log_scores(scores: Tensor) -> Tensor:
    """Return log-probabilities (n, K) of scores, which may be probabilities themselves."""
    likely = scores.detach()
    if bool((likely >= 0).all()) and bool(((likely.sum(1) - 1).abs() < 1e-3).all()):
        return scores.clamp_min(1e-30).log()
    return F.log_softmax(scores, 1)


def value(target: Target, scores: Tensor, activations: Activations) -> Tensor:
    """Return what is to become large, shape (n,): log-probability, the function's value, or activation."""
    if isinstance(target, Unit):
        output = activations.seen[target.layer]
        if not 0 <= target.channel < output.shape[1]:
            raise ValueError(
                f"expected a channel from 0 to {output.shape[1] - 1} of {target.layer}, got {target.channel}"
            )
        return output[:, target.channel].flatten(1).mean(1)
    if callable(target):
        result = target(scores)
        if result.shape != scores.shape[:1]:
            raise ValueError(
                f"expected a function of scores that returns shape {tuple(scores.shape[:1])}, "
                f"got {tuple(result.shape)}"
            )
        return result
    return log_scores(class_scores(scores))[:, target]


def reached(target: Target, scores: Tensor, values: Tensor, before: Tensor) -> Tensor:
    """Say which samples (n,) reached a target: the class is named, or the value is above all those before."""
    if isinstance(target, int):
        return class_scores(scores).argmax(1) == target
    return values > before.max()


def as_tuple(targets: Target | Sequence[Target]) -> tuple[Target, ...]:
    """Return one target, or several, as a tuple."""
    if isinstance(targets, Sequence):
        return tuple(targets)
    if isinstance(targets, torch.Tensor):
        return tuple(int(t) for t in targets.reshape(-1))
    return (targets,)
