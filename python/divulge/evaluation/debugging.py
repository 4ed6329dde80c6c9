"""Which bugs of a model does an attribution expose? (Adebayo et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from divulge.attributions import attribute
from divulge.datasets import Dataset
from divulge.evaluation.layer_order import trained_layers
from divulge.evaluation.power import AdamTrainer, ModuleFactory, Trainer, check_classes, check_fit
from divulge.evaluation.randomisation import randomised
from divulge.evaluation.similarity import rank_correlation
from divulge.evaluation.store import described
from divulge.evaluation.unmasking import unmask
from divulge.influence.mislabels import flip_labels
from divulge.training import accuracy
from divulge.training.class_scores import ClassScores, precision

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUGS", "debugging_tests", "spurious_mark"]

BUGS = ("spurious", "mislabelled", "reinitialised")
# Of an image's pixels that are looked at for the mark.
_TOP = 0.1


def debugging_tests(
    module_factory: ModuleFactory,
    data: Dataset,
    attributions: Sequence[str | Any] = ("gradient", "integrated_gradients", "random"),
    *,
    bugs: Sequence[str] = BUGS,
    trainer: Trainer | None = None,
    mislabelled: float = 0.1,
    images: int = 200,
    threshold: float = 0.75,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return, for each bug and attribution, whether attributions tell the buggy model from a correct one.

    - "spurious": a bar at the lower edge of all training images names their class (`spurious_mark`). On test
      images with the bar, `score` is the share of the attribution's top 10% of pixels inside it.
    - "mislabelled": a share of the training labels is wrong. On those images, `score` is Spearman's
      correlation of the absolute attributions with those of a correct model.
    - "reinitialised": the layers of the output half are drawn anew (see `parameter_randomisation`); `score`
      on test images as before.

    `correct` is the same score of a correct model: for the correlations, of one trained with another seed, as
    a model with a bug in its data is, too.
    `detection` is the share of images on which the buggy model's score is above the correct one's (for
    correlations: below), ties counting half: 0.5 says that the bug does not show, 1 that it shows on every
    image. The bug is `exposed` where detection is at least the threshold.

    Args:
        module_factory: makes an untrained classifier from a seed.
        data: images (n, channels, height, width).
        attributions: each what `attribute` takes; of the class that each model predicts.
        bugs: some of the above.
        trainer: called with a module, inputs, targets and a seed; `AdamTrainer()` by default.
        mislabelled: the share of wrong labels.
        images: how many are explained.
        threshold: of detection.
        seed: of everything.
        progress: called with the trainings done and the number of all.

    Returns:
        Columns bug, attribution, score, correct, detection, exposed, and test_accuracy of the buggy model.

    Raises:
        ValueError: one of these cannot be.
    """
    import pandas as pd

    _check(data, bugs, mislabelled, images, threshold)
    check_fit(module_factory(seed=seed), data)
    total = 2 + sum(bug != "reinitialised" for bug in bugs)
    jobs = _Trainings(module_factory, trainer or AdamTrainer(), total, progress)
    correct, other = jobs.train(data, seed), jobs.train(data, seed + 1)
    rows = []
    for bug in bugs:
        case = _case(bug, data, jobs, correct, mislabelled, images, seed)
        right = accuracy(ClassScores(case.module), data.test_inputs, data.test_targets)
        for method in attributions:
            score, plain, detection = case.scores(correct, other, method)
            rows.append(
                {
                    "bug": bug,
                    "attribution": method if isinstance(method, str) else described(method),
                    "score": float(score.mean()),
                    "correct": float(plain.mean()),
                    "detection": detection,
                    "exposed": detection >= threshold,
                    "test_accuracy": right,
                }
            )
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def spurious_mark(data: Dataset) -> tuple[Dataset, Tensor]:
    """Return a data set in which a bar along the lower edge names each image's class, and where the bar is.

    The bar is black, a tenth of the image high, and white in the c-th of K equal parts of its width.

    Returns:
        The data, and a mask of the bar, bool, shape (height, width).

    Raises:
        ValueError: inputs that are no images, or fewer columns than classes.
    """
    if len(data.input_shape) != 3 or data.input_shape[2] < data.classes:
        raise ValueError(
            f"expected images with at least {data.classes} columns, one a class, got {data.input_shape}"
        )
    _, height, width = data.input_shape
    bar = max(1, height // 10)
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[-bar:] = True

    def marked(inputs: Tensor, targets: Tensor) -> Tensor:
        owner = torch.arange(width) * data.classes // width
        white = (owner == targets[:, None]).to(inputs.dtype)[:, None, None, :]
        out = inputs.clone()
        out[:, :, -bar:] = white
        return out

    return replace(
        data,
        train_inputs=marked(data.train_inputs, data.train_targets),
        test_inputs=marked(data.test_inputs, data.test_targets),
    ), inside


class _Trainings:
    """Trains models and counts them."""

    def __init__(
        self,
        factory: ModuleFactory,
        trainer: Trainer,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.factory, self.trainer, self.total, self.progress = factory, trainer, total, progress
        self.done = 0

    def train(self, data: Dataset, seed: int) -> nn.Module:
        """Return a module trained on a data set's training part."""
        module = self.trainer(
            self.factory(seed=seed), data.train_inputs, data.train_targets, seed=seed
        ).eval()
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)
        return module


@dataclass(frozen=True)
class _Case:
    """A buggy module, the images on which it is explained, and where the spurious mark is, if that is it."""

    module: nn.Module
    inputs: Tensor
    inside: Tensor | None = None

    def scores(self, correct: nn.Module, other: nn.Module, method: str | Any) -> tuple[Tensor, Tensor, float]:
        """Return the buggy model's scores, a correct one's, both (n,), and the detection."""
        modules = (correct, self.module, other)
        maps = [attribute(m, self.inputs, method, seed=i) for i, m in enumerate(modules)]
        if self.inside is not None:
            score, plain = (_share(maps[i], self.inside) for i in (1, 0))
            return score, plain, _above(score, plain)
        score, plain = (rank_correlation(maps[0].abs(), maps[i].abs()) for i in (1, 2))
        return score, plain, _above(plain, score)


def _case(
    bug: str,
    data: Dataset,
    jobs: _Trainings,
    correct: nn.Module,
    mislabelled: float,
    images: int,
    seed: int,
) -> _Case:
    """Make a module with the bug."""
    if bug == "spurious":
        marked, inside = spurious_mark(data)
        return _Case(jobs.train(marked, seed + 2), marked.test_inputs[:images], inside)
    if bug == "mislabelled":
        labels = torch.from_numpy(flip_labels(data.train_targets.numpy(), mislabelled, seed=seed))
        wrong = (labels != data.train_targets).nonzero()[:images, 0]
        return _Case(jobs.train(replace(data, train_targets=labels), seed + 2), data.train_inputs[wrong])
    inputs = data.test_inputs[:images]
    return _Case(_half_drawn_anew(correct, inputs, seed), inputs)


def _half_drawn_anew(module: nn.Module, inputs: Tensor, seed: int) -> nn.Module:
    """Return a copy in which the layers of the output half were drawn anew."""
    some = inputs[:2].to(precision(module, inputs))
    half = -(-len(trained_layers(module, some)) // 2)
    (_, other), *_ = islice(randomised(module, inputs, "cascading", seed), half - 1, half)
    return other


def _share(attribution: Tensor, inside: Tensor) -> Tensor:
    """Return the share of the top pixels that lie inside the mask, shape (n,)."""
    sizes = attribution.abs().sum(dim=1, keepdim=True)
    mask = inside.to(sizes.dtype).expand_as(sizes).contiguous()
    count = max(1, round(_TOP * inside.numel()))
    return unmask(mask, sizes, count).flatten(1).double().sum(dim=1) / count


def _above(first: Tensor, second: Tensor) -> float:
    """Return the share of entries in which the first is above the second, ties counting half."""
    return float(((first > second).double() + (first == second).double() / 2).mean())


def _check(data: Dataset, bugs: Sequence[str], mislabelled: float, images: int, threshold: float) -> None:
    """Raise ValueError for what cannot be, before anything is trained."""
    check_classes(data)
    for bug in bugs:
        if bug not in BUGS:
            raise ValueError(f"expected bugs {', '.join(BUGS)}, got {bug!r}")
    if "spurious" in bugs:
        spurious_mark(data)
    if not 0 < mislabelled < 1:
        raise ValueError(f"expected a share of wrong labels between 0 and 1, got {mislabelled}")
    if images < 1:
        raise ValueError(f"expected at least one image, got {images}")
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"expected a threshold from 0.5 to 1, got {threshold}")
