"""Taking a `.pt2` file apart before torch sees it: what it holds is numbers and a graph, nothing that runs.

torch.export.load unpickles what an archive asks it to, evaluates expressions, compiles guards, and loads
shared libraries. Here each member is looked at first, and only those that are understood are handed on, in an
archive of our own making.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import torch

from divulge.errors import UnsupportedModelFile
from divulge.files import check_size, most_bytes, reading

_GRAPH = "models/model.json"
_SAMPLE = "data/sample_inputs/model.pt"
_CONFIGS = {
    "data/weights/model_weights_config.json": "data/weights/",
    "data/constants/model_constants_config.json": "data/constants/",
}
_PLAIN = ("archive_format", "archive_version", ".data/version", "byteorder")
_TENSOR = re.compile(r"(weight|tensor)_\d+")
# Functions of ATen and arithmetic of sizes; nothing that takes a file, or makes functions.
_TARGET = re.compile(
    r"torch\.ops\.aten\.(?!from_file)\w+(\.\w+)?|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|eq|ne|lt|le|gt|ge)"
    r"|torch\.sym_(int|float|max|min|not|ite)|math\.(ceil|floor|trunc)|torch\.ops\.prims\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.wrap_with_(set_grad_enabled|autocast)"
)
# What sympy is given to evaluate: symbols such as Symbol('s31', positive=True, integer=True), numbers, sums.
_SYMBOL = re.compile(r"Symbol\('[a-z]\d{1,6}'(, (positive|nonnegative|nonzero|integer)=(True|False))*\)")
_SUM = re.compile(
    r"((Integer|Add|Mul|Mod|PythonMod|Max|Min|FloorDiv|CeilDiv|CleanDiv)\(|-?\d{1,18}|[(), ]|x){0,400}"
)
# Bytes of one result that a graph declares, beside what the file may ask for: a batch of photographs.
_RESULT = 2**31


def checked_archive(path: Path) -> io.BytesIO:
    """Return the archive of a `.pt2` file's plain parts.

    Raises:
        UnsupportedModelFile: it is none, or holds something that would have to be unpickled or run.
    """
    with reading(path, "program saved by torch.export.save", UnsupportedModelFile):
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
        graph = _checked_graph(path, _json(path, members, _GRAPH))
        kept = {name: members[name] for name in _PLAIN if name in members}
        for config, folder in _CONFIGS.items():
            kept[config] = _member(path, members, config)
            for name in _payloads(path, config, _json(path, members, config), members):
                kept[folder + name] = members[folder + name]
        kept |= {_GRAPH: json.dumps(graph).encode(), _SAMPLE: _sample()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in kept.items():
            archive.writestr(f"model/{name}", data)
    packed.seek(0)
    return packed


def _sample() -> bytes:
    """Return an example input of ours, in place of the file's pickle; torch asks where it is, not what."""
    packed = io.BytesIO()
    torch.save(((torch.zeros(1),), {}), packed)
    return packed.getvalue()


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Return the archive's files by their names below its one folder, their checksums compared."""
    names = [info.filename.partition("/")[2] for info in archive.infolist()]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedModelFile(path, f"member {name!r}", "is there twice")
    check_size(path, "the archive", sum(info.file_size for info in archive.infolist()))
    return {name: archive.read(info) for name, info in zip(names, archive.infolist(), strict=True)}


def _member(path: Path, members: dict[str, bytes], name: str) -> bytes:
    if name not in members:
        raise UnsupportedModelFile(
            path,
            f"member {name!r}",
            "is not there: expected a program saved by torch.export.save of torch 2.9 or newer",
        )
    return members[name]


def _json(path: Path, members: dict[str, bytes], name: str) -> dict[str, Any]:
    """Return what a member in JSON says."""
    try:
        found = json.loads(_member(path, members, name))
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelFile(path, f"member {name!r}", f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnsupportedModelFile(
            path, f"member {name!r}", f"should be an object, got {type(found).__name__}"
        )
    return found


def _payloads(path: Path, config: str, content: dict[str, Any], members: dict[str, bytes]) -> Iterator[str]:
    """Yield the names of the tensors' files, none of which is pickled or smaller than its tensor."""
    for tensor, about in content["config"].items():
        name, place = about["path_name"], f"tensor {tensor!r}"
        if about["use_pickle"] or not _TENSOR.fullmatch(name):
            raise UnsupportedModelFile(
                path, place, f"is kept as {name!r} in a form that would have to be unpickled"
            )
        data = _member(path, members, _CONFIGS[config] + name)
        numbers = prod(size["as_int"] for size in about["tensor_meta"]["sizes"])
        if numbers and not data:
            raise UnsupportedModelFile(path, place, f"declares {numbers} numbers and holds none")
        check_size(path, place, 8 * numbers)
        if about["tensor_meta"]["device"]["type"] != "cpu":
            about["tensor_meta"]["device"] = {"type": "cpu", "index": None}
        yield name


def _checked_graph(path: Path, graph: dict[str, Any]) -> dict[str, Any]:
    """Return a graph without guards and remarks, every part of which is plain.

    Raises:
        UnsupportedModelFile: it calls something else than ATen, or an expression is no sum of sizes.
    """
    graph["guards_code"] = []
    for part in _dicts(graph):
        if "target" in part and "inputs" in part:
            _check_call(path, part)
            part["metadata"] = {}
        if "expr_str" in part and not _is_sum(part["expr_str"]):
            raise UnsupportedModelFile(
                path, f"expression {str(part['expr_str'])[:80]!r}", "is no sum of sizes"
            )
        if "sizes" in part and "dtype" in part:
            numbers = prod(size["as_int"] for size in part["sizes"] if "as_int" in size)
            if 8 * numbers > most_bytes(path) + _RESULT:
                raise UnsupportedModelFile(path, _GRAPH, f"declares a result of {numbers} numbers")
    return graph


def _check_call(path: Path, node: dict[str, Any]) -> None:
    """Raise where a node calls what is not understood, or makes a larger tensor than such a file may."""
    place = f"node {str(node.get('name'))!r} that calls {str(node['target'])[:80]}"
    if not isinstance(node["target"], str) or not _TARGET.fullmatch(node["target"]):
        raise UnsupportedModelFile(path, place, "is not among the operations that can be read")
    for part in _dicts(node["inputs"]):
        numbers = part.get("as_ints") or [s["as_int"] for s in part.get("as_sym_ints") or [] if "as_int" in s]
        if 8 * abs(prod(numbers)) > most_bytes(path) + _RESULT:
            raise UnsupportedModelFile(path, place, f"is given sizes {numbers}")


def _is_sum(text: Any) -> bool:
    """Whether an expression is made of symbols, whole numbers and what adds and divides them."""
    return isinstance(text, str) and _SUM.fullmatch(_SYMBOL.sub("x", text)) is not None


def _dicts(content: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a tree of JSON."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
        if isinstance(part, (dict, list)):
            waiting += part.values() if isinstance(part, dict) else part
