"""Run all tests and benchmarks that need a CUDA device, and write what they print to a file.

    python bench/cuda_report.py report.txt [--sanitizer]

Needs a build with -C cmake.define.DIVULGE_CUDA=ON, and pytest. With --sanitizer the tests run under
compute-sanitizer, once for its memcheck and once for its racecheck.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch

import divulge

ROOT = Path(__file__).parent.parent


def commands(sanitizer: bool) -> list[list[str]]:
    """Return what is run."""
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "cuda",
        "-v",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests"),
    ]
    checks = ["memcheck", "racecheck"] if sanitizer else []
    return [
        ["nvidia-smi"],
        tests,
        *(["compute-sanitizer", "--tool", tool, "--error-exitcode", "1", *tests] for tool in checks),
        [sys.executable, str(ROOT / "bench" / "ratios.py"), "--device", "cuda"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--sanitizer", action="store_true")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: torch.cuda.is_available() is false")
    if not divulge.build_config()["cuda_architectures"]:
        raise SystemExit("divulge was built without CUDA: pip install . -C cmake.define.DIVULGE_CUDA=ON")
    failed = []
    with arguments.report.open("w") as report:
        print(
            torch.cuda.get_device_name(), torch.__version__, divulge.build_config(), file=report, flush=True
        )
        for command in commands(arguments.sanitizer):
            print("\n$", *command, file=report, flush=True)
            if subprocess.run(command, stdout=report, stderr=subprocess.STDOUT, cwd=ROOT).returncode:
                failed.append(" ".join(command))
    print(f"wrote {arguments.report}")
    if failed:
        raise SystemExit("failed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
