"""How many times faster the compiled core is than plain Python.

    python bench/ratios.py --json [--only NAME,NAME] [--device cuda]

Both sides run alternately in one process, after their answers were compared. Times are medians. With a device
both sides run there, after a few runs that are not counted, and its events take the times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine_cases import Case


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call, and return its answer."""
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def device_seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call by the events of the current CUDA device, and return its answer."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    answer = run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000, answer


def measure_on_device(case: Case, repeats: int) -> dict[str, float]:
    """The same on a CUDA device."""
    case.check(case.native(), case.baseline())
    for _ in range(3):
        case.native()
    native = [device_seconds(case.native)[0] for _ in range(repeats)]
    baseline = [case.scale * device_seconds(case.baseline)[0] for _ in range(repeats)]
    native_s, baseline_s = statistics.median(native), statistics.median(baseline)
    return {"native_s": native_s, "baseline_s": baseline_s, "ratio": baseline_s / native_s}


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
    import device_cases
    from cases import CASES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--only", help="some of " + ", ".join((*CASES, *device_cases.CASES)))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    cases: dict[str, Callable[[], Case]] = CASES
    if arguments.device == "cuda":
        cases = {name: partial(make, "cuda") for name, make in device_cases.CASES.items()}
    names = arguments.only.split(",") if arguments.only else list(cases)
    if unknown := [name for name in names if name not in cases]:
        parser.error(f"no benchmark is named {unknown[0]!r}; there are {', '.join(cases)}")
    results = {}
    for name in names:
        case = cases[name]()
        run = measure_on_device if arguments.device == "cuda" else measure
        results[name] = run(case, arguments.repeats)
        if not arguments.json:
            print(line(name, results[name], case.note))
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
