"""Reading an ONNX file's tensors, each compared with the bytes that are there before it is made."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from divulge.errors import UnsupportedModelFile
from divulge.files import reading

# Where a tensor without raw bytes holds its numbers, one a word.
_WORDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def load_model(path: Path) -> Any:
    """Return the model of an ONNX file, tensors that lie in other files not read yet.

    Raises:
        UnsupportedModelFile: the file is no ONNX model.
    """
    import onnx

    with reading(path, "ONNX model", UnsupportedModelFile):
        return onnx.load(path, load_external_data=False)


def read_tensors(path: Path, tensors: Iterable[Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Return arrays by their names.

    Raises:
        UnsupportedModelFile: two have one name, or one cannot be read.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for tensor in tensors:
        if tensor.name in arrays:
            raise UnsupportedModelFile(path, f"tensor {tensor.name!r}", "is there twice")
        arrays[tensor.name] = read_tensor(path, tensor)
    return arrays


def read_tensor(path: Path, tensor: Any) -> np.ndarray[Any, Any]:
    """Return one tensor as an array.

    Raises:
        UnsupportedModelFile: its shape, its type and its bytes do not fit, or its bytes are to be read from a
            file outside of the model's folder.
    """
    from onnx import TensorProto, numpy_helper

    place = f"tensor {tensor.name!r}"
    shape = tuple(tensor.dims)
    if min(shape, default=0) < 0:
        raise UnsupportedModelFile(path, place, f"has shape {shape}")
    with reading(path, "ONNX model", UnsupportedModelFile):
        kind = _kind(path, tensor)
        if tensor.data_location == TensorProto.EXTERNAL:
            return _external(path, tensor, shape, kind)
        _check_count(path, tensor, shape, kind)
        return np.array(numpy_helper.to_array(tensor))


def _kind(path: Path, tensor: Any) -> np.dtype[Any]:
    """Return what NumPy calls a tensor's type, where it has one of its own for it."""
    from onnx import helper

    try:
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except KeyError:
        kind = np.dtype(object)
    if kind.kind not in "fiub" or kind.isbuiltin != 1:
        place = f"tensor {tensor.name!r}"
        raise UnsupportedModelFile(path, place, f"is of type {tensor.data_type}, which is not read")
    return kind


def _check_count(path: Path, tensor: Any, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    """Raise where a tensor holds another number of bytes, or of words, than its shape says."""
    needed, held = prod(shape), max(len(getattr(tensor, name)) for name in _WORDS)
    if tensor.HasField("raw_data"):
        needed, held = needed * kind.itemsize, len(tensor.raw_data)
    if needed != held:
        what = f"has shape {shape}, which takes {needed} bytes or numbers, and holds {held}"
        raise UnsupportedModelFile(path, f"tensor {tensor.name!r}", what)


def external_file(path: Path, tensor: Any) -> Path:
    """Return the file that holds a tensor's bytes: a plain one in the model's folder, or below it.

    Raises:
        UnsupportedModelFile: it is none.
    """
    location = {e.key: str(e.value) for e in tensor.external_data}.get("location", "")
    place = f"tensor {tensor.name!r}"
    folder = path.parent.resolve()
    found = folder / location
    if not location or Path(location).is_absolute() or not found.resolve().is_relative_to(folder):
        raise UnsupportedModelFile(path, place, f"is to be read from {location!r}, outside of {folder}")
    if not found.is_file():
        raise UnsupportedModelFile(
            path, place, f"is to be read from {location!r}, which is no file beside it"
        )
    return found


def _external(path: Path, tensor: Any, shape: tuple[int, ...], kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Read a tensor from the file beside the model."""
    entries = {e.key: e.value for e in tensor.external_data}
    found, place = external_file(path, tensor), f"tensor {tensor.name!r}"
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", prod(shape) * kind.itemsize))
    except ValueError:
        raise UnsupportedModelFile(path, place, f"lies at {entries}") from None
    held = found.stat().st_size
    if offset < 0 or length != prod(shape) * kind.itemsize or offset + length > held:
        what = (
            f"of shape {shape} lies at bytes {offset} to {offset + length} of {found.name}, which has {held}"
        )
        raise UnsupportedModelFile(path, place, what)
    with found.open("rb") as file:
        file.seek(offset)
        data = file.read(length)
    little = np.frombuffer(data, kind.newbyteorder("<"))
    return little.astype(kind).reshape(shape)
