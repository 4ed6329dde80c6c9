"""CIFAR-10 as published, in its binary form, or a part of it in one NumPy file."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.datasets.fetch import locate, own_file
from divulge.datasets.npy import read_npz
from divulge.errors import UnreadableFile
from divulge.files import check_size, reading

Part = tuple[torch.Tensor, torch.Tensor]
_SHAPE = (3, 32, 32)
_TEST = "test_batch.bin"


def read_cifar10() -> tuple[Part, Part]:
    """Return inputs (n, 3, 32, 32), float32 in [0, 1], and targets (n,) for training, then for testing.

    Raises:
        UnreadableFile: the file is damaged, or holds something else.
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
    with reading(path, "archive of CIFAR-10"), tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.name.endswith(".bin")]
        check_size(path, "the archive", sum(member.size for member in members))
        for member in sorted(members, key=lambda member: member.name):
            records = _records(path, member.name, archive.extractfile(member))
            (testing if member.name.endswith(_TEST) else training).append(records)
    if not training or not testing:
        raise UnreadableFile(path, "the archive", f"is not whole: expected data_batch_*.bin and {_TEST}")
    return _split(np.concatenate(training)), _split(np.concatenate(testing))


def _records(path: Path, name: str, file: IO[bytes] | None) -> NDArray[np.uint8]:
    """Return the records of one file of the archive, shape (n, 3073)."""
    content = np.frombuffer(file.read() if file else b"", np.uint8)
    if content.size % 3073:
        what = f"should hold records of 3,073 bytes, got {content.size} bytes"
        raise UnreadableFile(path, f"member {name!r}", what)
    records = content.reshape(-1, 3073)
    _check_classes(path, f"member {name!r}", records[:, 0])
    return records


def _check_classes(path: Path, place: str, targets: NDArray[Any]) -> None:
    """Raise where a class is none of the ten."""
    wrong = targets[(targets < 0) | (targets > 9)]
    if len(wrong):
        raise UnreadableFile(path, place, f"should name classes from 0 to 9, got {wrong[0]}")


def _split(records: NDArray[np.uint8]) -> Part:
    """Return images and classes of records (n, 3073)."""
    return _part(records[:, 1:].reshape(-1, *_SHAPE), records[:, 0])


def _read_arrays(path: Path) -> tuple[Part, Part]:
    """Read x_train, y_train, x_test and y_test, images (n, 32, 32, 3)."""
    train_x, train_y, test_x, test_y = read_npz(path, "x_train", "y_train", "x_test", "y_test")
    for part, images, targets in (("train", train_x, train_y), ("test", test_x, test_y)):
        n = len(targets) if targets.ndim == 1 else "n"
        if images.shape != (n, 32, 32, 3) or images.dtype != np.uint8:
            what = f"should be uint8 images ({n}, 32, 32, 3), got {images.dtype} {images.shape}"
            raise UnreadableFile(path, f"array 'x_{part}'", what)
        if targets.dtype.kind not in "iu":
            raise UnreadableFile(path, f"array 'y_{part}'", f"should be whole numbers, got {targets.dtype}")
        _check_classes(path, f"array 'y_{part}'", targets)
    return _part(train_x.transpose(0, 3, 1, 2), train_y), _part(test_x.transpose(0, 3, 1, 2), test_y)


def _part(images: NDArray[np.uint8], targets: NDArray[np.integer]) -> Part:
    """Return tensors of images (n, 3, 32, 32) and classes (n,)."""
    inputs = torch.from_numpy(np.ascontiguousarray(images)).float().div_(255)
    return inputs, torch.from_numpy(targets.astype(np.int64))
