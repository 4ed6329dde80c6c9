"""What the text of an option may be.

A reader returns the value, or raises a BadParameter that says what was expected and what it got; the command
line names the option before it. Readers look at the disk at most for whether a file or folder is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from divulge.registry import Registry, split_list

MODEL_SUFFIXES = (".onnx", ".pt2")
TRUSTED_SUFFIXES = (".joblib", ".pkl", ".pickle", ".pt")  # code in them runs when they are read
DATA_SUFFIXES = (".csv", ".parquet", ".npz", ".npy")
Number = TypeVar("Number", int, float)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers."""

    def read(text: str) -> int:
        return _within(text, _parsed(text, int, "a whole number"), least, most, "a whole number")

    return read


def number(least: float, most: float = math.inf) -> Callable[[str], float]:
    """Return a reader of finite numbers."""

    def read(text: str) -> float:
        return _within(text, _parsed(text, float, "a number"), least, most, "a number")

    return read


def share(text: str) -> float:
    """Read a number between 0 and 1."""
    value = _parsed(text, float, "a number between 0 and 1")
    if not 0 < value < 1:
        raise typer.BadParameter(f"expected a number between 0 and 1, got {text}")
    return value


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """Return a reader of one of some names."""
    known = tuple(names)

    def read(text: str) -> str:
        if text not in known:
            raise typer.BadParameter(f"expected {' or '.join(known)}, got {text}")
        return text

    return read


def entry_of(registry: Registry[Any]) -> Callable[[str], str]:
    """Return a reader of a name of a registry, with its parameters."""

    def read(text: str) -> str:
        try:
            registry.parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        return text

    return read


def listed(read: Callable[[str], Any], what: str) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of values with commas between them."""

    def read_all(text: str) -> tuple[Any, ...]:
        try:
            return tuple(read(part) for part in split_list(text))
        except typer.BadParameter as error:
            raise typer.BadParameter(f"expected {what}, got {text!r}: {error.message}") from None

    return read_all


def percent(text: str) -> float:
    """Read a share in percent, above 0 and at most 100, and return it as a share of 1."""
    value = _parsed(text, float, "a share in percent")
    if not 0 < value <= 100:
        raise typer.BadParameter(f"expected a share in percent, above 0 and at most 100, got {text!r}")
    return value / 100


def classes(text: str) -> tuple[int, ...] | None:
    """Read class numbers, or all, which is None."""
    return None if text == "all" else listed(whole(0), "all or class numbers such as 0,3,5")(text)


def box(text: str) -> tuple[float, float]:
    """Read LOW,HIGH."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise typer.BadParameter(f"expected LOW,HIGH, two finite numbers in order, got {text!r}")
    return low, high


def jobs(text: str) -> int:
    """Read a number of processes, -1 for one a processor."""
    value = _parsed(text, int, "a whole number")
    if value != -1 and value < 1:
        raise typer.BadParameter(f"expected at least 1, or -1 for one a processor, got {text}")
    return value


def present(*suffixes: str) -> Callable[[str], Path]:
    """Return a reader of files that are there, with one of some suffixes, or with any where none is given."""

    def read(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix.lower() not in suffixes:
            raise typer.BadParameter(f"expected a file named {_patterns(suffixes)}, got {path.name or text}")
        if not path.is_file():
            raise typer.BadParameter(f"there is no file {text}")
        return path

    return read


def name_or_model(names: Sequence[str], more: Sequence[str] = ()) -> Callable[[str], str]:
    """Return a reader of a name or of a model file that is there, with more suffixes than the usual ones."""

    def read(text: str) -> str:
        if text in names:
            return text
        if Path(text).suffix.lower() not in (*MODEL_SUFFIXES, *more):
            kinds = f"{', '.join(names)} or a file {_patterns((*MODEL_SUFFIXES, *more))}"
            raise typer.BadParameter(f"expected {kinds}, got {text}")
        return str(present()(text))

    return read


def name_or_data(registry: Registry[Any]) -> Callable[[str], str]:
    """Return a reader of a data set's name, or of a file or folder of data that is there."""

    def read(text: str) -> str:
        if text not in registry and Path(text).is_dir():
            return text
        if text not in registry and Path(text).suffix.lower() in DATA_SUFFIXES:
            return str(present()(text))
        return entry_of(registry)(text)

    return read


def new(*suffixes: str) -> Callable[[str], Path]:
    """Return a reader of files that can be made: in a folder that is there, with one of some suffixes."""

    def read(text: str) -> Path:
        path = Path(text)
        if suffixes and path.suffix.lower() not in suffixes:
            raise typer.BadParameter(f"expected a file named {_patterns(suffixes)}, got {path.name or text}")
        if not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {path.parent}")
        if path.is_dir():
            raise typer.BadParameter(f"expected a file, {text} is a folder")
        return path

    return read


def picture(text: str) -> Path:
    """Read the name of a file that a figure can be drawn into."""
    from divulge.plots import suffixes

    return new(*suffixes())(text)


def folder(text: str) -> Path:
    """Read a folder that is there or can be made."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise typer.BadParameter(f"expected a folder, {text} is a file")
    return path


def _parsed(text: str, kind: Callable[[str], Number], what: str) -> Number:
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"expected {what}, got {text!r}") from None


def _within(text: str, value: Number, least: float, most: float | None, what: str) -> Number:
    """Return a value that is not below the least, not above the most, and finite."""
    if not value >= least:
        raise typer.BadParameter(f"expected {what} of at least {least:g}, got {text}")
    if most is not None and (value > most or math.isinf(value)):
        limit = "that is finite" if math.isinf(most) else f"of at most {most}"
        raise typer.BadParameter(f"expected {what} {limit}, got {text}")
    return value


def _patterns(suffixes: Sequence[str]) -> str:
    return " or ".join(f"*{suffix}" for suffix in suffixes)
