"""CSV files as they come: with commas, semicolons or tabs, and with words that are not gaps."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from divulge.errors import UnreadableFile
from divulge.files import reading

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (";", "\t", "|", ",")
LINES = 20  # from which the separator is told
# What a table may write for a gap. In a column of words it is a word; among numbers it is refused by name.
GAPS = frozenset({"na", "n/a", "nan", "null", "none", "nil", "-", "?", "missing", "unknown"})
_EXPONENT = r"([eE][+-]?\d+)?"
_WITH_COMMA = rf"\s*[+-]?(\d+(,\d*)?|,\d+){_EXPONENT}\s*"
_NUMBER = rf"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+){_EXPONENT}\s*"
_BY_THOUSANDS = r"\s*[+-]?\d{1,3}([.,' ]\d{3})+([.,]\d+)?\s*"


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; only empty entries are gaps, and numbers may have decimal commas where ; separates.

    Raises:
        UnreadableFile: the file is damaged, rows hold more entries than there are names, or a column of
            numbers holds a word for a gap, or numbers in another notation.
    """
    with reading(path, "table"):
        separator = separator_of(path)
        frame = _parsed(path, separator, ".")
        if separator == ";" and any(_has_commas(frame[name]) for name in frame):
            frame = _parsed(path, separator, ",")
    for name in frame:
        _check_words(path, name, frame[name])
    return frame


def _parsed(path: Path, separator: str, decimal: str) -> pd.DataFrame:
    """Read a table; rows longer than the first line are refused, which pandas would shift or cut."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(
                path, sep=separator, decimal=decimal, keep_default_na=False, na_values=[""],
                encoding="utf-8-sig", index_col=False,
            )  # fmt: skip
        except pd.errors.ParserWarning:
            raise UnreadableFile(
                path, "the first line", "has fewer names than the rows below it have entries"
            ) from None
    return frame


def separator_of(path: Path) -> str:
    """Return what separates entries: of ; tab | and , what parts most lines alike, then into most entries."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = "".join(line for line, _ in zip(file, range(LINES), strict=False))
    lines = re.sub(r'"[^"]*"', "", text).splitlines()  # what is quoted separates nothing
    parts = {mark: [line.count(mark) for line in lines if line] or [0] for mark in SEPARATORS}
    alike = {mark: counts.count(counts[0]) if counts[0] else 0 for mark, counts in parts.items()}
    return max(SEPARATORS, key=lambda mark: (alike[mark], parts[mark][0]))


def _words(entries: pd.Series) -> pd.Series | None:
    """Return what a column of words holds but gaps; None of another column."""
    words = entries.dropna()
    return words if len(words) and all(isinstance(word, str) for word in words) else None


def _has_commas(entries: pd.Series) -> bool:
    """Whether all words of a column but those for gaps are numbers with decimal commas."""
    words = _words(entries)
    if words is None:
        return False
    words = words[~_are_gaps(words)]
    return bool(words.str.fullmatch(_WITH_COMMA).all() and words.str.contains(",").any())


def _are_gaps(words: pd.Series) -> pd.Series:
    return words.str.strip().str.lower().isin(GAPS)


def _check_words(path: Path, name: object, entries: pd.Series) -> None:
    """Raise UnreadableFile for a column of numbers with words for gaps among them, or that stayed words."""
    words = _words(entries)
    if words is None:
        return
    gaps = _are_gaps(words)
    numbers = words[~gaps]
    plain = numbers.str.fullmatch(_NUMBER)
    if gaps.all() or not (plain | numbers.str.fullmatch(_BY_THOUSANDS)).all():
        return
    where = f"column {name!r}"
    if gaps.any():
        row = gaps[gaps].index[0]
        said = f"holds {words[row]!r} in row {row} among numbers, {int(gaps.sum())} in all: fill or drop them"
        raise UnreadableFile(path, where, said)
    row = numbers.index[0] if plain.all() else plain[~plain].index[0]
    said = f"holds {numbers[row]!r} in row {row}: write numbers without marks of thousands, in one notation"
    raise UnreadableFile(path, where, said)
