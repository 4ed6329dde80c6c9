"""How far a surrogate is from what an oracle told: one term for each part of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.attributions.from_values import ValueAttribution
from divulge.attributions.heat_map import HeatMap
from divulge.attributions.methods import Attribution, InputTimesGradient, IntegratedGradients, Saliency
from divulge.attributions.of_module import ExactIntegratedGradients
from divulge.oracles import Answers
from divulge.surrogate.explanation_errors import explanation_errors
from divulge.training.class_scores import class_scores

if TYPE_CHECKING:
    from divulge.arrays import Array
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
    if isinstance(attribution, Saliency | HeatMap):
        return Weights(label=1.0, value=0.1, explanation=0.1)
    if isinstance(attribution, ValueAttribution):  # in the unit of the values
        return Weights(label=0.1, value=1.0, explanation=3.0)
    return Weights()


@dataclass(frozen=True)
class AnswerTensors:
    """Answers as tensors in the surrogate's precision, with the scale of each part.

    Attributes:
        x: shape (n, d).
        outputs: shape (n,).
        labels, values, probabilities, explanations: as in `Answers`, or None.
        reach: how far labels and probabilities are taken to hold, one number or shape (d,).
        weigh: what errors of explanations count times, one number or shape (d,).
        beside: as in `Answers`, or None.
        clamped: whether a counterfactual counts only where the copy still names the class that it left.
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
    reach: Tensor
    weigh: Tensor
    beside: Tensor | None = None
    clamped: bool = False

    @staticmethod
    def of(
        answers: Answers, dtype: torch.dtype, spread: Array | None = None, clamped: bool = False
    ) -> AnswerTensors:
        """Convert answers; scales are the values' variance and the explanations' mean square.

        Where columns are of different units their spread (d,) is given: gradients count times it, so that
        none counts more for its unit, and labels reach a share of each one's.

        The reach of labels and probabilities is a share of the root mean square deviation of a coordinate of
        the points from its mean; that of values and explanations is 0, and
        that of counterfactuals.
        """

        def real(part: object) -> Tensor | None:
            return None if part is None else torch.as_tensor(part).to(dtype)

        values, explanations = real(answers.values), real(answers.explanations)
        x = torch.as_tensor(answers.points).to(dtype)
        unit = None if spread is None else torch.from_numpy(spread).to(dtype)
        per_unit = answers.attribution is not None and not _adds_up(answers.attribution)
        weigh = unit if per_unit and unit is not None else torch.ones((), dtype=dtype)
        moves = values is not None or explanations is not None or answers.beside is not None
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
            else _positive(float((explanations * weigh).square().sum(dim=1).mean())),
            reach=torch.zeros(()) if moves else NEARBY * _spread(x, unit),
            weigh=weigh,
            beside=None if answers.beside is None else torch.as_tensor(answers.beside),
            clamped=clamped,
        )

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Tensor) -> AnswerTensors:
        """Return some of the answers, with the scales of all."""
        parts = ("x", "outputs", "labels", "values", "probabilities", "explanations", "beside")
        return replace(
            self, **{name: part[index] for name in parts if (part := getattr(self, name)) is not None}
        )

    def nearby(self, generator: torch.Generator) -> AnswerTensors:
        """Return labels or probabilities as if told of x + e, e normal of size `reach` in each coordinate.

        Values and explanations stay where they are: they would move with x.
        """
        if not self.reach.any():
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
    errors = None
    imitated = told.attribution is not None and told.attribution.imitable
    if told.explanations is not None and weights.explanation and imitated:
        logits, errors = explanation_errors(module, told, input_shape, generator)
    else:
        logits = module(told.x.reshape(-1, *input_shape))
    total = logits.new_zeros(())
    if told.labels is not None or told.probabilities is not None:
        scores = class_scores(logits)
        count = 1.0 if errors is None else weights.label
        each = F.cross_entropy(scores, _classes(told, scores), reduction="none")
        total = total + count * (each * _counted(told, scores)).mean()
    if told.values is not None:
        chosen = logits.gather(1, told.outputs[:, None])[:, 0]
        total = total + weights.value * (chosen - told.values).square().mean() / told.value_scale
    if errors is not None:
        product = (errors[0] * errors[-1]).sum(dim=1).mean()
        total = total + weights.explanation * product / told.explanation_scale
    return total


def _classes(told: AnswerTensors, scores: Tensor) -> Tensor:
    """What cross-entropy is taken with: labels (n,), or probabilities (n, K) as told.

    A counterfactual lies at the border of two classes and is taken for half of each (the clamping of
    P. Dissanayake, S. Dutta, "Model Reconstruction Using Counterfactual Explanations", 2024).
    """
    target = told.labels if told.probabilities is None else told.probabilities
    assert target is not None
    if told.beside is None or told.probabilities is not None:
        return target
    own, other = (F.one_hot(part.clamp_min(0), scores.shape[1]).to(scores) for part in (target, told.beside))
    return torch.where((told.beside >= 0)[:, None], (own + other) / 2, own)


_IN_UNITS_OF_THE_SCORE = (ValueAttribution, IntegratedGradients, ExactIntegratedGradients, InputTimesGradient)


def _counted(told: AnswerTensors, scores: Tensor) -> Tensor:
    """1 for answers (n,) that count, 0 for clamped counterfactuals that scores (n, K) name as told."""
    if told.beside is None or told.labels is None or not told.clamped:
        return scores.new_ones(len(scores))
    own = scores.gather(1, told.labels[:, None])[:, 0]
    left = scores.gather(1, told.beside.clamp_min(0)[:, None])[:, 0]
    return ((told.beside < 0) | (own <= left)).to(scores)


def _adds_up(attribution: Attribution) -> bool:
    """Whether an explanation is a share of the score, in the score's unit, and no gradient in x's."""
    return isinstance(attribution, _IN_UNITS_OF_THE_SCORE)


def _spread(x: Tensor, unit: Tensor | None) -> Tensor:
    """The root mean square deviation of a coordinate of points (n, d), or each one's where it is given."""
    return x.var(dim=0, correction=0).mean().sqrt() if unit is None else unit


def _positive(scale: float) -> float:
    """A scale to divide by."""
    return scale if scale > 0 else 1.0
