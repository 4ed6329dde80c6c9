"""All benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable

import boosting_cases
import engine_cases
import influence_cases
import unmask_cases
from engine_cases import Case

CASES: dict[str, Callable[[], Case]] = {
    **boosting_cases.CASES,
    **engine_cases.CASES,
    **influence_cases.CASES,
    **unmask_cases.CASES,
}
