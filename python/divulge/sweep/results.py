"""Results of a sweep on the disk: a folder of Parquet files, each written once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divulge.errors import UnreadableFile
from divulge.files import check_size, reading, replacing

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
            UnreadableFile: a file is damaged; the others are left as they are.
        """
        rows: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.parquet")):
            part = _read(path)
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
        for path in sorted(self.folder.glob("*.parquet")):
            table = _read(path)
            kept = table[~table[KEY].isin(keys)]
            if not len(kept):
                path.unlink()
            elif len(kept) < len(table):
                _write(kept, path)


def _write(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file that is there whole or not at all."""
    with replacing(path) as file:
        table.to_parquet(file, index=False, write_page_checksum=True)


def _read(path: Path) -> pd.DataFrame:
    """Return a file's rows, its pages held against their checksums."""
    import pyarrow.parquet as parquet

    with reading(path, "results of a sweep; delete it to run its rows again"):
        size = path.stat().st_size
        # Names and statistics are in the file itself: what says it is longer is wrong.
        limits = {"thrift_string_size_limit": size + 1, "thrift_container_size_limit": size + 1}
        with parquet.ParquetFile(path, page_checksum_verification=True, **limits) as file:
            about = file.metadata
            groups = [about.row_group(k) for k in range(about.num_row_groups)]
            columns = [group.column(c) for group in groups for c in range(group.num_columns)]
            check_size(path, "the table", sum(column.total_uncompressed_size for column in columns))
            check_size(path, "the table", about.num_rows * max(1, about.num_columns))
            table = file.read().to_pandas()
        if KEY not in table or not all(isinstance(key, str) for key in table[KEY]):
            raise UnreadableFile(
                path, "the table", f"holds no results of a sweep: expected a column {KEY!r} of text"
            )
    return table


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
