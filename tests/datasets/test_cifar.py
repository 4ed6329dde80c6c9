import io
import tarfile

import numpy as np
import pytest
import torch

from divulge.datasets import load


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DIVULGE_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def arrays(n):
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, n)


def test_reads_both_forms_alike(folder):
    (x, y), (u, v) = arrays(6), arrays(3)
    np.savez(folder / "cifar10-subset.npz", x_train=x, y_train=y, x_test=u, y_test=v)
    subset = load("cifar10")
    records = [
        np.c_[b[:, None], a.transpose(0, 3, 1, 2).reshape(len(a), -1)].astype(np.uint8).tobytes()
        for a, b in ((x[:4], y[:4]), (x[4:], y[4:]), (u, v))
    ]
    names = ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin", "readme.html")
    archive(folder / "cifar-10-binary.tar.gz", dict(zip(names, [*records, b"text"], strict=True)))
    published = load("cifar10")
    assert subset.input_shape == (3, 32, 32)
    assert subset.train_inputs[1, 2, 3, 4] == x[1, 3, 4, 2] / np.float32(255)
    for name in ("train_inputs", "train_targets", "test_inputs", "test_targets"):
        assert torch.equal(getattr(subset, name), getattr(published, name))


def test_says_what_is_wrong_with_a_file(folder):
    np.savez(folder / "cifar10-subset.npz", x_train=np.zeros((2, 8, 8, 3), np.uint8), y_train=np.zeros(2))
    with pytest.raises(ValueError, match="expected an array x_test"):
        load("cifar10")
    (x, y), z = arrays(2), np.zeros((2, 8, 8, 3), np.uint8)
    np.savez(folder / "cifar10-subset.npz", x_train=z, y_train=y, x_test=x, y_test=y)
    with pytest.raises(ValueError, match=r"got uint8 \(2, 8, 8, 3\)"):
        load("cifar10")
    archive(folder / "cifar-10-binary.tar.gz", {"data_batch_1.bin": b"123"})
    with pytest.raises(ValueError, match="got 3 bytes"):
        load("cifar10")
    archive(folder / "cifar-10-binary.tar.gz", {"data_batch_1.bin": bytes(3073)})
    with pytest.raises(ValueError, match=r"test_batch\.bin"):
        load("cifar10")
