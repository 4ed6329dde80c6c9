"""Unlearning a backdoor that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from divulge.backdoors.result import BackdoorScan
from divulge.backdoors.trigger import Trigger
from divulge.conventions import OnProgress
from divulge.datasets import Dataset
from divulge.html import ShownAsTable
from divulge.saliency.arguments import check_least
from divulge.training import accuracy, fit_classifier
from divulge.training.modes import copied, trainable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Mitigation(ShownAsTable):
    """A classifier before and after its backdoor was unlearned, on the test images.

    Attributes:
        module: the classifier that unlearned it, a copy in evaluation mode.
        accuracy_before: share of clean test images that were classified rightly.
        accuracy: share that are now.
        success_before: share of the test images that each flagged class's trigger moved there, of those that
            were not taken for that class without it, by class.
        success: share that it moves now.
    """

    module: nn.Module
    accuracy_before: float
    accuracy: float
    success_before: dict[int, float]
    success: dict[int, float]

    def to_frame(self) -> pd.DataFrame:
        """Return the accuracy and each trigger's success, before and after."""
        import pandas as pd

        rows = [("accuracy", self.accuracy_before, self.accuracy)]
        rows += [(f"success for {k}", self.success_before[k], self.success[k]) for k in self.success]
        return pd.DataFrame(rows, columns=["measured", "before", "after"])


def mitigate(
    module: nn.Module,
    data: Dataset,
    finding: BackdoorScan | dict[int, Trigger],
    *,
    share: float = 0.5,
    images: int = 10_000,
    epochs: int = 4,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Mitigation:
    """Fine-tune a copy of a classifier on images with the found triggers and the right labels.

    After Wang et al. (2019), section VI-C. What the trigger holds of the class is not known exactly, so every
    triggered image gets the mask with an opacity drawn from .5 to 1.

    Args:
        module: the classifier; it stays as it is.
        data: clean images with their labels: the training part is learned from, the test part measured on.
        finding: what `backdoor_scan` returned, or triggers by class.
        share: of the images that get a trigger, above 0 and at most 1.
        images: the most training images that are used.
        epochs: passes over them.
        learning_rate: of Adam at the start; it falls to zero.
        seed: of the choice of images and of the training.
        progress: called with the epochs done and the number of all, after each.

    Raises:
        ValueError: nothing was flagged, the triggers are for other images, or an option that cannot be.
    """
    triggers = finding if isinstance(finding, dict) else finding.found
    if not triggers:
        raise ValueError("expected a finding with a flagged class, none is flagged")
    for trigger in triggers.values():
        if tuple(trigger.pattern.shape) != data.input_shape:
            raise ValueError(
                f"expected triggers for images {data.input_shape}, got {tuple(trigger.pattern.shape)}"
            )
    if not 0 < share <= 1:
        raise ValueError(f"expected a share above 0 and at most 1, got {share}")
    check_least(images=(images, 1))
    order = torch.randperm(len(data.train_targets), generator=torch.Generator().manual_seed(seed))[:images]
    tuned = fit_classifier(
        trainable(copied(module)),
        data.train_inputs[order],
        data.train_targets[order],
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        perturb=_Overlay(list(triggers.values()), share),
        progress=progress,
    )
    before, after = (
        {k: trigger.success(m, data.test_inputs, k) for k, trigger in triggers.items()}
        for m in (module, tuned)
    )
    measured = [accuracy(m, data.test_inputs, data.test_targets) for m in (module, tuned)]
    return Mitigation(tuned, measured[0], measured[1], before, after)


@dataclass(frozen=True)
class _Overlay:
    """Lays one of the triggers, more or less opaque, over a share of a step's images."""

    triggers: list[Trigger]
    share: float

    def __call__(self, _module: nn.Module, inputs: Tensor, _targets: Tensor, _done: float) -> Tensor:
        chosen = torch.rand(len(inputs)) < self.share
        which = torch.randint(len(self.triggers), (len(inputs),))
        opacity = 0.5 + 0.5 * torch.rand(len(inputs))
        masks, patterns = (
            torch.stack([getattr(t, name) for t in self.triggers]).to(inputs)[which]
            for name in ("mask", "pattern")
        )
        masks = (chosen * opacity).to(inputs)[:, None, None, None] * masks[:, None]
        return (1 - masks) * inputs + masks * patterns
