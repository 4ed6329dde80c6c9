"""Rows of a report measured several at a time, in processes: none needs another."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import suppress

from divulge.report.pairs import Pairs, pairs_of
from divulge.report.runs import Curve
from divulge.report.study import Study
from divulge.victims import Victim

Unit = tuple[int, int]  # a seed, and the place of a pair


def can_be_sent(study: Study) -> bool:
    """Whether other processes can be told everything by value: names of oracles, and a model that pickles."""
    named = isinstance(study.oracles, Sequence) and isinstance(study.defences, Sequence)
    if not named or not isinstance(study.victim, Victim):
        return False
    try:
        pickle.dumps(study)
    except Exception:  # of whatever kind: compiled and scripted modules, functions of a session
        return False
    return True


def in_processes(study: Study, made: Pairs, units: Sequence[Unit], jobs: int) -> Iterator[Curve]:
    """Yield the curve of each unit in order, measured by this process and others, `jobs` in all.

    Others take seconds to begin; this one meanwhile measures the first unit, then what none has begun.
    """
    from joblib import cpu_count
    from joblib.externals.loky import get_reusable_executor

    count = min(cpu_count() if jobs == -1 else jobs, len(units))
    if count == 1:
        yield from (_measured(study, *made[place][:2], seed) for seed, place in units)
        return
    threads = str(max(1, cpu_count() // count))
    pool = get_reusable_executor(max_workers=count - 1, env={"OMP_NUM_THREADS": threads})
    calls = {(seed, place): (study, *made[place][:2], seed) for seed, place in units}
    others = {unit: pool.submit(_measured, *calls[unit]) for unit in units[1:]}
    own: dict[Unit, Curve] = {}
    try:
        own[units[0]] = _measured(*calls[units[0]])
        for unit in units:
            while unit not in own and not others[unit].done():
                free = next((u for u in units if u not in own and others[u].cancel()), None)
                if free is None:
                    break
                own[free] = _measured(*calls[free])
            if unit not in own:
                with suppress(BrokenExecutor):  # a process was ended, as for want of memory: once more here
                    own[unit] = others[unit].result()
            yield own[unit] if unit in own else _measured(*calls[unit])
    finally:
        if not all(other.done() for other in others.values()):  # something ended it early
            pool.shutdown(wait=False, kill_workers=True)


def _measured(study: Study, name: str, defence: str, seed: int) -> Curve:
    """Make an oracle by its names and measure it."""
    assert isinstance(study.victim, Victim)
    (pair,), _ = pairs_of(study.victim, [name], [defence], study.data)
    return study.measured(*pair, study.victim, seed, lambda *_: None)
