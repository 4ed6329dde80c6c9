"""What a search for backdoors is asked to look at: a classifier, images and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from divulge.backdoors.image_bounds import image_bounds
from divulge.backdoors.searches import MOST_SAMPLES
from divulge.backdoors.trigger import predictions
from divulge.datasets import Dataset
from divulge.saliency.arguments import Bounds, Classifier, classifier

# Of a source.
_LEAST_IMAGES = 24


@dataclass(frozen=True)
class Asked:
    """What is looked at.

    Attributes:
        model: the classifier.
        images: shape (n, channels, height, width), at most 1,024, of the source alone if there is one; None
            for noise.
        targets: classes to which a trigger is looked for, all but the source.
        bounds: of the inputs.
        source: the class that the images are taken for, or None.
    """

    model: Classifier
    images: Tensor | None
    targets: list[int]
    bounds: Bounds
    source: int | None

    @property
    def pixels(self) -> int:
        """Of an image."""
        return self.model.shape[1] * self.model.shape[2]


def asked_for(
    module: nn.Module,
    data: Dataset | Tensor | None,
    shape: Sequence[int] | None,
    classes: int | None,
    bounds: Bounds | None,
    source: int | None,
    seed: int,
) -> Asked:
    """Return what is looked at; arguments and errors as in `backdoor_scan`."""
    model = _checked(module, _shape(data) if shape is None else shape, classes)
    images = None if data is None else _images(model, data, seed)
    limits = image_bounds(images, bounds)
    images = None if images is None else model.tensor(images)
    if source is not None:
        images = _from_source(model, images, source)
    return Asked(model, images, [k for k in range(model.outputs) if k != source], limits, source)


def _from_source(model: Classifier, images: Tensor | None, source: int) -> Tensor:
    """Return the images that a module takes for one class."""
    if not 0 <= source < model.outputs:
        raise ValueError(f"expected a source from 0 to {model.outputs - 1}, got {source}")
    if images is None:
        raise ValueError(f"expected data to take the images of class {source} from, got none")
    chosen = images[predictions(model.module, images) == source]
    if len(chosen) < _LEAST_IMAGES:
        raise ValueError(
            f"expected at least {_LEAST_IMAGES} images that are taken for class {source}, "
            f"got {len(chosen)} of {len(images)}"
        )
    return chosen


def _shape(data: Dataset | Tensor | None) -> Sequence[int]:
    """Return the shape of one image of the data."""
    if data is None:
        raise ValueError("expected data, or the shape (channels, height, width) of one image, got neither")
    return data.input_shape if isinstance(data, Dataset) else data.shape[1:]


def _checked(module: nn.Module, shape: Sequence[int], classes: int | None) -> Classifier:
    """Return the module with what is known of it."""
    if classes is not None and classes < 3:
        raise ValueError(f"expected at least 3 classes, for a median to say what is usual, got {classes}")
    model = classifier(module, shape)
    if model.outputs < 3:
        raise ValueError(
            f"expected at least 3 classes, for a median to say what is usual, got {model.outputs}"
        )
    if classes not in (None, model.outputs):
        raise ValueError(f"expected {classes} outputs, one a class, the module has {model.outputs}")
    return model


def _images(model: Classifier, data: Dataset | Tensor, seed: int) -> Tensor:
    """Return at most 1,024 images of the data."""
    images = data.test_inputs if isinstance(data, Dataset) else data
    if tuple(images.shape[1:]) != model.shape or not len(images):
        raise ValueError(
            f"expected images of shape (n, {', '.join(map(str, model.shape))}), got {tuple(images.shape)}"
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[:MOST_SAMPLES].to(images.device)]
