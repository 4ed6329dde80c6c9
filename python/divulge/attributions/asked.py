"""What of a classifier an attribution explains: a class's score, or the loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.training.class_scores import check_class, class_scores, sided_scores

__all__ = ["Asked", "Explained"]


class Explained(nn.Module):
    """A module as attributions see it: the scores that speak for its classes, or the loss.

    Args:
        module: maps inputs (n, ...) to class scores (n, K), or to one number, the log-odds of class 1.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = getattr(module, "training", False)

    def forward(self, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return scores (n, K); with targets (n,) the cross-entropy (n,)."""
        outputs = self.module(inputs)
        if targets is None:
            return sided_scores(outputs)
        return F.cross_entropy(class_scores(outputs), targets, reduction="none")


class Asked:
    """What is asked about each of some inputs, and its gradient.

    Args:
        module: see `Explained`.
        of: "predicted", "target", "loss" or a class number.
        targets: classes, shape (n,), or None.
        n: how many inputs there are.

    Raises:
        ValueError: one of these cannot be, or does not fit the others.
        TypeError: class numbers that are no whole numbers.
    """

    def __init__(self, module: nn.Module, of: str | int, targets: Tensor | None, n: int) -> None:
        if isinstance(of, str) and of not in ("predicted", "target", "loss"):
            raise ValueError(f"expected of to be 'predicted', 'target', 'loss' or a class, got {of!r}")
        if not isinstance(of, str):
            check_class("a word or a class in of=", of)
        if of in ("target", "loss"):
            if targets is None:
                raise ValueError(f"expected targets, of={of!r} asks about the inputs' own classes")
            targets = torch.as_tensor(targets)
            if targets.shape != (n,):
                raise ValueError(f"expected targets of shape ({n},), got {tuple(targets.shape)}")
            if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
                raise TypeError(f"expected targets that are numbers of classes, got dtype {targets.dtype}")
            targets = targets.long()
        self.explained, self.of, self.targets = Explained(module), of, targets

    @property
    def loss(self) -> bool:
        """Whether the loss is explained, and not a score."""
        return self.of == "loss"

    def classes(self, x: Tensor, rows: Tensor) -> Tensor:
        """Return the class (n,) that is asked about at each of some inputs x, given their rows among all.

        Raises:
            ValueError: there is no such class, or it has no finite score.
        """
        with torch.no_grad():
            scores: Tensor = self.explained(x)
        classes = self._named(scores, rows)
        unusable = scores.isnan() | scores.isposinf()
        unusable |= scores.isneginf() & F.one_hot(classes, scores.shape[1]).bool()
        if unusable.any():
            row, k = unusable.nonzero()[0].tolist()
            score, place = float(scores[row, k]), int(rows[row])
            raise ValueError(f"expected finite scores, that of class {k} is {score} for input {place}")
        return classes

    def _named(self, scores: Tensor, rows: Tensor) -> Tensor:
        """Return the class (n,) that is asked about, given scores (n, K)."""
        if self.of == "predicted":
            return scores.argmax(dim=1)
        if self.targets is not None and self.of in ("target", "loss"):
            classes = self.targets[rows].to(scores.device)
        else:
            classes = torch.full((len(rows),), int(self.of), device=scores.device)
        if len(rows) and not 0 <= int(classes.min()) <= int(classes.max()) < scores.shape[1]:
            raise ValueError(f"expected classes from 0 to {scores.shape[1] - 1}, got {classes.tolist()[:3]}")
        return classes

    def value(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the score or the loss at x, shape (n,)."""
        with torch.no_grad():
            if self.loss:
                found: Tensor = self.explained(x, classes)
                return found
            return _chosen(self.explained(x), classes)[:, 0]

    def gradient(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the gradient (n, ...) of the score or the loss at x."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            each = self.explained(x, classes) if self.loss else _chosen(self.explained(x), classes)
            (gradient,) = torch.autograd.grad(each.sum(), x)
        return gradient


def _chosen(scores: Tensor, classes: Tensor) -> Tensor:
    """Return of scores (n, K) those of classes (n,)."""
    return scores.gather(1, classes[:, None])
