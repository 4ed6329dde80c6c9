"""What a run was made on: the content of a model file, or of a data set."""

from __future__ import annotations

import hashlib
from pathlib import Path

CONTENT = "victim_content"  # the column that holds it
NOTHING = ""  # for random victims, and where there is nothing to read


def content_of(victim: str) -> str:
    """Return a hash of the bytes of a model file and the files it refers to, or of the numbers of a data set.

    The same bytes under another name give the same hash; a file that is not there, or a data set that cannot
    be read, gives none.

    Args:
        victim: as in an experiment: "random", a data set's name, or a file of a model or of data.
    """
    from divulge.datasets import DATASETS

    if victim == "random":
        return NOTHING
    try:
        return _of_data(victim) if victim in DATASETS else _of_files(Path(victim))
    except (OSError, ValueError):
        return NOTHING


def _of_data(name: str) -> str:
    """Hash the images and targets of both parts."""
    from divulge.datasets import load
    from divulge.evaluation.store import fingerprint

    data = load(name)
    return fingerprint(data.train_inputs, data.train_targets, data.test_inputs, data.test_targets)


def _of_files(path: Path) -> str:
    """Hash a model file, then the files beside it that hold its weights."""
    found = hashlib.sha256()
    for part in (path, *_outside(path)):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()[:24]


def _outside(path: Path) -> list[Path]:
    """Return the files in which an ONNX model keeps weights outside itself; none where it cannot be read.

    Raises:
        UnsupportedModelFile: one of them is not in the model's folder.
    """
    if path.suffix.lower() != ".onnx":
        return []
    from divulge.victims.onnx_tensors import external_file

    try:
        import onnx

        model = onnx.load(path, load_external_data=False)
    except Exception:  # a damaged file, or no onnx: the run says what is wrong
        return []
    tensors = [tensor for tensor in model.graph.initializer if tensor.external_data]
    return sorted({external_file(path, tensor) for tensor in tensors})
