"""One run of a sweep: from its settings to a row of results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from divulge.sweep.victims import build_victim, check_hidden, comparison_points

if TYPE_CHECKING:
    from divulge.datasets import Dataset
    from divulge.oracles import Oracle
    from divulge.victims import Victim

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Job:
    """A kind of run.

    Attributes:
        defaults: its settings, and what they are where the file says nothing.
        run: from a run's settings to its results.
    """

    defaults: dict[str, Any]
    run: Callable[[dict[str, Any]], dict[str, Any]]


def run_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Run one combination; a failure of the victim or the attack is a result too.

    Returns:
        What the job measured, `seconds`, and `error`: a sentence where it failed, else empty.
    """
    from divulge.errors import DivulgeError

    began = time.perf_counter()
    try:
        result, error = JOBS[cell["job"]].run(cell), ""
    except (DivulgeError, ValueError, OSError, MemoryError) as failure:
        result, error = {}, f"{type(failure).__name__}: {failure}"
    return {**result, "seconds": time.perf_counter() - began, "error": error}


def check_setting(name: str, value: Any) -> None:
    """Raise ValueError where a setting cannot be."""
    from divulge.oracles import ORACLES, check_defence
    from divulge.training import NETWORKS

    if name == "oracle":
        ORACLES.parse(value)
    if name == "dtype" and value not in DTYPES:
        raise ValueError(f"expected dtype to be {' or '.join(DTYPES)}, got {value!r}")
    if name in ("victim", "data", "target") and not isinstance(value, str):
        raise ValueError(f"expected a {name} that is a name, got {value!r}")
    if name == "hidden":
        check_hidden(value)
    if name in ("inputs", "outputs", "queries", "steps") and not _from_one(value):
        raise ValueError(f"expected {name} from 1 on, got {value!r}")
    if name == "budget" and not (_from_one(value) or value == "none"):
        raise ValueError(f'expected a budget from 1 on or "none", got {value!r}')
    if name == "defence":
        check_defence(value)
    if name == "surrogate":
        NETWORKS.parse(value)


def _from_one(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _oracle(cell: dict[str, Any], victim: Victim, data: Dataset | None) -> Oracle:
    """Return what the attack may ask."""
    from divulge.oracles import defence_by_name, oracle_by_name

    budget = None if cell.get("budget", "none") == "none" else cell["budget"]
    return defence_by_name(cell["defence"], oracle_by_name(cell["oracle"], victim, data=data, budget=budget))


def _reconstruct(cell: dict[str, Any]) -> dict[str, Any]:
    """Rebuild a victim and compare."""
    from divulge.comparison import compare
    from divulge.reconstruction import reconstruct_many

    victim, data = build_victim(cell)
    (result,) = reconstruct_many([_oracle(cell, victim, data)], seed=cell["seed"])
    points = comparison_points(victim.input_size) if data is None else data.test_inputs
    found = compare(result, victim, points)
    return {
        "queries": result.queries,
        "hidden_units": result.hidden_units,
        "hidden_units_true": found.hidden_units_true,
        "complete": result.complete,
        "certificate": result.certificate.error,
        "max_output_error": found.max_output_error,
        "agreement": found.agreement,
    }


def _steal(cell: dict[str, Any]) -> dict[str, Any]:
    """Train a copy on answers and compare."""
    from divulge.surrogate import steal

    victim, data = build_victim(cell)
    if data is None:
        raise ValueError(f"expected a data set for steal to ask about, got victim {cell['victim']!r}")
    oracle = _oracle(cell, victim, data)
    result = steal(
        oracle, cell["surrogate"], queries=cell["queries"], data=data, steps=cell["steps"], seed=cell["seed"]
    )
    last = result.leak_curve.iloc[-1]
    return {
        "queries": result.queries,
        **{name: float(last[name]) for name in last.index if name != "queries"},
    }


_VICTIM = {
    "victim": "random",
    "data": "none",
    "target": "none",
    "inputs": 20,
    "hidden": 16,
    "outputs": 1,
    "dtype": "float64",
}
JOBS = {
    "reconstruct": Job({**_VICTIM, "oracle": "gradient", "defence": "none", "budget": "none"}, _reconstruct),
    "steal": Job(
        {
            **_VICTIM,
            "victim": "digits",
            "dtype": "float32",
            "oracle": "gradient",
            "defence": "none",
            "surrogate": "mlp",
            "queries": 100,
            "steps": 2000,
        },
        _steal,
    ),
}
