"""A training run taken step by step, and derivatives taken back through it with few states in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.losses import Loss
from divulge.influence.modes import gradients_on
from divulge.influence.optimizers import Optimizer, State
from divulge.influence.parts import mapped
from divulge.influence.samples import Samples
from divulge.influence.snapshot import Snapshot

__all__ = ["Replay", "Tape"]

Result = TypeVar("Result")


@dataclass
class Tape:
    """A run's states [theta, ...] (P,) each, every `spacing` steps and at its end."""

    spacing: int
    states: list[State]
    final: State


@dataclass(frozen=True)
class Replay:
    """A training run: theta_t+1 = optimizer(theta_t, gradient of (1 / b) sum over its batch of w_i L(z_i)).

    Attributes:
        snapshot: the module, with the parameters that training begins with.
        loss: of the samples.
        samples: the training data.
        optimizer: its steps.
        batches: the rows of each step.
        rates: the learning rate of each step.
    """

    snapshot: Snapshot
    loss: Loss
    samples: Samples
    optimizer: Optimizer
    batches: Sequence[NDArray[np.int64]]
    rates: Sequence[float]

    def split(self, theta: Tensor) -> list[Tensor]:
        """Return parameters (P,) in the module's shapes."""
        held = self.snapshot.tensors
        parts = torch.split(theta, [t.numel() for t in held])
        return [part.reshape(t.shape) for part, t in zip(parts, held, strict=True)]

    def forward(self, weights: Tensor, tick: Callable[[], None]) -> Tape:
        """Return the run with the samples' weights (n,).

        Raises:
            ValueError: a step after which parameters are not finite; a module that was changed since.
        """
        self.snapshot.check_structure()
        spacing = isqrt(max(len(self.batches) - 1, 0)) + 1
        theta = torch.cat([t.detach().reshape(-1) for t in self.snapshot.tensors])
        state, kept = [theta, *(torch.zeros_like(theta) for _ in range(self.optimizer.slots))], []
        for number, after in enumerate(self._steps(state, weights, 0, len(self.batches))):
            if number % spacing == 0:
                kept.append(state)
            if not bool(torch.isfinite(after[0]).all()):
                raise ValueError(
                    f"training leaves the finite numbers at step {number}, learning rate "
                    f"{self.rates[number]:g}; give a smaller one"
                )
            state = after
            tick()
        return Tape(spacing, kept, state)

    def backward(self, tape: Tape, weights: Tensor, above: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield each step from the last to the first, with what its samples' weights change f by, (m, b).

        Between two states of the tape the run is taken once more, and its states held; these must end where
        the tape goes on.

        Args:
            tape: of the run with the same weights.
            weights: (n,).
            above: the derivatives (m, P) of f by the trained parameters.

        Raises:
            ValueError: the run taken again ends elsewhere, or derivatives are not finite.
        """
        cotangents = [above, *(torch.zeros_like(above) for _ in range(self.optimizer.slots))]
        end, following = len(self.batches), tape.final
        for number in reversed(range(len(tape.states))):
            begin = number * tape.spacing
            states = [tape.states[number], *self._steps(tape.states[number], weights, begin, end)]
            self._check_same(states[-1], following, begin)
            for step in reversed(range(begin, end)):
                at = step - begin
                cotangents, back = self._pull(cotangents, states[at], states.pop(), weights, step)
                yield step, back
            end, following = begin, tape.states[number]

    def _steps(self, state: State, weights: Tensor, begin: int, end: int) -> Iterator[State]:
        """Yield the states after each of some steps."""
        for step in range(begin, end):

            def gradient(theta: Tensor, step: int = step) -> Tensor:
                return torch.autograd.grad(self._total(theta, weights[self._rows(step)], step), theta)[0]

            slope = self.at(state[0], gradient)
            state = self.optimizer.step(state, slope, self.rates[step], step + 1)
            yield state

    def _pull(
        self, cotangents: State, before: State, after: State, weights: Tensor, step: int
    ) -> tuple[State, Tensor]:
        """Return the cotangents (m, P) of the state before a step, and of its samples' weights (m, b)."""
        own = weights[self._rows(step)].requires_grad_()

        def pulled(theta: Tensor) -> tuple[State, Tensor]:
            total = self._total(theta, own, step)
            slope = torch.autograd.grad(total, theta, create_graph=True)[0]
            rate = self.rates[step]
            state, back = self.optimizer.pull(cotangents, before, after, slope.detach(), rate, step + 1)
            by_theta, by_weights = zip(
                *(_products(slope, [theta, own], along) for along in back), strict=True
            )
            return [state[0] + torch.stack(by_theta), *state[1:]], torch.stack(by_weights)

        state, by_weights = self.at(before[0], pulled)
        if not bool(torch.isfinite(state[0]).all()):
            raise ValueError(
                f"derivatives leave the finite numbers before step {step}: the run is too steep for "
                "them; give smaller learning rates, or an epsilon_root to Adam"
            )
        return state, by_weights

    def at(self, theta: Tensor, work: Callable[[Tensor], Result]) -> Result:
        """Return work(theta), backward passes included, with these parameters (P,) in the module."""
        leaf = theta.detach().requires_grad_()
        with gradients_on():
            parts = self.split(leaf)
        return self.snapshot.run(lambda: work(leaf), parts)

    def _total(self, theta: Tensor, weights: Tensor, step: int) -> Tensor:
        """Return (1 / b) sum of w_i L(z_i) over a step's batch, for the parameters in the module."""
        inputs, targets = self.samples.batch(self.batches[step], theta.dtype)
        inputs = mapped(lambda part: part.to(theta.device), inputs)
        losses = self.loss.function(self.snapshot.outputs(inputs), targets.to(theta.device))
        return (weights * losses).sum() / len(targets)

    def _rows(self, step: int) -> Tensor:
        return torch.from_numpy(self.batches[step]).to(self.snapshot.device)

    def _check_same(self, got: State, expected: State, begin: int) -> None:
        """Raise where a part of the run, taken again, does not end where it did."""
        tolerance = 1e-9 if got[0].dtype == torch.float64 else 1e-4
        far = float((got[0] - expected[0]).abs().max())
        if not far <= tolerance * float(expected[0].abs().max()):
            raise ValueError(
                f"training from step {begin} on, taken again, ends {far:.2g} away from where it did: the "
                "module computes something else each time"
            )


def _products(slope: Tensor, by: list[Tensor], along: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(slope, by, along, retain_graph=True, materialize_grads=True)
