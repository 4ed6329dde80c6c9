"""Files of every kind, damaged at random: refused with one class that names file and place, or they work."""

import io
import tarfile
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from damage import damaged, outcome
from torch import nn

from divulge import CheckpointError, UnreadableFile, UnsupportedModelFile, Victim
from divulge.datasets.cifar import _read_archive, _read_arrays
from divulge.datasets.idx import read_idx
from divulge.datasets.npy import read_npy
from divulge.evaluation.store import Store
from divulge.oracles.journal import Journal, JournalRecord
from divulge.sweep import read_experiment
from divulge.sweep.results import Results
from divulge.victims.published import BadNet, read_published

rng = np.random.default_rng(0)
ABOUT = {"seed": 0, "oracle": "gradient"}


def write_idx(path):
    path.write_bytes(b"\0\0\x08\x03" + np.array([5, 6, 7], ">u4").tobytes() + bytes(range(210)))


def write_archive(path):
    with tarfile.open(path, "w:gz") as archive:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            records = rng.integers(0, 10, (2, 3073), np.uint8).tobytes()
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(records)
            archive.addfile(member, io.BytesIO(records))


def write_arrays(path):
    images = rng.integers(0, 256, (3, 32, 32, 3), np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(3), x_test=images, y_test=np.arange(3))


def write_checkpoint(path):
    journal = Journal(path, ABOUT)
    for n in (3, 5):
        prints = rng.integers(0, 2**63, n, dtype=np.uint64)
        journal.append(JournalRecord(0, prints, rng.normal(size=(n, 4))))
    journal.close()


def write_export(path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = ({0: torch.export.Dim("n")},)
        torch.export.save(torch.export.export(module, (torch.zeros(2, 1, 2, 3),), dynamic_shapes=axes), path)


def write_sweep(path):
    path.write_text(
        'job = "reconstruct"\nseeds = 2\nworkers = 3\nengine = "threads"\n'
        '[grid]\nhidden = [4, [8, 4]]\noracle = ["gradient", "value"]\ndefence = ["none", "rounded:6"]\n'
    )


def write_results(path):
    rows = [
        {"key": f"{i}abc", "seed": i, "victim": "random", "queries": 10 * i, "error": ""} for i in range(9)
    ]
    pd.DataFrame(rows).convert_dtypes().to_parquet(path, index=False, write_page_checksum=True)


def read_victim(path):
    victim = Victim.from_file(path)
    assert victim.values(np.zeros((3, victim.input_size))).shape == (3, victim.output_size)


def read_weights(path):
    module = read_published(path)
    assert module(torch.zeros(1, *module.input_shape)).shape == (1, 10)


def read_results(path):
    assert Results(path.parent).read()


def read_checkpoint(path):
    journal = Journal(path, ABOUT)
    journal.close()
    assert all(record.answers.shape[1] == 4 for record in journal.records)


def write_npy(path):
    np.save(path, np.arange(40))


def write_weights(path):
    torch.save(BadNet(1).state_dict(), path)


def write_old_weights(path):
    torch.save(BadNet(1).state_dict(), path, _use_new_zipfile_serialization=False)


def write_run(path):
    Store(path.parent).save(ABOUT, {"accuracy": 0.9375, "ranks": [3, 1, 2]})


def read_run(path):
    assert Store(path.parent).load(ABOUT) == {"accuracy": 0.9375, "ranks": [3, 1, 2]}


def write_trained(path):
    torch.manual_seed(0)
    Store(path.parent).save_module(ABOUT, BadNet(1))


def read_trained(path):
    torch.manual_seed(0)
    module, expected = BadNet(1), BadNet(1).state_dict()
    torch.manual_seed(0)
    expected = BadNet(1).state_dict()
    torch.nn.init.zeros_(module.fc2[0].weight)
    assert Store(path.parent).load_module(ABOUT, module)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in module.state_dict().items())


RUN = Store(".")._path(ABOUT, "")

# File, how it is written, how it is read, the class of errors, how many damaged ones.
FILES = {
    "idx": ("a.idx", write_idx, read_idx, UnreadableFile, 200),
    "cifar-10 archive": ("a.tar.gz", write_archive, _read_archive, UnreadableFile, 60),
    "cifar-10 arrays": ("a.npz", write_arrays, _read_arrays, UnreadableFile, 100),
    "npy": ("a.npy", write_npy, read_npy, UnreadableFile, 150),
    "checkpoint": ("a.checkpoint", write_checkpoint, read_checkpoint, CheckpointError, 150),
    "sweep": ("a.toml", write_sweep, lambda path: list(read_experiment(path).cells()), UnreadableFile, 150),
    "results": ("a.parquet", write_results, read_results, UnreadableFile, 100),
    "finished run": (f"{RUN}.json", write_run, read_run, UnreadableFile, 100),
    "trained module": (f"{RUN}.pt", write_trained, read_trained, UnreadableFile, 30),
    "export": ("a.pt2", write_export, read_victim, UnsupportedModelFile, 40),
    "weights": ("a.pth", write_weights, read_weights, UnsupportedModelFile, 30),
    "old weights": ("a.pth", write_old_weights, read_weights, UnsupportedModelFile, 30),
}


@pytest.mark.parametrize("name", FILES)
def test_damage_is_refused_or_harmless(name, tmp_path):
    file, write, read, error, count = FILES[name]
    path = tmp_path / file
    write(path)
    data = path.read_bytes()
    assert outcome(read, path, error) == "works"
    refused = 0
    for seed in range(count):
        path.write_bytes(damaged(data, np.random.default_rng(seed)))
        refused += outcome(read, path, error) == "refused"
    assert refused > 0.3 * count


def test_a_folder_and_a_missing_file_are_told_by_the_system(tmp_path):
    for read in (read_idx, read_npy, read_published, _read_arrays):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


def huge_idx(path):
    path.write_bytes(b"\0\0\x08\x03" + np.array([2**31, 2**31, 2**31], ">u4").tobytes())


def huge_npy(path):
    np.save(path, np.arange(4))
    path.write_bytes(path.read_bytes().replace(b"(4,), }" + b" " * 18, b"(4444444444444444444,), }"))


def huge_archive(path):
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("cifar/data_batch_1.bin")
        member.size = 2**33
        archive.addfile(member, None)


def huge_sweep(path):
    path.write_text("seeds = 99999999999999")


@pytest.mark.parametrize("write", [huge_idx, huge_npy, huge_archive, huge_sweep])
def test_what_is_declared_is_compared_with_the_file(write, tmp_path):
    file, read = {
        huge_idx: ("a.idx", read_idx),
        huge_npy: ("a.npy", read_npy),
        huge_archive: ("a.tar.gz", _read_archive),
        huge_sweep: ("a.toml", read_experiment),
    }[write]
    write(tmp_path / file)
    with pytest.raises(UnreadableFile):
        read(tmp_path / file)


def test_a_page_that_changed_is_noticed(tmp_path):
    path = tmp_path / "a.parquet"
    write_results(path)
    data = path.read_bytes()
    place = data.index(b"random") + 2
    path.write_bytes(data[:place] + b"u" + data[place + 1 :])
    with pytest.raises(UnreadableFile, match=r"a\.parquet"):
        Results(tmp_path).read()
