"""The file that says what a sweep runs over."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from divulge.sweep.jobs import JOBS, check_setting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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
        ValueError: it is no TOML, or something in it cannot be: the sentence names what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from error
    unknown = sorted(set(content) - set(_KNOWN))
    if unknown:
        raise ValueError(f"{path}: expected {', '.join(_KNOWN)}, got {unknown[0]!r}")
    job = _one_of(path, "job", content.get("job", "reconstruct"), tuple(JOBS))
    engine = _one_of(path, "engine", content.get("engine", "processes"), ENGINES)
    workers = content.get("workers", -1)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers == 0 or workers < -1:
        raise ValueError(f"{path}: expected workers, a whole number from 1 on or -1, got {workers!r}")
    return Experiment(
        path, job, _seeds(path, content.get("seeds", 1)), engine, workers, _grid(path, job, content)
    )


def _one_of(path: Path, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return a value that is one of several words."""
    if value not in choices:
        raise ValueError(f"{path}: expected {name} to be {' or '.join(choices)}, got {value!r}")
    return str(value)


def _seeds(path: Path, value: Any) -> tuple[int, ...]:
    """Read how many seeds, or which."""
    values = range(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(values, (list, range)) or not len(values):
        raise ValueError(f"{path}: expected seeds, a number from 1 on or a list, got {value!r}")
    for seed in values:
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"{path}: expected seeds from 0 on, got {seed!r}")
    if len(set(values)) < len(values):
        raise ValueError(f"{path}: expected each seed once, got {value!r}")
    return tuple(values)


def _grid(path: Path, job: str, content: dict[str, Any]) -> dict[str, list[Any]]:
    """Read the grid; a single value stands for a list of one; what is not named has its default."""
    given = content.get("grid", {})
    if not isinstance(given, dict):
        raise ValueError(f"{path}: expected a table [grid], got {given!r}")
    defaults = JOBS[job].defaults
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(f"{path}: expected [grid] to hold {', '.join(defaults)}, got {unknown[0]!r}")
    grid = {}
    for name, default in defaults.items():
        values = given.get(name, [default])
        values = values if isinstance(values, list) else [values]
        if not values:
            raise ValueError(f"{path}: expected at least one value of {name}")
        for value in values:
            try:
                check_setting(name, value)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        grid[name] = values
    return grid
