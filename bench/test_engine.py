"""The pairs of ratios.py as groups of pytest-benchmark: python -m pytest bench --benchmark-enable."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cases import CASES
from engine_cases import Case


@pytest.fixture(scope="module", params=list(CASES))
def named_case(request: pytest.FixtureRequest) -> tuple[str, Case]:
    case = CASES[request.param]()
    if case.long:
        pytest.skip("takes minutes; bench/ratios.py runs it")
    case.check(case.native(), case.baseline())
    return request.param, case


@pytest.mark.parametrize("side", ["native", "baseline"])
def test_engine(benchmark: BenchmarkFixture, named_case: tuple[str, Case], side: str) -> None:
    name, case = named_case
    benchmark.group = name
    benchmark.extra_info["note"] = case.note
    benchmark.pedantic(getattr(case, side), rounds=5, warmup_rounds=1)
