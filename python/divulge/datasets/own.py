"""Data of one's own: tables, arrays, folders of images, other libraries' data sets, brought to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.arrays import Array, Index
from divulge.datasets.columns import column_of, shown
from divulge.datasets.csv_file import read_csv
from divulge.datasets.dataset import Dataset
from divulge.datasets.foreign import is_foreign, of_torch
from divulge.datasets.image_folder import read_images
from divulge.datasets.npy import read_npy, read_npz_names
from divulge.datasets.targets import read_targets
from divulge.errors import UnreadableFile
from divulge.files import reading

if TYPE_CHECKING:
    import pandas as pd

TEST_SHARE = 0.2
SUFFIXES = (".csv", ".parquet", ".npz", ".npy")


def read_data(
    source: Any,
    target: Any = None,
    *,
    name: str | None = None,
    kinds: Mapping[Any, str] | None = None,
    fixed: Sequence[Any] = (),
    ranges: Mapping[Any, tuple[float, float]] | None = None,
    test_share: float = TEST_SHARE,
    seed: int = 0,
) -> Dataset:
    """Return data of one's own as a data set.

    Args:
        source: a file (.csv, .parquet, .npz, .npy), a folder with a folder of images for each class, a pandas
            DataFrame, a pair (inputs (n, ...), targets (n,)), a torch Dataset, IterableDataset or DataLoader
            of such pairs, or of dicts of single entries or of one input and the target, or a Hugging Face
            data set. An .npz file holds x and y, or x_train, y_train, x_test and y_test;
            an .npy file a matrix.
        target: the column that holds the class, by name; of an .npy file by its place. It is needed where
            there are columns. Classes are of any type. Numbers of which most occur once or twice are no
            classes but what a regression predicts.
        name: of the data set; by default the file's.
        kinds: "numeric", "integer", "binary" or "categorical" for columns by name; else told by the entries.
            The target is numbers where it is "numeric", classes where it is any other.
        fixed: columns that may not change.
        ranges: (low, high) of columns by name; by default the table's least and greatest number.
        test_share: of the rows, drawn for testing with the seed and in each class alike.
        seed: of that split.

    Raises:
        ValueError: there is no such column, one is constant, has gaps or is of an unknown type, or inputs and
            targets do not fit.
        TypeError: the source is none of these.
        UnreadableFile: the file is damaged, or of another kind.
        FileNotFoundError: there is no such file.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"expected a share of test rows between 0 and 1, got {test_share}")
    split = _Split(test_share, seed)
    table: dict[str, Any] = {"kinds": kinds or {}, "fixed": fixed, "ranges": ranges or {}}
    if isinstance(source, str | Path):
        path = Path(source)
        return _of_path(path, target, name or path.name, split, table)
    if hasattr(source, "columns") and hasattr(source, "iloc"):
        return _of_frame(source, target, name or "table", split, **table)
    if hasattr(source, "to_pandas") and hasattr(source, "column_names"):
        return _of_frame(source.to_pandas(), target, name or "data set", split, **table)
    if is_foreign(source):
        read, name = of_torch(source, target), name or type(source).__name__
        if isinstance(read, tuple):
            return _of_arrays(read[0], read[1], name, split)
        return _of_frame(read, target, name, split, **table)
    if isinstance(source, tuple | list) and len(source) == 2:
        return _of_arrays(_array(source[0]), _array(source[1]), name or "arrays", split)
    if (
        isinstance(source, Mapping)
        and source
        and all(hasattr(part, "column_names") for part in source.values())
    ):
        raise TypeError(
            f"expected one split of {type(source).__name__}, such as data[{next(iter(source))!r}], of "
            f"{shown(tuple(source))}"
        )
    raise TypeError(
        "expected a file, a DataFrame, a pair (inputs, targets), a torch Dataset or DataLoader or a Hugging "
        f"Face data set, got {type(source).__name__}"
    )


class _Split:
    """Draws the rows for testing, the same share of every class."""

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.seed = share, seed

    def rows(self, targets: Index | Array) -> tuple[Index, Index]:
        """Return the rows for training and for testing, each in their order.

        Rows with numbers as targets are drawn as if all were of one class.

        Raises:
            ValueError: there are fewer than two rows.
        """
        if len(targets) < 2:
            raise ValueError(f"expected at least two rows, to train and to test on, got {len(targets)}")
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(targets))
        if targets.dtype.kind != "f":
            order = order[np.argsort(targets[order], kind="stable")]  # class by class, shuffled inside each
        place = (np.arange(len(order)) + rng.random()) * self.share
        testing = np.floor(place + self.share) > np.floor(place)
        if not testing.any():
            testing[rng.integers(len(order))] = True
        return np.sort(order[~testing]), np.sort(order[testing])


def _of_path(path: Path, target: Any, name: str, split: _Split, table: dict[str, Any]) -> Dataset:
    """Read a file or a folder by its kind."""
    if path.is_dir():
        inputs, labels, names = read_images(path)
        return _made(name, inputs, labels, names, split)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _of_npz(path, name, split)
    if suffix == ".npy":
        return _of_frame(_matrix(path), _place(target), name, split, **table)
    if suffix not in SUFFIXES:
        raise UnreadableFile(path, "the name", f"tells no kind: expected {', '.join(SUFFIXES)} or a folder")
    return _of_frame(_frame(path, suffix), target, name, split, **table)


def _frame(path: Path, suffix: str) -> pd.DataFrame:
    """Read a CSV or Parquet file."""
    import pandas as pd

    if suffix == ".csv":
        return read_csv(path)
    with reading(path, "table"):
        return pd.read_parquet(path)


def _matrix(path: Path) -> pd.DataFrame:
    """Read an .npy file as a table whose columns are numbered."""
    import pandas as pd

    array = read_npy(path)
    if array.ndim != 2:
        raise UnreadableFile(path, "the array", f"should be a matrix (n, columns), got shape {array.shape}")
    return pd.DataFrame(array)


def _place(target: Any) -> Any:
    """The number of a column that is given as text."""
    return int(target) if isinstance(target, str) and target.lstrip("-").isdigit() else target


def _of_npz(path: Path, name: str, split: _Split) -> Dataset:
    """Read an .npz file with one part or two."""
    held = read_npz_names(path)
    if {"x", "y"} <= held.keys():
        return _of_arrays(held["x"], held["y"], name, split)
    wanted = ("x_train", "y_train", "x_test", "y_test")
    if not set(wanted) <= held.keys():
        raise UnreadableFile(
            path, "the archive", f"should hold x and y, or {', '.join(wanted)}, got {', '.join(held)}"
        )
    x_train, y_train, x_test, y_test = (held[part] for part in wanted)
    labels, names = read_targets(np.concatenate([y_train, y_test]), "y_train and y_test")
    rows = np.arange(len(labels))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise UnreadableFile(
            path, "the arrays", f"do not fit: x_train {x_train.shape}, x_test {x_test.shape}"
        )
    inputs = _inputs(np.concatenate([x_train, x_test]), len(labels))
    return _parts(name, inputs, labels, names, rows[: len(y_train)], rows[len(y_train) :])


def _of_frame(
    frame: pd.DataFrame,
    target: Any,
    name: str,
    split: _Split,
    kinds: Mapping[Any, str],
    fixed: Sequence[Any],
    ranges: Mapping[Any, tuple[float, float]],
) -> Dataset:
    """Make a data set of a table: one number for each column."""
    from dataclasses import replace

    held = tuple(frame.columns)
    if target is None:
        raise ValueError(f"expected a target, the column that holds the class, of {shown(held)}")
    if isinstance(target, int) and not isinstance(target, bool) and target < 0 and target not in held:
        target = held[target] if -len(held) <= target else target
    for column in (target, *kinds, *fixed, *ranges):
        if column not in held:
            raise ValueError(f"there is no column {column!r} in {name}, which has {shown(held)}")
    doubled = next((column for column in held if held.count(column) > 1), None)
    if doubled is not None:
        raise ValueError(f"{name} has two columns {doubled!r}")
    frame = frame.reset_index(drop=True)
    labels, names = read_targets(frame[target], f"column {target!r}", kinds.get(target))
    columns = []
    for column in held:
        if column == target:
            continue
        made = column_of(column, frame[column], kinds.get(column))
        low, high = map(float, ranges.get(column, (made.low, made.high)))
        if not low <= high:
            raise ValueError(f"expected a range low, high of column {column!r}, got {low:g}, {high:g}")
        columns.append(replace(made, low=low, high=high, may_change=column not in fixed))
    if not columns:
        raise ValueError(f"{name} has no column but {target!r}")
    matrix = np.column_stack([column.encode(frame[column.name]) for column in columns])
    return _parts(name, matrix, labels, names, *split.rows(labels), columns=tuple(columns))


def _of_arrays(inputs: NDArray[Any], targets: NDArray[Any], name: str, split: _Split) -> Dataset:
    """Make a data set of inputs (n, ...) and targets (n,)."""
    labels, names = read_targets(targets, "the targets")
    return _made(name, _inputs(inputs, len(labels)), labels, names, split)


def _inputs(inputs: NDArray[Any], n: int) -> NDArray[Any]:
    """Return finite inputs (n, ...) as floats; bytes as shares of 255."""
    if inputs.ndim < 2 or len(inputs) != n:
        raise ValueError(f"expected inputs of shape ({n}, ...), one for each target, got {inputs.shape}")
    if inputs.dtype.kind not in "buif":
        raise ValueError(f"expected inputs that are numbers, got dtype {inputs.dtype}")
    if inputs.dtype == np.uint8 and inputs.ndim > 2:
        return inputs.astype(np.float32) / 255
    floats = inputs if inputs.dtype == np.float32 else inputs.astype(np.float64)
    bad = np.argwhere(~np.isfinite(floats))
    if len(bad):
        where = tuple(map(int, bad[0]))
        raise ValueError(f"the inputs hold {floats[where]} in row {where[0]} at {where[1:]}")
    return floats


def _made(
    name: str, inputs: NDArray[Any], labels: Index | Array, names: tuple[Any, ...], split: _Split
) -> Dataset:
    """Split inputs and classes."""
    return _parts(name, inputs, labels, names, *split.rows(labels))


def _parts(
    name: str,
    inputs: NDArray[Any],
    labels: Index | Array,
    names: tuple[Any, ...],
    train: Index,
    test: Index,
    columns: tuple[Any, ...] = (),
) -> Dataset:
    """Return the data set of two lists of rows."""
    x = torch.from_numpy(inputs)
    y = torch.from_numpy(labels if labels.dtype.kind == "f" else labels.astype(np.int64))
    return Dataset(name, x[train], y[train], x[test], y[test], columns=columns, class_names=names)


def _array(values: Any) -> NDArray[Any]:
    """Return an array, a tensor or a table's values."""
    from divulge.points import host_array

    return np.asarray(host_array(values))
