"""What a coded network is trained for: to answer as the model does."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.datasets import Dataset
from divulge.training.class_scores import class_scores, precision
from divulge.training.modes import evaluating
from divulge.victims import Victim

# Probabilities below it count as it: a tree's are 0 where no row was.
_LEAST_PROBABILITY = 1e-6


class Imitation:
    """A model's answers on inputs, and how far others are from them.

    Args:
        model: a victim, or a module that maps inputs (n, ...) to class scores (n, K) or the log-odds of class
            1.
        data: whose training inputs are imitated; on its test inputs agreement is measured.
        dtype: the precision of the copy.

    Raises:
        UnsupportedModel: the model is a regression.
        ValueError: no inputs in a part, outputs that are no class scores, or an answer that is no number.
    """

    def __init__(self, model: Victim | nn.Module, data: Dataset, dtype: torch.dtype) -> None:
        train, test = (torch.as_tensor(part) for part in (data.train_inputs, data.test_inputs))
        for part, what in ((train, "training"), (test, "test")):
            if not len(part):
                raise ValueError(f"expected {what} inputs in {data.name}, got none")
        scores = scores_of(model, train)
        self.inputs, self.test_inputs = train.to(dtype), test.to(dtype)
        self.probabilities = scores.softmax(dim=1).to(dtype)
        self.test_classes = scores_of(model, test).argmax(dim=1)

    def loss(self, outputs: Tensor, batch: Tensor) -> Tensor:
        """Return the mean cross entropy from the model's probabilities, of outputs on a batch of inputs.

        Raises:
            ValueError: outputs of another number of classes.
        """
        scores, told = class_scores(outputs), self.probabilities[batch]
        if scores.shape[1] != told.shape[1]:
            raise ValueError(f"expected a copy of {told.shape[1]} classes, got {scores.shape[1]}")
        return F.cross_entropy(scores, told)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Return random batches of places among the inputs, without end."""
        while True:
            yield from torch.split(torch.randperm(len(self.inputs), generator=generator), size)

    def agreement(self, outputs: Tensor) -> float:
        """Return the share of the test inputs on which outputs name the model's class."""
        scores = class_scores(outputs)
        told = scores.isfinite().all(dim=1) & (scores.argmax(dim=1) == self.test_classes)
        return float(told.double().mean())


def scores_of(model: Victim | nn.Module, inputs: Tensor) -> Tensor:
    """Return class scores (n, K) whose softmax are the model's probabilities."""
    if isinstance(model, Victim):
        model.check_names_classes()
        outputs = torch.from_numpy(model.values(inputs.flatten(1).numpy()))
        if model.tells_probabilities:
            both = torch.cat([1 - outputs, outputs], dim=1) if outputs.shape[1] == 1 else outputs
            scores = both.clamp(min=_LEAST_PROBABILITY).log()
        else:
            scores = class_scores(outputs)
    else:
        dtype = precision(model, inputs)
        with evaluating(model), torch.no_grad():
            scores = torch.cat([class_scores(model(part.to(dtype))) for part in torch.split(inputs, 1000)])
    broken = (~scores.isfinite().all(dim=1)).nonzero()
    if len(broken):
        raise ValueError(f"the model's answer on input {int(broken[0])} is no finite number")
    return scores
