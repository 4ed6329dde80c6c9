"""Results of a sweep on the disk: a folder of Parquet files, each written once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divulge.files import replacing

if TYPE_CHECKING:
    import pandas as pd

KEY = "key"
WORDS = ("budget", "defence", "hidden", "victim", "surrogate")


class Results:
    """Finished runs, by key.

    Args:
        folder: where the files are; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all finished rows by their keys.

        Raises:
            ValueError: a file is damaged (named); the others are left as they are.
        """
        import pandas as pd

        rows: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                part = pd.read_parquet(path)
            except Exception as error:
                raise ValueError(f"{path} is damaged, delete it to run its rows again: {error}") from error
            if KEY not in part:
                raise ValueError(f"{path} holds no results of a sweep: it has no column {KEY!r}")
            rows |= {row[KEY]: row for row in part.to_dict("records")}
        return rows

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep finished rows in one more file."""
        table = as_table(rows)
        stem = table[KEY].iloc[0]
        names = (f"{stem}{f'-{n}' * (n > 1)}.parquet" for n in count(1))
        _write(table, next(path for name in names if not (path := self.folder / name).exists()))

    def forget(self, keys: set[str]) -> None:
        """Take rows out of the files that hold them; a file of no other rows goes."""
        import pandas as pd

        for path in sorted(self.folder.glob("*.parquet")):
            table = pd.read_parquet(path)
            kept = table[~table[KEY].isin(keys)]
            if not len(kept):
                path.unlink()
            elif len(kept) < len(table):
                _write(kept, path)


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file that is there whole or not at all."""
    with replacing(path) as file:
        table.to_parquet(file, index=False)


def as_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a table; lists and tables among the settings become JSON text."""
    import pandas as pd

    plain = [{name: _plain(name, value) for name, value in row.items()} for row in rows]
    return pd.DataFrame(plain).convert_dtypes()


def _plain(name: str, value: Any) -> Any:
    """Return a value that a column can hold; settings that are words in one row are text in all."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, sort_keys=True)
    return str(value) if name in WORDS else value
