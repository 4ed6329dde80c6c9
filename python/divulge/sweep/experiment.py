"""The file that says what a sweep runs over."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from divulge.errors import UnreadableFile
from divulge.files import reading
from divulge.sweep.jobs import JOBS, check_setting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Of seeds and workers: more are a slip, and a list of them would fill the memory.
_MOST = 1_000_000
ENGINES = ("threads", "processes", "dask", "ray")
_KNOWN = ("job", "seeds", "engine", "workers", "grid")


@dataclass(frozen=True)
class Experiment:
    """What a sweep runs over.

    Attributes:
        path: the file it was read from.
        job: "reconstruct" or "steal".
        seeds: of each combination's runs; victim and attack are drawn from the same one.
        engine: where runs go: "threads", "processes", "dask" or "ray".
        workers: how many at a time; -1 for one a processor.
        grid: the values of each setting; every combination is run.
    """

    path: Path
    job: str
    seeds: tuple[int, ...]
    engine: str
    workers: int
    grid: dict[str, list[Any]]

    def cells(self) -> Iterator[dict[str, Any]]:
        """Return the settings of every run, seed and job among them, in the order of the file."""
        for values in product(*self.grid.values()):
            for seed in self.seeds:
                yield {"job": self.job, **dict(zip(self.grid, values, strict=True)), "seed": seed}


def key_of(cell: dict[str, Any], content: str = "") -> str:
    """Return a name for a run that its settings alone decide.

    Args:
        cell: the settings.
        content: of the victim's file or data, which stands for their name; empty where there are none.
    """
    named = {**cell, "victim": {"content": content}} if content else cell
    text = json.dumps(named, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def read_experiment(path: str | Path) -> Experiment:
    """Read a sweep's TOML file.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableFile: it is no TOML, or something in it cannot be: the sentence names what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with reading(path, "file that says what a sweep runs over"):
        content = _content(path)
        unknown = sorted(set(content) - set(_KNOWN))
        if unknown:
            raise UnreadableFile(path, "the table", f"expected {', '.join(_KNOWN)}, got {unknown[0]!r}")
        job = _one_of(path, "job", content.get("job", "reconstruct"), tuple(JOBS))
        engine = _one_of(path, "engine", content.get("engine", "processes"), ENGINES)
        workers = content.get("workers", -1)
        if not _is_whole(workers) or workers == 0 or workers < -1 or workers > _MOST:
            raise _wrong(path, "workers", "a whole number from 1 on or -1", workers)
        seeds = _seeds(path, content.get("seeds", 1))
        return Experiment(path, job, seeds, engine, workers, _grid(path, job, content))


def _content(path: Path) -> dict[str, Any]:
    """Return what the file says."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UnreadableFile(path, f"byte {error.start}", f"is no TOML file's: {error.reason}") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (.*)\)", str(error))
        place = found[1] if found else "the file"
        raise UnreadableFile(path, place, f"is no TOML file's: {str(error).split(' (at')[0]}") from error
    return content


def _wrong(path: Path, name: str, expected: str, got: Any) -> UnreadableFile:
    """Return the error that names a setting."""
    return UnreadableFile(path, f"setting {name!r}", f"should be {expected}, got {got!s:.200}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(path: Path, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return a value that is one of several words."""
    if value not in choices:
        raise _wrong(path, name, " or ".join(choices), repr(value))
    return str(value)


def _seeds(path: Path, value: Any) -> tuple[int, ...]:
    """Read how many seeds, or which."""
    if _is_whole(value) and not 1 <= value <= _MOST:
        raise _wrong(path, "seeds", f"a number from 1 to {_MOST} or a list", value)
    values = range(value) if _is_whole(value) else value
    if not isinstance(values, (list, range)) or not len(values):
        raise _wrong(path, "seeds", f"a number from 1 to {_MOST} or a list", repr(value))
    for seed in values:
        if not _is_whole(seed) or not 0 <= seed < 2**63:
            raise _wrong(path, "seeds", "from 0 on, and below 2^63", repr(seed))
    if len(set(values)) < len(values):
        raise _wrong(path, "seeds", "each there once", repr(value))
    return tuple(values)


def _grid(path: Path, job: str, content: dict[str, Any]) -> dict[str, list[Any]]:
    """Read the grid; a single value stands for a list of one; what is not named has its default."""
    given = content.get("grid", {})
    if not isinstance(given, dict):
        raise _wrong(path, "grid", "a table [grid]", repr(given))
    defaults = JOBS[job].defaults
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise _wrong(path, "grid", f"one of {', '.join(defaults)} in [grid]", repr(unknown[0]))
    grid = {}
    for name, default in defaults.items():
        values = given.get(name, [default])
        values = values if isinstance(values, list) else [values]
        if not values:
            raise _wrong(path, name, f"at least one value of {name}", "none")
        for value in values:
            try:
                check_setting(name, value)
            except (ValueError, TypeError) as error:
                raise UnreadableFile(path, f"setting {name!r}", f"cannot be: {error}") from error
        grid[name] = values
    return grid
