"""The files of a gradient store: rows that are counted once they are on the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.errors import UnreadableFile
from divulge.files import locked, reading, replacing
from divulge.influence.few_directions import Directions, leading
from divulge.influence.low_rank import decoded, encoded, stored_columns
from divulge.influence.operators import Array, blocks

__all__ = ["ROWS_READ", "StoreFiles", "StoreIndex"]

_INDEX, _UNITS, _NORMS, _MOMENT = "store.json", "units.bin", "norms.bin", "moment.npz"
_LOCK, _DIRECTIONS = "store.lock", "directions.npz"
ROWS_READ = 8192


@dataclass
class StoreIndex:
    """What a folder holds.

    Attributes:
        projection: "random" or "two_sided", with `size` and `seed`.
        dtype: of the rows.
        parameters: a digest of those that the gradients are of; empty as long as there are none.
        precision: of the parameters.
        loss: whose gradients they are.
        widths: numbers of a sample's gradient, those of each layer.
        shapes: (a, b) of the matrices that they are.
        rank: singular pairs that are kept of each matrix, 0 for all of it.
        directions: of each layer that the preconditioner has, 0 for all of them.
        sides: of a two-sided projection, "orthonormal"; "normal" where nothing is said, as in earlier stores.
        rows: samples on the disk.
        going_to: samples once the data that is being appended is in.
        begun_at: samples before it.
        data: a digest of it.
    """

    projection: str
    size: int
    seed: int
    dtype: str
    parameters: str = ""
    precision: str = ""
    loss: str = ""
    widths: list[int] = field(default_factory=list)
    rows: int = 0
    going_to: int = 0
    begun_at: int = 0
    data: str = ""
    shapes: list[list[int]] = field(default_factory=list)
    rank: int = 0
    directions: int = 0
    sides: str = "normal"

    @property
    def columns(self) -> int:
        """Numbers of a sample's gradient."""
        return sum(self.widths)

    @property
    def stored(self) -> int:
        """Numbers that a sample takes on the disk."""
        return stored_columns(self.shapes, self.rank) if self.rank else self.columns

    def check(self) -> None:
        """Raise ValueError for a value of another kind."""
        for one in fields(self):
            value = getattr(self, one.name)
            lists = one.name in ("widths", "shapes")
            kind, whole = ("list", value) if lists else (one.type, [value])
            if type(value).__name__ != kind or any(isinstance(v, int) and v < 0 for v in whole):
                raise ValueError(f"expected {one.name} as {one.type}, got {value!r}")
        if self.rank and not _are_shapes_of(self.shapes, self.widths):
            raise ValueError(f"expected shapes of {self.widths} numbers, got {self.shapes}")
        if self.sides not in ("normal", "orthonormal"):
            raise ValueError(f"expected sides 'normal' or 'orthonormal', got {self.sides!r}")
        np.dtype(self.dtype)


class StoreFiles:
    """Rows of unit length (n, columns), their norms (n,), what they are, and the means of their squares.

    Args:
        folder: of the files; made where there is none.
        asked: what a new store is to be.

    Raises:
        ValueError: there is one, made in another way.
        UnreadableFile: the folder holds something else.
    """

    def __init__(self, folder: Path, asked: StoreIndex) -> None:
        self.folder, self.index = folder, asked
        if not (folder / _INDEX).exists():
            folder.mkdir(parents=True, exist_ok=True)
            self.write()
            return
        self.index = self._read()
        for name in ("projection", "size", "dtype", "seed", "rank", "directions"):
            held, wanted = getattr(self.index, name), getattr(asked, name)
            if held != wanted:
                if name in ("rank", "directions"):  # 0 is written as it is asked for
                    held, wanted = held or None, wanted or None
                raise ValueError(f"the store in {folder.name} was made with {name}={held!r}, got {wanted!r}")

    def append(self, block: Array) -> None:
        """Write some rows, and count them once they are on the disk."""
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            raise ValueError(
                f"the gradient of sample {self.index.rows - self.index.begun_at + bad[0]} is not finite"
            )
        norms = np.linalg.norm(block.astype(np.float64), axis=1)
        long = np.flatnonzero(norms > np.finfo(np.float32).max)
        if len(long):
            row = long[0]
            raise ValueError(
                f"the gradient of sample {self.index.rows - self.index.begun_at + row} is of length "
                f"{norms[row]:.2g}, expected at most 3.4e38"
            )
        units: Array = block / np.where(norms > 0, norms, 1)[:, None]
        if self.index.rank:
            units = encoded(units, self.index.shapes, self.index.rank)
        for name, part in ((_UNITS, units.astype(self.index.dtype)), (_NORMS, norms.astype(np.float32))):
            path, begin = self.folder / name, self.index.rows * (part.nbytes // len(part))
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.truncate(begin)  # what an interruption left behind
                file.seek(begin)
                file.write(part.tobytes())
        self.index.rows += len(block)
        self.write()

    def maps(self) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return the rows (n, numbers stored) and norms (n,), memory-mapped."""
        index, n = self.index, self.index.rows
        shapes = {_UNITS: (index.dtype, (n, index.stored)), _NORMS: ("float32", (n,))}
        found = []
        for name, (dtype, shape) in shapes.items():
            path = self.folder / name
            least = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if not path.exists() or path.stat().st_size < least:
                raise UnreadableFile(
                    path, "the file", f"holds fewer than the {n} rows that {_INDEX} tells of"
                )
            found.append(np.memmap(path, dtype, "r", shape=shape))
        return found[0], found[1]

    def units(self, rows: Array) -> Array:
        """Return some of the memory-mapped rows as gradients of about unit length (k, columns) in float32."""
        held = rows.astype(np.float32)
        return decoded(held, self.index.shapes, self.index.rank) if self.index.rank else held

    def moments(self) -> list[NDArray[np.float64]]:
        """Return (1/n) sum of g_i g_i' of each layer, from the disk where they were fitted to these rows."""
        path, widths = self.folder / _MOMENT, self.index.widths
        if path.exists():
            with reading(path, "moments of a store"), np.load(path) as held:
                if str(held["about"]) == self._about():
                    found = [np.asarray(held[f"moment {i}"], np.float64) for i in range(len(widths))]
                    if [part.shape for part in found] != [(width, width) for width in widths]:
                        raise ValueError(f"expected moments of {widths} numbers")
                    return found
        totals = [np.zeros((width, width)) for width in widths]
        for block in self._layers():
            for total, columns in zip(totals, block, strict=True):
                total += columns.T @ columns
        means = [total / self.index.rows for total in totals]
        with replacing(path) as file:
            arrays = {f"moment {i}": mean for i, mean in enumerate(means)}
            np.savez(file, about=np.asarray(self._about()), **arrays)  # type: ignore[arg-type]
        return means

    def directions(self) -> list[Directions]:
        """Return the leading directions of each layer, from the disk where they were found in these rows."""
        path, index = self.folder / _DIRECTIONS, self.index
        if path.exists():
            with reading(path, "directions of a store"), np.load(path) as held:
                if str(held["about"]) == self._about():
                    return [
                        Directions(held[f"values {i}"], held[f"vectors {i}"], float(held[f"mean {i}"]))
                        for i in range(len(index.widths))
                    ]
        found = leading(self._layers, index.rows, index.widths, index.directions, index.seed)
        with replacing(path) as file:
            arrays = {
                f"{name} {i}": np.asarray(part)
                for i, one in enumerate(found)
                for name, part in one._asdict().items()
            }
            np.savez(file, about=np.asarray(self._about()), **arrays)  # type: ignore[arg-type]
        return found

    def _layers(self) -> Iterator[list[Array]]:
        """Yield blocks of gradients, those of each layer, in float64."""
        units, norms = self.maps()
        for rows in blocks(self.index.rows, ROWS_READ):
            part = self.units(units[rows]).astype(np.float64) * norms[rows][:, None]
            yield np.split(part, np.cumsum(self.index.widths)[:-1], axis=1)

    def refresh(self) -> None:
        """Read what the folder holds now: others may have written to it."""
        vars(self.index).update(vars(self._read()))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raise ValueError where another process, or object, is writing."""
        with locked(self.folder / _LOCK) as free:
            if not free:
                raise ValueError(
                    f"another process, or object, is appending to the store in {self.folder.name}"
                )
            yield

    def _about(self) -> str:
        """Return what the rows are: after an error as many may be others."""
        return json.dumps(asdict(self.index))

    def write(self) -> None:
        """Write the index, whole or not at all."""
        with replacing(self.folder / _INDEX) as file:
            file.write(json.dumps(asdict(self.index), indent=1).encode())

    def _read(self) -> StoreIndex:
        path = self.folder / _INDEX
        with reading(path, "gradient store"):
            index = StoreIndex(**json.loads(path.read_bytes()))
            index.check()
        return index


def _are_shapes_of(shapes: Any, widths: list[int]) -> bool:
    """Whether they are pairs of numbers of at least 1, whose products are the widths."""
    pairs = [pair for pair in shapes if isinstance(pair, list) and len(pair) == 2]
    whole = all(type(side) is int and side > 0 for pair in pairs for side in pair)
    return whole and len(pairs) == len(shapes) and [a * b for a, b in pairs] == widths
