"""Metagradients: test quantities derived by each sample's weight, through the training run itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from divulge.conventions import OnProgress
from divulge.influence.arguments import check_alike, check_rows
from divulge.influence.batches import Rates, drawn_batches, given_batches, read_rates
from divulge.influence.losses import LossFunction, output_function, resolve_loss
from divulge.influence.operators import Array, blocks
from divulge.influence.optimizers import Adam, Optimizer, Sgd
from divulge.influence.parts import mapped
from divulge.influence.per_sample import applied, check_values
from divulge.influence.positions import Positions
from divulge.influence.prepared import prepare
from divulge.influence.replay import Replay
from divulge.influence.samples import Samples, read_samples
from divulge.influence.task import Task
from divulge.training.modes import copied

__all__ = ["Metagradients", "TrainingRun"]

_PLAIN = Sgd()
_BLOCK = 64


@dataclass(frozen=True)
class Metagradients:
    """Derivatives through a training run.

    Attributes:
        scores: (m, n), n times d f(t) / d w_i, the scale and the sign of `Influence.scores`: above zero where
            more of sample i raises f.
        values: (m,), f of the trained module.
        since: (m,), the first step whose samples' weights are accounted for: 0, but after Ctrl-C, where the
            run was followed back no farther; the number of steps for a test point that nothing is known of.
        steps: of the run.
    """

    scores: Array
    values: NDArray[np.float64]
    since: NDArray[np.int64]
    steps: int

    @property
    def complete(self) -> bool:
        """Whether all test points were followed back to the beginning."""
        return not self.since.any()

    def leave_one_out(self) -> Array:
        """Return the predicted change (m, n) of f where a sample's weight is 0 in all steps."""
        return np.asarray(-self.scores / self.scores.shape[1], self.scores.dtype)


class TrainingRun:
    """A training run that can be taken again with other weights of its samples, and derived by them.

    Step t takes the optimizer one step along the gradient of (1 / b) sum of w_i L(z_i) over its batch of b
    samples; all w_i are 1. Batches, their order and the parameters that training begins with are fixed, so
    that the trained parameters are a function of w, and so is f of a test point. `metagradients` derives it
    exactly, by following the run back step by step (Engstrom et al. 2025; Ilyas and Engstrom 2025): nothing
    has to have converged, and nothing is inverted. The memory is that of about 2 sqrt(steps) states of the
    optimizer, and the time that of the run, twice, and of a double backward pass for each step and test
    point.

    Activations should be smooth (GELU, tanh): where a run crosses the kinks of a ReLU, derivatives are exact
    and yet say little about steps as large as leaving a sample out. So they do where training is chaotic,
    that is where small changes grow.

    Args:
        module: with the parameters that training begins with, in evaluation mode, in which it is trained: no
            dropout, and batch normalisation as it stands. It stays as it is; the run keeps to the tensors of
            now, and refuses once modes, layers or hooks are others.
        train: as for `Influence`.
        task: as for `Influence`.
        loss: as for `Influence`.
        optimizer: `Sgd`, `Adam` or `AdamW`.
        learning_rate: of all steps, a list of one each, or a function of the step's number from 0 on.
        epochs: passes over the data, each in an order of its own.
        batch_size: samples a step.
        batches: in the place of the last two, the rows (b,) of each step: a run that took place elsewhere.
        parameters: that are trained, by name or pattern as for `Influence`; the others stay.
        temperature: of the smooth hinge.
        seed: of the order.

    Attributes:
        batches: the rows of each step.
        rates: the learning rate of each step.

    Raises:
        ValueError: an argument that cannot be used, named in the message.
        TypeError: module, train or optimizer is something else.
    """

    def __init__(
        self,
        module: nn.Module,
        train: Any,
        *,
        task: Task | None = None,
        loss: str | LossFunction = "cross_entropy",
        optimizer: Optimizer = _PLAIN,
        learning_rate: Rates = 0.01,
        epochs: int = 1,
        batch_size: int = 32,
        batches: Sequence[ArrayLike] | None = None,
        parameters: Sequence[str] | None = None,
        temperature: float = 0.001,
        seed: int = 0,
    ) -> None:
        if task is not None and not isinstance(task, Task):
            raise TypeError(f"expected task as a divulge.influence.Task, got {task!r}")
        if task is not None and loss != "cross_entropy":
            raise ValueError("expected one loss, got one in task= and another as loss=")
        if not isinstance(optimizer, (Sgd, Adam)):
            raise TypeError(f"expected optimizer as Sgd(), Adam() or AdamW(), got {optimizer!r}")
        self.task = task or Task(loss=loss)
        positions = Positions(self.task.positions, self.task.ignore_index)
        self.loss = resolve_loss(self.task.loss, temperature, positions)
        given = read_samples(train, "training")
        rows = len(given)
        if batches is None:
            self.batches = drawn_batches(rows, batch_size, epochs, seed)
        else:
            self.batches = given_batches(batches, rows)
        self.rates = read_rates(learning_rate, len(self.batches))
        self._prepared = prepare(module, parameters, self.loss, given, _BLOCK, False, self.task.call)
        self._replay = Replay(
            self._prepared.snapshot,
            self.loss,
            self._prepared.train,
            optimizer,
            self.batches,
            self.rates,
        )

    def trained(self, weights: ArrayLike | None = None) -> nn.Module:
        """Return a copy of the module, trained with the samples' weights (n,), by default 1 each.

        Raises:
            ValueError: weights of another shape or not finite, or training leaves the finite numbers.
        """
        theta = self._replay.forward(self._weights(weights), _silent).final[0]
        snapshot = self._prepared.snapshot
        module = copied(snapshot.module)
        snapshot.fill(module, self._replay.split(theta))
        return module

    def values(
        self,
        test: Any,
        weights: ArrayLike | None = None,
        rows: ArrayLike | None = None,
        of: str | LossFunction | None = None,
    ) -> NDArray[np.float64]:
        """Return f (m,) of test points after training.

        Args:
            test: as for `Influence.scores`.
            weights: (n,), of the samples, by default 1 each.
            rows: in the place of weights, the samples whose weight is 1, those of the others being 0. With
                `functools.partial(run.values, test, None)` this is what `linear_datamodeling_score` takes.
            of: as for `Influence.scores`.
        """
        if weights is not None and rows is not None:
            raise ValueError("expected weights or rows, got both")
        if rows is not None:
            weights = np.isin(
                np.arange(len(self._prepared.train)), check_rows(rows, len(self._prepared.train))
            )
        samples = self._checked(test)
        theta = self._replay.forward(self._weights(weights), _silent).final[0]
        return self._values(samples, theta, self._function(of))

    def metagradients(
        self,
        test: Any,
        of: str | LossFunction | None = None,
        *,
        weights: ArrayLike | None = None,
        together: bool = False,
        progress: OnProgress | None = None,
    ) -> Metagradients:
        """Return the derivatives of f at test points by the samples' weights.

        Ctrl-C, once the run has been taken, returns what is known: see `Metagradients.since`.

        Args:
            test: as for `Influence.scores`.
            of: as for `Influence.scores`.
            weights: (n,), those at which the derivative is taken, by default 1 each.
            together: derive the mean of f over the test points, m = 1, at the cost of a single one.
            progress: called after each step, forward or back, of each block of 64 test points.

        Raises:
            ValueError: test points that do not fit the training data, weights that are none, or numbers that
                leave the finite ones, by training or by deriving it.
            KeyboardInterrupt: during training.
        """
        samples, function, chosen = self._checked(test), self._function(of), self._weights(weights)
        n, steps, m = len(self._prepared.train), len(self.batches), len(samples)
        parts = list(blocks(m, m if together else _BLOCK))
        done = _counted(progress, steps * (1 + len(parts)))
        tape = self._replay.forward(chosen, done)
        theta = tape.final[0]
        values = self._values(samples, theta, function)
        scores, since = np.zeros((1 if together else m, n), self._prepared.autograd.dtype), np.full(m, steps)
        try:
            for part in parts:
                slopes = self._slopes(samples, part, theta, function, together)
                place = slice(0, 1) if together else part
                for step, back in self._replay.backward(tape, chosen, slopes):
                    np.add.at(scores[place].T, self.batches[step], back.T.cpu().numpy())
                    since[part] = step
                    done()
        except KeyboardInterrupt:
            pass
        if together:
            values, since = values.mean(keepdims=True), since[:1]
        return Metagradients(n * scores, values, since, steps)

    def _function(self, of: str | LossFunction | None) -> LossFunction:
        return output_function(self.task.of if of is None else of, self.loss)

    def _checked(self, test: Any) -> Samples:
        """Return test points whose shape and targets fit the training data."""
        samples, train = read_samples(test, "test"), self._prepared.train
        check_alike(samples.inputs, train.inputs, whole=train.integers)
        samples = replace(samples, integers=train.integers)
        return samples.checked(self.loss, self._prepared.outputs, "test")

    def _weights(self, weights: ArrayLike | None) -> Tensor:
        """Return the samples' weights (n,) as a tensor beside the parameters."""
        n, first = len(self._prepared.train), self._prepared.snapshot.tensors[0]
        array = np.ones(n) if weights is None else np.asarray(weights)
        if array.shape != (n,) or array.dtype.kind not in "buif" or not np.isfinite(array).all():
            raise ValueError(
                f"expected {n} finite weights, one a training sample, "
                f"got {array.dtype} of shape {array.shape}"
            )
        return torch.from_numpy(array.astype(np.float64)).to(first.device, first.dtype)

    def _values(self, samples: Samples, theta: Tensor, function: LossFunction) -> NDArray[np.float64]:
        """Return f (m,) at parameters (P,)."""
        parts = []
        for part in blocks(len(samples), _BLOCK):
            values = self._replay.at(theta, self._asked(samples, part, function)).detach()
            parts.append(values.cpu().double().numpy())
        return np.concatenate(parts)

    def _slopes(
        self, samples: Samples, rows: slice, theta: Tensor, function: LossFunction, together: bool
    ) -> Tensor:
        """Return the gradients of f at some of the test points (m, P), or that of their mean (1, P)."""
        found = []
        for part in blocks(rows.stop - rows.start, _BLOCK):
            values = self._asked(samples, slice(rows.start + part.start, rows.start + part.stop), function)

            def each(leaf: Tensor, values: Callable[[Tensor], Tensor] = values) -> Tensor:
                return torch.stack(
                    [torch.autograd.grad(value, leaf, retain_graph=True)[0] for value in values(leaf)]
                )

            gradients = self._replay.at(theta, each)
            found.append(gradients.sum(0, keepdim=True) if together else gradients)
        return torch.cat(found).sum(0, keepdim=True) / len(samples) if together else torch.cat(found)

    def _asked(self, samples: Samples, part: slice, function: LossFunction) -> Callable[[Tensor], Tensor]:
        """Return f (k,) of some test points as a function of the parameters in the module."""

        def values(theta: Tensor) -> Tensor:
            inputs, targets = samples.batch(part, theta.dtype)
            outputs = self._replay.snapshot.outputs(mapped(lambda one: one.to(theta.device), inputs))
            targets = targets.to(theta.device)
            found = applied(function, outputs, targets)
            check_values(function, outputs, targets, found)
            return found

        return values


def _silent() -> None:
    """Say nothing of a step that was taken."""


def _counted(progress: OnProgress | None, total: int) -> Callable[[], None]:
    """Return what tells progress that one more part of all is done."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return tick
