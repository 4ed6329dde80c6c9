"""Training images that flip a prediction when they are changed invisibly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from divulge.html import ShownAsTable
from divulge.influence.chain import DenseChain
from divulge.influence.inverse import DampedInverse, SolverOptions
from divulge.influence.losses import resolve_loss
from divulge.influence.native import NativeOperator
from divulge.influence.operators import blocks
from divulge.influence.regression import fit_linear
from divulge.influence.samples import Samples, read_samples

__all__ = ["TrainingAttack", "perturb_training_images"]

_ROWS = 512


@dataclass(frozen=True)
class TrainingAttack(ShownAsTable):
    """What became of each test image, attacked on its own.

    Attributes:
        attacked: (m,), the test images that were classified rightly before.
        flipped: (m,), whether the prediction was wrong in the end, after training anew.
        rows: (m, images), the training images that were changed.
        inputs: (m, images, *shape), what they were changed to.
        steps: (m,), steps that were taken.
        probability: (m, 2), of the right class, before and in the end.
    """

    attacked: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    rows: NDArray[np.int64]
    inputs: NDArray[Any]
    steps: NDArray[np.int64]
    probability: NDArray[np.float64]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each test image: attacked, flipped, steps, probability before and after."""
        return pd.DataFrame(
            {
                "attacked": self.attacked,
                "flipped": self.flipped,
                "steps": self.steps,
                "before": self.probability[:, 0],
                "after": self.probability[:, 1],
            }
        )

    def _facts(self) -> dict[str, Any]:
        return {"share": self.share}

    @property
    def share(self) -> float:
        """The share of the rightly classified test images that were flipped."""
        return float(self.flipped.mean()) if len(self.flipped) else 0.0


def perturb_training_images(
    features: nn.Module,
    train: Any,
    test: Any,
    radius: float,
    *,
    images: int = 1,
    weight_decay: float = 0.01,
    steps: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> TrainingAttack:
    """Flip predictions by changing training images within half a grey level (Koh & Liang 2017, 5.2).

    The model is softmax regression on frozen features phi(x), trained to convergence. For each test image
    that it gets right, on its own, the training images are chosen whose pixels have the largest influence
    on its loss, |I_pert|_1, and moved by projected sign ascent:

        x <- project(x + (radius / 4) sign(I_pert)),  I_pert = - grad f' H^-1 grad_x grad_theta L(x)

    into the box of that radius around the image and into [0, 1]. After each step the regression is trained
    again. It ends when the test image is classified wrongly.

    Args:
        features: from images (n, *shape) to (n, h), in evaluation mode.
        train: images in [0, 1] and classes.
        test: likewise.
        radius: half a grey level, 0.5 / 255 for images of 8 bits: rounding gives back the image as it was.
        images: how many training images are changed for each test image.
        weight_decay: of the regression.
        steps: at most, for each test image.
        progress: called with the test images done and the number of all.

    Raises:
        ValueError: a radius or a number of images that is not above 0.
    """
    if not radius > 0 or images < 1 or steps < 1:
        raise ValueError(
            f"expected a radius and numbers of images and steps above 0, got {radius}, {images} and {steps}"
        )
    data, asked = read_samples(train, "training"), read_samples(test, "test")
    victim = _Victim(features, data, weight_decay)
    before = victim.probabilities(victim.head, victim.features(asked.inputs))
    right = np.flatnonzero(before.argmax(1) == asked.targets)
    runs = []
    for done, row in enumerate(right, 1):
        one = asked.take(np.array([row]))
        runs.append((*victim.attack(one, radius, images, steps), before[row, one.targets[0]]))
        if progress is not None:
            progress(done, len(right))
    flipped, rows, inputs, taken, after, first = zip(*runs, strict=True) if runs else ([],) * 6
    return TrainingAttack(
        right,
        np.array(flipped, bool),
        np.array(rows, np.int64),
        np.array(inputs),
        np.array(taken, np.int64),
        np.column_stack([first, after]),
    )


class _Victim:
    """Softmax regression on frozen features of the training images."""

    def __init__(self, module: nn.Module, data: Samples, weight_decay: float) -> None:
        self._module, self._data, self._weight_decay = module, data, weight_decay
        self._classes = int(data.targets.max()) + 1
        self._matrix = self.features(data.inputs)
        self.head = self._fit(self._matrix)

    def features(self, inputs: Any) -> NDArray[np.float64]:
        """Return phi (n, h) of images."""
        parts = []
        with torch.no_grad():
            for rows in blocks(len(inputs), _ROWS):
                parts.append(self._phi(torch.as_tensor(np.array(inputs[rows]))).double().numpy())
        return np.concatenate(parts)

    def probabilities(self, head: nn.Linear, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the classes' probabilities (n, K) of features."""
        with torch.no_grad():
            return np.asarray(head(torch.from_numpy(matrix)).softmax(1).numpy())

    def attack(
        self, test: Samples, radius: float, images: int, steps: int
    ) -> tuple[bool, NDArray[np.int64], Any, int, float]:
        """Return whether one test image was flipped, rows and images, steps, and its last probability."""
        phi, target = self.features(test.inputs), test.targets
        matrix, head = self._matrix.copy(), self.head
        every = np.arange(len(matrix))
        pull = self._solution(head, matrix, phi, target)
        sizes = np.abs(self._slopes(head, pull, every, self._data.inputs)).reshape(len(matrix), -1).sum(1)
        rows = np.argsort(-sizes, kind="stable")[:images]
        start = np.array(self._data.inputs[rows])
        now, taken, probability = start, 0, 1.0
        while taken < steps:
            taken += 1
            slopes = self._slopes(head, pull, rows, now)
            moved = now + (radius / 4 * np.sign(slopes)).astype(start.dtype)
            now = np.clip(np.clip(moved, start - radius, start + radius), 0, 1).astype(start.dtype)
            matrix[rows] = self.features(now)
            head = self._fit(matrix, head)
            p = self.probabilities(head, phi)[0]
            probability = float(p[target[0]])
            if p.argmax() != target[0]:
                return True, rows, now, taken, probability
            pull = self._solution(head, matrix, phi, target)
        return False, rows, now, taken, probability

    def _phi(self, x: Tensor) -> Tensor:
        phi: Tensor = self._module(x)
        return phi.flatten(1)

    def _fit(self, matrix: NDArray[np.float64], start: nn.Linear | None = None) -> nn.Linear:
        return fit_linear(
            matrix, self._data.targets, self._classes, weight_decay=self._weight_decay, start=start
        )

    def _solution(self, head: nn.Linear, matrix: Any, phi: Any, target: Any) -> nn.Linear:
        """Return H^-1 grad f of one test image, in the form of the head."""
        loss = resolve_loss("cross_entropy", 0.0)
        operator = NativeOperator(DenseChain([head], ["identity"]), loss, self._samples(matrix))
        options = SolverOptions("hessian", "cg", 0.0, self._weight_decay, 1e-6, 1000, 100, 256, 0)
        gradient = operator.gradients(Samples(phi, target.astype(np.int64)), loss.function)
        solution = DampedInverse(operator, loss, options).solve(gradient.astype(np.float64))
        vector = torch.from_numpy(solution.vectors[0])
        out: nn.Linear = nn.Linear(head.in_features, head.out_features).double()
        nn.utils.vector_to_parameters(vector, out.parameters())
        return out.requires_grad_(False)

    def _samples(self, matrix: NDArray[np.float64]) -> Samples:
        return Samples(matrix, self._data.targets.astype(np.int64))

    def _slopes(self, head: nn.Linear, pull: nn.Linear, rows: NDArray[np.int64], images: Any) -> Any:
        """Return I_pert (k, *shape): - d/dx of grad_theta L(x) . v = (p - y) . (V phi + c)."""
        parts, targets = [], torch.from_numpy(self._data.targets[rows].astype(np.int64))
        for part in blocks(len(rows), _ROWS):
            x = torch.as_tensor(np.array(images[part])).requires_grad_()
            phi = self._phi(x).double()
            residual = head(phi).softmax(1) - nn.functional.one_hot(targets[part], self._classes)
            parts.append(-torch.autograd.grad((residual * pull(phi)).sum(), x)[0].numpy())
        return np.concatenate(parts)
