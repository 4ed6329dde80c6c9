"""How many times faster the compiled core is than plain Python.

    python bench/ratios.py --json [--only NAME,NAME]

Both sides run alternately in one process, after their answers were compared. Times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine_cases import Case


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call, and return its answer."""
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def measure(case: Case, repeats: int) -> dict[str, float]:
    """Compare the answers, then time both sides in turn. The fast side runs several times a turn."""
    native, baseline = [], []
    native_s, answer = seconds(case.native)
    baseline_s, expected = seconds(case.baseline)
    case.check(answer, expected)
    if case.long:  # what was timed while the answers were made must do
        native, baseline = [native_s], [case.scale * baseline_s]
    for _ in range(0 if case.long else repeats):
        baseline.append(case.scale * seconds(case.baseline)[0])
        native.extend(seconds(case.native)[0] for _ in range(3))
    native_s, baseline_s = statistics.median(native), statistics.median(baseline)
    return {"native_s": native_s, "baseline_s": baseline_s, "ratio": baseline_s / native_s}


def line(name: str, result: dict[str, float], note: str) -> str:
    times = f"{result['native_s']:.6f} s against {result['baseline_s']:.4f} s"
    return f"{name}: {times}, {result['ratio']:.1f} times ({note})"


def main() -> None:
    # Torch's threads spin while they wait, which makes both sides' times random where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from cases import CASES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--only", default=",".join(CASES), help="some of " + ", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"no benchmark is named {unknown[0]!r}; there are {', '.join(CASES)}")
    results = {}
    for name in names:
        case = CASES[name]()
        results[name] = measure(case, arguments.repeats)
        if not arguments.json:
            print(line(name, results[name], case.note))
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
