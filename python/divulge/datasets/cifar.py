"""CIFAR-10 as published, in its binary form, or a part of it in one NumPy file."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.datasets.fetch import locate, own_file

Part = tuple[torch.Tensor, torch.Tensor]
_SHAPE = (3, 32, 32)
_TEST = "test_batch.bin"


def read_cifar10() -> tuple[Part, Part]:
    """Return inputs (n, 3, 32, 32), float32 in [0, 1], and targets (n,) for training, then for testing.

    Raises:
        ValueError: the file holds something else.
        FileNotFoundError: it is neither at hand nor can it be downloaded.
    """
    archive = "cifar-10-binary.tar.gz"
    part = own_file("cifar10", archive, archive.removesuffix(".gz"), "cifar10-subset.npz")
    path = part or locate("cifar10", archive)
    return _read_arrays(path) if path.suffix == ".npz" else _read_archive(path)


def _read_archive(path: Path) -> tuple[Part, Part]:
    """Read five training files and one of tests: records of a class and 3,072 bytes."""
    training: list[NDArray[np.uint8]] = []
    testing: list[NDArray[np.uint8]] = []
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if not member.name.endswith(".bin"):
                continue
            file = archive.extractfile(member)
            records = np.frombuffer(file.read() if file else b"", np.uint8)
            if records.size % (1 + 3072):
                raise ValueError(f"expected records of 3,073 bytes in {path}, got {records.size} bytes")
            (testing if member.name.endswith(_TEST) else training).append(records.reshape(-1, 3073))
    if not training or not testing:
        raise ValueError(f"expected data_batch_*.bin and {_TEST} in {path}")
    return _split(np.concatenate(training)), _split(np.concatenate(testing))


def _split(records: NDArray[np.uint8]) -> Part:
    """Return images and classes of records (n, 3073)."""
    return _part(records[:, 1:].reshape(-1, *_SHAPE), records[:, 0])


def _read_arrays(path: Path) -> tuple[Part, Part]:
    """Read x_train, y_train, x_test and y_test, images (n, 32, 32, 3)."""
    with np.load(path) as arrays:
        names = ("x_train", "y_train", "x_test", "y_test")
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"expected an array {missing[0]} in {path}, got {', '.join(arrays)}")
        train_x, train_y, test_x, test_y = (arrays[name] for name in names)
    for images, targets in ((train_x, train_y), (test_x, test_y)):
        if images.shape != (len(targets), 32, 32, 3) or images.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 images ({len(targets)}, 32, 32, 3) in {path}, "
                f"got {images.dtype} {images.shape}"
            )
    return _part(train_x.transpose(0, 3, 1, 2), train_y), _part(test_x.transpose(0, 3, 1, 2), test_y)


def _part(images: NDArray[np.uint8], targets: NDArray[np.integer]) -> Part:
    """Return tensors of images (n, 3, 32, 32) and classes (n,)."""
    inputs = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
    return inputs, torch.from_numpy(targets.astype(np.int64))
