import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from divulge.datasets import DATASETS, digits, load


def write(folder, name, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    (folder / name).write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A data folder with a tiny data set in MNIST's form."""
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    folder = tmp_path / "mnist"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", 5), ("t10k", 3)):
        write(folder, f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (n, 4, 3), dtype=np.uint8))
        write(folder, f"{part}-labels-idx1-ubyte.gz", np.arange(n, dtype=np.uint8))
    return folder


def check(data):
    assert data.train_inputs.dtype == data.test_inputs.dtype == torch.float32
    assert data.train_targets.dtype == data.test_targets.dtype == torch.int64
    assert len(data.train_inputs) == len(data.train_targets)
    assert len(data.test_inputs) == len(data.test_targets)
    assert data.train_inputs.min() >= 0
    assert data.train_inputs.max() <= 1


def test_digits():
    data = digits()
    check(data)
    assert data.train_inputs.shape == (1437, 1, 8, 8)
    assert data.test_inputs.shape == (360, 1, 8, 8)
    assert (data.input_shape, data.classes) == ((1, 8, 8), 10)
    assert data.train_inputs.max() == 1
    assert len(data.test_targets.unique()) == 10
    assert torch.equal(digits().test_inputs, data.test_inputs)


def test_idx_files_are_scaled_to_one(own_data):
    data = load("mnist")
    check(data)
    assert data.train_inputs.shape == (5, 1, 4, 3)
    assert data.test_inputs.shape == (3, 1, 4, 3)
    assert data.train_targets.tolist() == [0, 1, 2, 3, 4]
    raw = np.frombuffer(gzip.decompress((own_data / "t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
    np.testing.assert_allclose(data.test_inputs.numpy().reshape(-1), raw / 255, rtol=1e-6)


def test_images_and_labels_must_belong_together(own_data):
    write(own_data, "train-labels-idx1-ubyte.gz", np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match=r"got shapes \(5, 4, 3\) and \(4,\)"):
        load("mnist")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="named digits, mnist, fashion-mnist, cifar10, got 'cifar'"):
        load("cifar")
    assert tuple(DATASETS) == ("digits", "mnist", "fashion-mnist", "cifar10")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_published_files(name):
    if not Path(os.environ.get("DIVULGE_DATA", ""), name, "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"{name} is not in $DIVULGE_DATA/{name}")
    data = load(name)
    check(data)
    assert data.train_inputs.shape == (60_000, 1, 28, 28)
    assert data.test_inputs.shape == (10_000, 1, 28, 28)
    assert data.test_targets.bincount().tolist() == (
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] if name == "mnist" else [1000] * 10
    )
