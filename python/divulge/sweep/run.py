"""Running a sweep, and going on with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divulge.errors import DivulgeError
from divulge.html import ShownAsTable
from divulge.sweep.content import CONTENT, content_of
from divulge.sweep.experiment import Experiment, key_of, read_experiment
from divulge.sweep.jobs import run_cell
from divulge.sweep.results import KEY, Results, as_table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MOST_IN_CHUNK = 50
CHUNKS_A_WORKER = 8
RAY_WAVE = 64  # chunks


@dataclass(frozen=True)
class Sweep(ShownAsTable):
    """A sweep that has ended.

    Attributes:
        table: one row a run in the order of the file: its settings, what was measured, `seconds` and `error`.
        folder: where its rows are kept.
        already: how many of them were finished before.
    """

    table: pd.DataFrame
    folder: Path
    already: int

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.table.copy()

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        failed = int((self.table["error"] != "").sum())
        return {"runs": len(self.table), "from before": self.already, "failed": failed, "in": self.folder}

    def plot(self) -> NDArray[Any]:
        """Draw queries and agreement of every run, one line a combination; return both Axes."""
        from divulge.sweep.figures import plot_sweep

        return plot_sweep(self.table)


def sweep(
    experiment: Experiment | str | Path,
    *,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Run every combination of a grid that has not been run before, and those that failed again.

    Rows are kept as they are finished: whatever ends a sweep, a second call goes on where it stopped. A row
    depends on its own settings alone, so engine and number of workers change nothing but `seconds`. What a
    model file or a data set holds counts, not its name: a file that was replaced is run anew, one that was
    moved is not.

    Args:
        experiment: a TOML file, or one that was read.
        folder: where results are kept; by default the file's name with the suffix .results, beside it.
        progress: called with the runs finished and the number of all.

    Raises:
        ValueError: the file, or a file among the results, cannot be used.
        ImportError: the engine is not installed.
        DivulgeError: a worker process was killed, such as for want of memory.
    """
    plan = experiment if isinstance(experiment, Experiment) else read_experiment(experiment)
    results = Results(Path(folder) if folder is not None else plan.path.with_suffix(".results"))
    cells = list(_with_keys(plan))
    wanted = {key for key, _ in cells}
    kept = {key: row for key, row in results.read().items() if key in wanted}
    done = {key: row for key, row in kept.items() if not row["error"]}
    results.forget(kept.keys() - done.keys())
    already = sum(key in done for key, _ in cells)
    left = [(key, cell) for key, cell in dict(cells).items() if key not in done]
    if progress is not None:
        progress(already, len(cells))
    for rows in _finished(plan, chunks(left, plan.workers)):
        results.write(rows)
        done |= {row[KEY]: row for row in rows}
        if progress is not None:
            progress(sum(key in done for key, _ in cells), len(cells))
    return Sweep(as_table({**done[key], **cell} for key, cell in cells), results.folder, already)


def _with_keys(plan: Experiment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every run's key and settings, with the content of its victim."""
    content = lru_cache(maxsize=None)(content_of)
    for cell in plan.cells():
        held = content(cell["victim"]) + (content(cell["data"]) if cell["data"] != "none" else "")
        yield key_of(cell, held), {**cell, CONTENT: held}


def chunks(
    cells: Sequence[tuple[str, dict[str, Any]]], workers: int
) -> list[list[tuple[str, dict[str, Any]]]]:
    """Split runs into parts that are sent out, and kept, together."""
    import joblib

    workers = joblib.cpu_count() if workers < 0 else workers
    size = max(1, min(MOST_IN_CHUNK, len(cells) // (CHUNKS_A_WORKER * workers)))
    return [list(cells[i : i + size]) for i in range(0, len(cells), size)]


def run_chunk(cells: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Run some combinations and return their rows."""
    rows = []
    for key, cell in cells:
        rows.append({KEY: key, **cell, **run_cell(cell)})
    return rows


def _finished(
    plan: Experiment, parts: list[list[tuple[str, dict[str, Any]]]]
) -> Iterator[list[dict[str, Any]]]:
    """Return each part's rows as it is finished."""
    import joblib

    if not parts:
        return
    tasks = [joblib.delayed(run_chunk)(part) for part in parts]
    with _engine(plan):
        if plan.engine != "ray":
            try:
                yield from joblib.Parallel(return_as="generator_unordered")(tasks)
            except BrokenProcessPool as error:
                raise DivulgeError(
                    "a worker process was killed, perhaps for want of memory; finished rows are kept, and "
                    "the same call goes on where it stopped"
                ) from error
            return
        for first in range(0, len(tasks), RAY_WAVE):  # Ray's backend hands results back all at once
            yield from joblib.Parallel()(tasks[first : first + RAY_WAVE])


@contextmanager
def _engine(plan: Experiment) -> Iterator[None]:
    """Send runs to the experiment's engine: joblib's own, or a local Dask or Ray cluster."""
    import joblib

    client: Any = nullcontext()
    if plan.engine == "dask":
        client = _imported("dask.distributed", "dask").Client(
            n_workers=joblib.cpu_count() if plan.workers < 0 else plan.workers, dashboard_address=None
        )
    elif plan.engine == "ray":
        _imported("ray.util.joblib", "ray").register_ray()
    backend = {"threads": "threading", "processes": "loky"}.get(plan.engine, plan.engine)
    with client, joblib.parallel_config(backend=backend, n_jobs=plan.workers):
        yield


def _imported(module: str, extra: str) -> Any:
    """Import an engine, or say how to install it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"engine {extra!r} is not installed: pip install 'divulge[{extra}]'") from error
