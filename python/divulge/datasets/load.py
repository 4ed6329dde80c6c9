"""The data sets by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from divulge.datasets.cifar import read_cifar10
from divulge.datasets.fetch import locate
from divulge.datasets.idx import read_idx
from divulge.errors import UnreadableFile
from divulge.registry import Entry, Registry

# The last images of a fixed shuffle, a fifth of the digits.
_DIGITS_TEST = 360


@dataclass(frozen=True)
class Dataset:
    """Images in [0, 1] with their classes, split into a training and a test part.

    Attributes:
        name: the name under which `load` knows it.
        train_inputs: float32, shape (n, channels, height, width).
        train_targets: int64, shape (n,).
        test_inputs: float32, shape (m, channels, height, width).
        test_targets: int64, shape (m,).
    """

    name: str
    train_inputs: torch.Tensor
    train_targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.train_targets.max()) + 1


def load(name: str) -> Dataset:
    """Return a data set by its name: "digits", "mnist", "fashion-mnist" or "cifar10".

    Raises:
        ValueError: there is no data set of that name.
        UnreadableFile: a file of it is damaged.
        FileNotFoundError: its files are neither at hand nor can they be downloaded.
    """
    return DATASETS.make(name)


def digits() -> Dataset:
    """The 1,797 digits of 8x8 pixels that come with scikit-learn; 360 of a fixed shuffle are for testing."""
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(targets))
    inputs = torch.from_numpy(images[order] / 16).float().reshape(-1, 1, 8, 8)
    classes = torch.from_numpy(targets[order]).long()
    cut = len(order) - _DIGITS_TEST
    return Dataset("digits", inputs[:cut], classes[:cut], inputs[cut:], classes[cut:])


def mnist() -> Dataset:
    """MNIST: 60,000 training and 10,000 test digits of 28x28 pixels (LeCun, Cortes, Burges)."""
    return _idx_dataset("mnist")


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28 (Zalando Research)."""
    return _idx_dataset("fashion-mnist")


def cifar10() -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test photographs, 3x32x32 (Krizhevsky), or the part at hand.

    $DIVULGE_DATA/cifar10 may hold cifar-10-binary.tar.gz as published, or cifar10-subset.npz with arrays
    x_train, y_train, x_test, y_test; images uint8 (n, 32, 32, 3).
    """
    (train_inputs, train_targets), (test_inputs, test_targets) = read_cifar10()
    return Dataset("cifar10", train_inputs, train_targets, test_inputs, test_targets)


def _idx_dataset(name: str) -> Dataset:
    """Read the four IDX files of a data set in MNIST's form."""
    train_inputs, train_targets = _idx_part(name, "train")
    test_inputs, test_targets = _idx_part(name, "t10k")
    return Dataset(name, train_inputs, train_targets, test_inputs, test_targets)


def _idx_part(name: str, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and targets of one part."""
    image_file = locate(name, f"{part}-images-idx3-ubyte.gz")
    label_file = locate(name, f"{part}-labels-idx1-ubyte.gz")
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise UnreadableFile(
            label_file,
            "the array",
            f"does not fit {image_file.name}: expected images (n, height, width) and n labels, "
            f"got shapes {images.shape} and {labels.shape}",
        )
    if len(labels) and labels.max() > 9:
        raise UnreadableFile(label_file, "the array", f"should name classes from 0 to 9, got {labels.max()}")
    inputs = torch.from_numpy(images).float().div_(255).unsqueeze(1)
    return inputs, torch.from_numpy(labels).long()


DATASETS: Registry[Dataset] = Registry(
    "a data set",
    {
        "digits": Entry(digits),
        "mnist": Entry(mnist),
        "fashion-mnist": Entry(fashion_mnist),
        "cifar10": Entry(cifar10),
    },
)
