"""Training a surrogate on answers."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import TypeVar

import torch
from torch import nn

from divulge.arrays import Array
from divulge.oracles import Answers
from divulge.surrogate.losses import AnswerTensors, Weights, loss, usual_weights
from divulge.training.fit import one_thread
from divulge.training.modes import copied

BATCH = 64
RATE = 2e-3
WARM_UP = 50
Module = TypeVar("Module", bound=nn.Module)
TRIED_WEIGHTS = (Weights(explanation=1.0), Weights(explanation=10.0), Weights(explanation=100.0))
LEAST_HELD_OUT = 20  # fewer answers cannot choose between weights


def train(
    module: Module,
    answers: Answers,
    input_shape: Sequence[int],
    *,
    steps: int,
    weights: Weights,
    seed: int,
    spread: Array | None = None,
    clamped: bool = False,
) -> Module:
    """Train a surrogate in place on answers with Adam, and return it in evaluation mode.

    The learning rate rises over the first steps and falls to zero along a cosine. The same arguments give the
    same surrogate for any number of threads; torch's random state is not touched.

    Args:
        module: maps (n, *input_shape) to (n, K).
        answers: what an oracle told.
        input_shape: the shape of one input.
        steps: of up to 64 answers each.
        weights: of the terms of the loss.
        seed: of the order of the answers and of the noise that explanations take.
        spread: of each number of an input, shape (d,), where they are of different units.
        clamped: as in `AnswerTensors`.
    """
    told = AnswerTensors.of(answers, next(module.parameters()).dtype, spread, clamped)
    generator = torch.Generator().manual_seed(seed)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    module.train()
    with torch.enable_grad(), one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        left: list[torch.Tensor] = []
        for _ in range(steps):
            left = left or _batches(len(told), generator)
            optimiser.zero_grad()
            batch = told.rows(left.pop()).nearby(generator)
            # With respect to the parameters alone: explanations make the inputs ask for gradients, too.
            torch.autograd.backward(loss(module, batch, weights, input_shape, generator), inputs=trained)
            optimiser.step()
            schedule.step()
    return module.eval()


def chosen_weights(
    module: nn.Module,
    answers: Answers,
    input_shape: Sequence[int],
    *,
    steps: int,
    seed: int,
    spread: Array | None = None,
    clamped: bool = False,
) -> Weights:
    """Return the weights with which a copy trained on four fifths of the answers predicts the rest best.

    Prediction is judged by the sum of the relative errors of value and explanation and the cross-entropy of
    the label, as far as they are told. Without a value or a label beside explanations, or with few answers,
    there is nothing to choose: the usual weights.
    """
    lone = answers.explanations is None or (answers.values is None and answers.labels is None)
    usual = usual_weights(answers.attribution)
    if answers.attribution is not None and not answers.attribution.imitable:
        return usual
    if lone or len(answers) < 5 * LEAST_HELD_OUT or usual != Weights():
        return usual
    cut = len(answers) - len(answers) // 5
    held_out = AnswerTensors.of(answers.rows(slice(cut, None)), next(module.parameters()).dtype, spread)
    errors = []
    for candidate in TRIED_WEIGHTS:
        trial = train(
            copied(module),
            answers.rows(slice(cut)),
            input_shape,
            steps=steps,
            weights=candidate,
            seed=seed,
            spread=spread,
            clamped=clamped,
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.enable_grad():
            found = loss(
                trial, held_out, Weights(label=1.0, value=1.0, explanation=1.0), input_shape, generator
            )
        errors.append(float(found.detach()))
    return TRIED_WEIGHTS[errors.index(min(errors))]


def _batches(n: int, generator: torch.Generator) -> list[torch.Tensor]:
    """A random order of n answers in steps."""
    order = torch.randperm(n, generator=generator)
    return list(torch.split(order, BATCH))[: max(1, n // BATCH)]


def _rate(step: int, steps: int) -> float:
    """The learning rate of a step, relative to the largest."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + cos(pi * step / steps))
