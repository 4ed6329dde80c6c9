"""How far a surrogate is from what an oracle told: one term for each part of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.attributions.methods import Attribution, Saliency
from divulge.oracles import Answers
from divulge.training.class_scores import class_scores

if TYPE_CHECKING:
    from divulge.oracles.explained import Imitation

NEARBY = 0.8  # how far a label or probabilities are taken to hold, of the spread of the points


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What each term of the loss counts.

    Attributes:
        label: cross-entropy with the class or the probabilities told, where explanations are told too; else
            it counts 1.
        value: squared error of the values over their variance.
        explanation: squared error of the explanations over their mean square.
    """

    label: float = 0.1
    value: float = 0.1
    explanation: float = 10.0

    def __post_init__(self) -> None:
        for name in ("label", "value", "explanation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"expected a weight of at least 0 for {name}, got {getattr(self, name)}")


def usual_weights(attribution: Attribution | None) -> Weights:
    """Return the weights to begin with; absolute gradients are those of -f too and count little."""
    if isinstance(attribution, Saliency):
        return Weights(label=1.0, value=0.1, explanation=0.1)
    return Weights()


@dataclass(frozen=True)
class AnswerTensors:
    """Answers as tensors in the surrogate's precision, with the scale of each part.

    Attributes:
        x: shape (n, d).
        outputs: shape (n,).
        labels, values, probabilities, explanations: as in `Answers`, or None.
    """

    x: Tensor
    outputs: Tensor
    labels: Tensor | None
    values: Tensor | None
    probabilities: Tensor | None
    explanations: Tensor | None
    attribution: Attribution | None
    imitations: tuple[Imitation, ...]
    value_scale: float
    explanation_scale: float
    reach: float

    @staticmethod
    def of(answers: Answers, dtype: torch.dtype) -> AnswerTensors:
        """Convert answers; scales are the values' variance and the explanations' mean square.

        The reach of labels and probabilities is a share of the root mean square deviation of a coordinate of
        the points from its mean; that of values and explanations is 0.
        """

        def real(part: object) -> Tensor | None:
            return None if part is None else torch.as_tensor(part).to(dtype)

        values, explanations = real(answers.values), real(answers.explanations)
        x = torch.as_tensor(answers.points).to(dtype)
        moves = values is not None or explanations is not None
        return AnswerTensors(
            x=x,
            outputs=torch.as_tensor(answers.outputs),
            labels=None if answers.labels is None else torch.as_tensor(answers.labels),
            values=values,
            probabilities=real(answers.probabilities),
            explanations=explanations,
            attribution=answers.attribution,
            imitations=answers.imitations,
            value_scale=1.0 if values is None else _positive(float(values.var(correction=0))),
            explanation_scale=1.0
            if explanations is None
            else _positive(float(explanations.square().sum(dim=1).mean())),
            reach=0.0 if moves else NEARBY * float(x.var(dim=0, correction=0).mean().sqrt()),
        )

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Tensor) -> AnswerTensors:
        """Return some of the answers, with the scales of all."""
        parts = ("x", "outputs", "labels", "values", "probabilities", "explanations")
        return replace(
            self, **{name: part[index] for name in parts if (part := getattr(self, name)) is not None}
        )

    def nearby(self, generator: torch.Generator) -> AnswerTensors:
        """Return labels or probabilities as if told of x + e, e normal of size `reach` in each coordinate.

        Values and explanations stay where they are: they would move with x.
        """
        if not self.reach:
            return self
        e = self.reach * torch.randn(self.x.shape, generator=generator, dtype=self.x.dtype)
        return replace(self, x=self.x + e)


def loss(
    module: nn.Module,
    told: AnswerTensors,
    weights: Weights,
    input_shape: Sequence[int],
    generator: torch.Generator,
) -> Tensor:
    """The weighted sum of the terms for what was told.

    An explanation that averages over noise is estimated twice, from halves of the noise, and the product of
    the two errors taken: its mean has none of the noise in it, as the square would.
    """
    sides = None
    if told.explanations is not None and weights.explanation:
        logits, sides = estimates(module, told, input_shape, generator)
    else:
        logits = module(told.x.reshape(-1, *input_shape))
    total = logits.new_zeros(())
    if told.labels is not None or told.probabilities is not None:
        target = told.labels if told.probabilities is None else told.probabilities
        assert target is not None
        total = total + (1.0 if sides is None else weights.label) * F.cross_entropy(
            class_scores(logits), target
        )
    if told.values is not None:
        chosen = logits.gather(1, told.outputs[:, None])[:, 0]
        total = total + weights.value * (chosen - told.values).square().mean() / told.value_scale
    if sides is not None:
        assert told.explanations is not None
        errors = [side - told.explanations for side in sides]
        product = (errors[0] * errors[-1]).sum(dim=1).mean()
        total = total + weights.explanation * product / told.explanation_scale
    return total


def estimates(
    module: nn.Module, told: AnswerTensors, input_shape: Sequence[int], generator: torch.Generator
) -> tuple[Tensor, list[Tensor]]:
    """Logits (n, K) and one or two estimates of the surrogate's explanations, each (n, d), differentiable."""
    assert told.attribution is not None
    attribution = told.attribution.lighter()
    n, d = told.x.shape
    noise = torch.randn(n, attribution.draws, d, generator=generator, dtype=told.x.dtype)
    outputs, gradients = at_places(module, attribution, told.x, told.outputs, noise, input_shape)
    m = gradients.shape[1]
    logits = outputs if attribution.at_the_input else module(told.x.reshape(-1, *input_shape))
    halves = torch.split(gradients, m // 2, dim=1)[:2] if attribution.draws > 1 else (gradients,)
    sides = [attribution.combine(told.x, half) for half in halves]
    for imitation in told.imitations:
        assert told.explanations is not None
        sides = [imitation(side, told.explanations) for side in sides]
    return logits, sides


def at_places(
    module: nn.Module,
    attribution: Attribution,
    x: Tensor,
    named: Tensor,
    noise: Tensor,
    input_shape: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """A module's outputs (n m, K) at an attribution's places and gradients there (n, m, d), differentiable.

    Args:
        module: maps (n, *input_shape) to (n, K).
        attribution: says where.
        x: shape (n, d).
        named: the outputs that are explained, shape (n,).
        noise: standard normal, shape (n, draws, d).
        input_shape: the shape of one input.
    """
    places = attribution.places(x, noise)
    n, m, d = places.shape
    flat = places.reshape(-1, d).detach().requires_grad_()
    outputs = module(flat.reshape(-1, *input_shape))
    scores = class_scores(outputs).softmax(dim=1) if attribution.of_probability else outputs
    chosen = scores.gather(1, named.repeat_interleave(m)[:, None])
    (gradients,) = torch.autograd.grad(chosen.sum(), flat, create_graph=True)
    return outputs, gradients.reshape(n, m, d)


def _positive(scale: float) -> float:
    """A scale to divide by."""
    return scale if scale > 0 else 1.0
