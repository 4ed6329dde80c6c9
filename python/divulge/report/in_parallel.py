"""Rows of a report measured several at a time, in processes: none needs another."""

from __future__ import annotations

import pickle
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from divulge.report.pairs import Pairs, pairs_of
from divulge.report.runs import Curve
from divulge.report.study import Study
from divulge.victims import Victim

Unit = tuple[int, int]  # a seed, and the place of a pair
# Seconds that the rows left must promise to take before processes begin: each reads torch first, 5 seconds.
WORTH = 20.0


def by_names(study: Study) -> bool:
    """Whether other processes can be told what to measure: a model, and names of oracles and defences."""
    named = isinstance(study.oracles, Sequence) and isinstance(study.defences, Sequence)
    return named and isinstance(study.victim, Victim)


def in_processes(study: Study, made: Pairs, units: Sequence[Unit], jobs: int) -> Iterator[tuple[Unit, Curve]]:
    """Yield units and their curves, measured here and, where it is worth it, in processes: `jobs` in all.

    The first are measured here. When the user interrupts, what others have done is yielded before.
    """
    from joblib import cpu_count

    calls = {unit: (*made[unit[1]][:2], unit[0]) for unit in units}
    count = min(cpu_count() if jobs == -1 else jobs, len(units))
    begun, first = time.perf_counter(), 0
    while first < len(units) and (count == 1 or not _worth(begun, first, len(units))):
        yield units[first], _measured(study, *calls[units[first]])
        first += 1
    if first == len(units):
        return
    count = min(count, len(units) - first)
    with tempfile.TemporaryDirectory(prefix="divulge-", ignore_cleanup_errors=True) as folder:
        path = _kept(study, Path(folder) / "study")
        if path is None:
            yield from ((unit, _measured(study, *calls[unit])) for unit in units[first:])
            return
        others = _Others(str(path), calls, deque(units[first + 1 :]))
        try:
            others.begin(count - 1, max(1, cpu_count() // count))
            yield from _shared(study, others, units[first:])
        finally:
            others.end()


def _worth(begun: float, done: int, units: int) -> bool:
    """Whether the rows left promise to take longer than processes need to begin."""
    return 0 < done < units - 1 and (time.perf_counter() - begun) / done * (units - done) > WORTH


def _shared(study: Study, others: _Others, units: Sequence[Unit]) -> Iterator[tuple[Unit, Curve]]:
    """Yield units in order, measuring here the first, then what no process has begun."""
    own: dict[Unit, Curve] = {}
    told: set[Unit] = set()
    try:
        own[units[0]] = _measured(study, *others.calls[units[0]])
        for unit in units:
            while unit not in own and not others.done(unit):
                free = others.next()
                if free is None:
                    break
                own[free] = _measured(study, *others.calls[free])
            if unit not in own:
                found = others.curve(unit)
                own[unit] = _measured(study, *others.calls[unit]) if found is None else found
            told.add(unit)
            yield unit, own[unit]
    except KeyboardInterrupt:
        for unit in (unit for unit in units if unit not in told):
            found = own.get(unit) or (others.curve(unit) if others.done(unit) else None)
            if found is not None:
                yield unit, found
        raise


@dataclass
class _Others:
    """Processes that take the next unit when they have done one."""

    path: str
    calls: dict[Unit, tuple[Any, ...]]
    left: deque[Unit]
    pool: Any = None
    taken: dict[Unit, Future[Curve]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def begin(self, count: int, threads: int) -> None:
        """Start processes, whose torch takes as many threads as here: sums are rounded alike.

        Args:
            count: how many.
            threads: of other libraries in each.
        """
        from joblib.externals.loky import ProcessPoolExecutor

        # Processes that wait for one another's threads turn in vain otherwise.
        env = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        own = (torch.get_num_threads(),)
        self.pool = ProcessPoolExecutor(count, initializer=_begun, initargs=own, env=env)
        for _ in range(count):
            self.take()

    def take(self, _: object = None) -> None:
        """Give the next unit to a process; where there is none any more it stays."""
        with self.lock:
            if not self.left:
                return
            unit = self.left[0]
            try:
                future = self.pool.submit(_measured_there, self.path, *self.calls[unit])
            except (OSError, RuntimeError):  # shut down, or a process was ended
                return
            self.taken[unit] = future
            self.left.popleft()
        future.add_done_callback(self.take)

    def next(self) -> Unit | None:
        """Return the next unit that no process has, for this one."""
        with self.lock:
            return self.left.popleft() if self.left else None

    def done(self, unit: Unit) -> bool:
        """Whether a process has measured a unit, or was ended in it."""
        return unit in self.taken and self.taken[unit].done()

    def curve(self, unit: Unit) -> Curve | None:
        """Wait for the curve of a unit; None where a process failed, as for want of memory."""
        return None if self.taken[unit].exception() is not None else self.taken[unit].result()

    def end(self) -> None:
        """End the processes, whatever they do."""
        with self.lock:
            self.left.clear()
        if self.pool is not None:
            self.pool.shutdown(wait=True, kill_workers=not all(one.done() for one in self.taken.values()))


def _kept(study: Study, path: Path) -> Path | None:
    """Write what is the same for all rows once, for all processes; None where it does not pickle."""
    from joblib import wrap_non_picklable_objects

    try:
        with path.open("wb") as file:
            pickle.dump(wrap_non_picklable_objects(study, keep_wrapper=False), file)
    except Exception:  # of whatever kind: compiled and scripted modules, a full disk
        return None
    return path


def _begun(threads: int) -> None:
    """Begin a process: Ctrl-C is for the one that asked, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


@cache
def _read(path: str) -> Study:
    """Read the study once for all rows of a process."""
    with open(path, "rb") as file:
        found: Study = pickle.load(file)
    return found


def _measured_there(path: str, name: str, defence: str, seed: int) -> Curve:
    return _measured(_read(path), name, defence, seed)


def _measured(study: Study, name: str, defence: str, seed: int) -> Curve:
    """Make an oracle by its names and measure it."""
    assert isinstance(study.victim, Victim)
    (pair,), _ = pairs_of(study.victim, [name], [defence], study.data)
    return study.measured(*pair, study.victim, seed, lambda *_: None)
