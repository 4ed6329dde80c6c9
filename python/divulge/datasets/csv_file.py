"""CSV files as they come: with commas, semicolons or tabs, and with words that are not gaps."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from divulge.errors import UnreadableFile
from divulge.files import reading

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
# What a table may write for a gap. In a column of words it is a word; among numbers it is refused by name.
GAPS = frozenset({"na", "n/a", "nan", "null", "none", "nil", "-", "?", "missing", "unknown"})


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; only empty entries are gaps, and numbers may have decimal commas where ; separates.

    Raises:
        UnreadableFile: the file is damaged, or a column of numbers holds a word for a gap.
    """
    import pandas as pd

    with reading(path, "table"):
        separator = separator_of(path)
        options = {"sep": separator, "keep_default_na": False, "na_values": [""], "encoding": "utf-8-sig"}
        frame: pd.DataFrame = pd.read_csv(path, **options)
        if separator == ";" and any(_has_commas(frame[name]) for name in frame):
            frame = pd.read_csv(path, decimal=",", **options)
    for name in frame:
        _check_gaps(path, name, frame[name])
    return frame


def separator_of(path: Path) -> str:
    """Return what separates the names in the first line: of , ; tab and | what is there most often."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
    parts = {mark: len(next(csv.reader([head], delimiter=mark), [])) for mark in SEPARATORS}
    return max(SEPARATORS, key=lambda mark: parts[mark])


def _has_commas(entries: pd.Series) -> bool:
    """Whether all words of a column are numbers with decimal commas."""
    words = entries.dropna()
    if not len(words) or not all(isinstance(word, str) for word in words):
        return False
    return bool(words.str.fullmatch(r"\s*[+-]?\d+(,\d+)?\s*").all() and words.str.contains(",").any())


def _check_gaps(path: Path, name: object, entries: pd.Series) -> None:
    """Raise UnreadableFile for a column of numbers with words for gaps among them."""
    words = entries.dropna()
    if not all(isinstance(word, str) for word in words):
        return
    gaps = words.str.strip().str.lower().isin(GAPS)
    if not gaps.any() or gaps.all():
        return
    if words[~gaps].str.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*").all():
        row = gaps[gaps].index[0]
        raise UnreadableFile(
            path,
            f"column {name!r}",
            f"holds {words[row]!r} in row {row} among numbers, {int(gaps.sum())} in all: fill or drop them",
        )
