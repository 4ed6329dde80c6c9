"""The cases of `ratios.py --device` give the baseline's answers: on the processor, at small sizes."""

from __future__ import annotations

from device_cases import hessian_product, kinks, masked_solves


def test_answers() -> None:
    for case in (
        kinks("cpu", lines=4, d=6, h=5, baseline_lines=2),
        hessian_product("cpu", rows=50, d=7, h=5),
        masked_solves("cpu", count=6, h=9, baseline_count=3),
    ):
        case.check(case.native(), case.baseline())
