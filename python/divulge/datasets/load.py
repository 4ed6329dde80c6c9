"""The data sets by name."""

from __future__ import annotations

import numpy as np
import torch

from divulge.datasets.cifar import read_cifar10
from divulge.datasets.dataset import Dataset
from divulge.datasets.fetch import locate
from divulge.datasets.idx import read_idx
from divulge.datasets.own import SUFFIXES, read_data
from divulge.errors import UnreadableFile
from divulge.registry import Entry, Registry

# The last images of a fixed shuffle, a fifth of the digits.
_DIGITS_TEST = 360


def load(name: str, target: str | None = None, *, seed: int = 0) -> Dataset:
    """Return a data set by its name: "digits", "mnist", "fashion-mnist", "cifar10", or a file of one's own.

    Args:
        name: of a data set, a file or a folder (`read_data`).
        target: the column of a file's table that holds the class.
        seed: of a file's split into training and test part.

    Raises:
        ValueError: there is no data set of that name, or the file's data cannot be used.
        UnreadableFile: a file of it is damaged.
        FileNotFoundError: its files are neither at hand nor can they be downloaded.
    """
    if is_path(name):
        return read_data(name, target, seed=seed)
    data = DATASETS.make(name)
    if target is not None:
        raise ValueError(f"expected a target column of a file alone, got {target!r} for {name}")
    return data


def is_path(name: str) -> bool:
    """Whether a name is that of a file or folder, and of no known data set."""
    from pathlib import Path

    return name not in DATASETS and (Path(name).suffix.lower() in SUFFIXES or Path(name).is_dir())


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
    """MNIST: 60,000 training and 10,000 test digits of 28x28 pixels (LeCun, Cortes, Burges).

    Raises:
        UnreadableFile: a file that is not what it should be.
        OSError: a file that is not there, and cannot be downloaded.
    """
    return _idx_dataset("mnist")


def fashion_mnist() -> Dataset:
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28 (Zalando Research).

    Raises:
        UnreadableFile: a file that is not what it should be.
        OSError: a file that is not there, and cannot be downloaded.
    """
    return _idx_dataset("fashion-mnist")


def cifar10() -> Dataset:
    """CIFAR-10: 50,000 training and 10,000 test photographs, 3x32x32 (Krizhevsky), or the part at hand.

    $DIVULGE_DATA/cifar10 may hold cifar-10-binary.tar.gz as published, or cifar10-subset.npz with arrays
    x_train, y_train, x_test, y_test; images uint8 (n, 32, 32, 3).

    Raises:
        UnreadableFile: a file that is not what it should be.
        OSError: a file that is not there, and cannot be downloaded.
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
