"""How far a copy's explanations are from those told, each estimated twice where noise is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from divulge.attributions.from_values import ValueAttribution
from divulge.attributions.methods import Attribution
from divulge.training.class_scores import class_scores

if TYPE_CHECKING:
    from divulge.surrogate.losses import AnswerTensors

_NUMBERS = 2  # of an answer's SHAP values, looked at in a step
# Outputs of a copy that a step looks at to make LIME anew: with 100 samples those of 16 answers.
# Those of all 64 took more than a minute of processor time for a curve of three points, SHAP values 14 s.
_PLACES = 1600


def explanation_errors(
    module: nn.Module, told: AnswerTensors, input_shape: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, list[Tensor]]:
    """Logits (n, K) and one or two estimates of the errors of explanations, each (n, w), differentiable.

    Two estimates are of halves of the noise: the mean of their product has none of the noise in it. Of those
    made of values a few numbers drawn at random are looked at, w < d, and scaled so that the mean square is
    that of all.
    """
    assert told.explanations is not None
    alone = isinstance(told.attribution, ValueAttribution) and told.attribution.by_numbers
    if alone and not told.imitations and told.x.shape[1] > _NUMBERS:
        assert isinstance(told.attribution, ValueAttribution)
        return _of_some_numbers(module, told.attribution, told, input_shape, generator)
    logits, sides = estimates(module, told, input_shape, generator)
    return logits, [(side - told.explanations[: len(side)]) * told.weigh for side in sides]


def _of_some_numbers(
    module: nn.Module,
    attribution: ValueAttribution,
    told: AnswerTensors,
    input_shape: Sequence[int],
    generator: torch.Generator,
) -> tuple[Tensor, list[Tensor]]:
    """Errors (n, w) of a few numbers of an explanation made of values, from noise of its own each, twice."""
    assert told.explanations is not None
    n, d = told.x.shape
    which = torch.rand(n, d, generator=generator).topk(_NUMBERS).indices
    wanted = told.explanations.gather(1, which)
    scale = (d / _NUMBERS) ** 0.5
    errors = []
    for _ in range(2):
        noise = torch.randn(n, 2 * _NUMBERS, d, generator=generator, dtype=told.x.dtype)
        places = attribution.around(told.x, which, noise)
        _, values = values_at(module, attribution, places, told.outputs, input_shape)
        errors.append((values[:, 1::2] - values[:, 0::2] - wanted) * scale)
    return module(told.x.reshape(-1, *input_shape)), errors


def estimates(
    module: nn.Module, told: AnswerTensors, input_shape: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, list[Tensor]]:
    """Logits (n, K) and one or two estimates of the surrogate's explanations, each (m, d), differentiable.

    Of LIME the first m answers' are, as many as fit in a step; of others all are, m = n.
    """
    assert told.attribution is not None
    attribution = told.attribution.lighter()
    d = told.x.shape[1]
    if isinstance(attribution, ValueAttribution):
        return _of_some_answers(module, attribution, told, input_shape, generator)
    n = len(told)
    noise = torch.randn(n, attribution.draws, d, generator=generator, dtype=told.x.dtype)
    outputs, gradients = at_places(module, attribution, told.x, told.outputs, noise, input_shape)
    m = gradients.shape[1]
    logits = outputs if attribution.at_the_input else module(told.x.reshape(-1, *input_shape))
    halves = torch.split(gradients, m // 2, dim=1)[:2] if attribution.draws > 1 else (gradients,)
    return logits, _imitated([attribution.combine(told.x, half) for half in halves], told)


def _of_some_answers(
    module: nn.Module,
    attribution: ValueAttribution,
    told: AnswerTensors,
    input_shape: Sequence[int],
    generator: torch.Generator,
) -> tuple[Tensor, list[Tensor]]:
    """What `estimates` returns, of explanations made of values."""
    d = told.x.shape[1]
    most = len(told) if attribution.by_numbers else max(1, _PLACES // attribution.count(d))
    few = told if most >= len(told) else told.rows(torch.arange(most))
    noise = torch.randn(len(few), attribution.draws, d, generator=generator, dtype=told.x.dtype)
    half, parts = attribution.halves(noise)
    found = [at_places(module, half, few.x, few.outputs, part, input_shape)[1] for part in parts]
    sides = [half.combine(few.x, *both) for both in zip(found, parts, strict=True)]
    return module(told.x.reshape(-1, *input_shape)), _imitated(sides, few)


def _imitated(sides: list[Tensor], told: AnswerTensors) -> list[Tensor]:
    """Estimates of explanations, each (n, d), changed as defences changed those told."""
    for imitation in told.imitations:
        assert told.explanations is not None
        sides = [imitation(side, told.explanations) for side in sides]
    return sides


def at_places(
    module: nn.Module,
    attribution: Attribution,
    x: Tensor,
    named: Tensor,
    noise: Tensor,
    input_shape: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """A module's outputs (n m, K) at an attribution's places, and gradients (n, m, d) or values (n, m) there.

    All are differentiable.

    Args:
        module: maps (n, *input_shape) to (n, K).
        attribution: says where.
        x: shape (n, d).
        named: the outputs that are explained, shape (n,).
        noise: standard normal, shape (n, draws, d).
        input_shape: the shape of one input.
    """
    places = attribution.places(x, noise)
    if attribution.of_values:
        return values_at(module, attribution, places, named, input_shape)
    n, m, d = places.shape
    flat = places.reshape(-1, d).detach().requires_grad_()
    outputs = module(flat.reshape(-1, *input_shape))
    (gradients,) = torch.autograd.grad(_chosen(outputs, attribution, named, m).sum(), flat, create_graph=True)
    return outputs, gradients.reshape(n, m, d)


def values_at(
    module: nn.Module, attribution: Attribution, places: Tensor, named: Tensor, input_shape: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """A module's outputs (n m, K) at places (n, m, d), and of them those that are named, (n, m)."""
    n, m, _ = places.shape
    outputs = module(places.reshape(-1, *input_shape))
    return outputs, _chosen(outputs, attribution, named, m).reshape(n, m)


def _chosen(outputs: Tensor, attribution: Attribution, named: Tensor, m: int) -> Tensor:
    """Of outputs (n m, K) those named (n,), or their probabilities, shape (n m, 1)."""
    scores = class_scores(outputs).softmax(dim=1) if attribution.of_probability else outputs
    return scores.gather(1, named.repeat_interleave(m)[:, None])
