"""Print what ptxas says of each kernel, from the log of a build, and fail where one spills registers.

python .ci/cuda_report.py build.log
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ENTRY = re.compile(r"'(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


class Kernel(NamedTuple):
    """A kernel for one architecture; sizes in bytes."""

    name: str
    architecture: str
    registers: int
    stack: int
    spills: int
    shared: int


def kernels(log: str) -> list[Kernel]:
    """Return the kernels of a log."""
    found = []
    for part in log.split("Compiling entry function ")[1:]:
        entry, used, frames = ENTRY.match(part), USED.search(part), SPILLS.findall(part)
        if not (entry and used and frames):
            raise SystemExit(f"expected registers and spills of each kernel, got {part[:200]!r}")
        stack = max(int(frame[0]) for frame in frames)
        spills = sum(int(stores) + int(loads) for _, stores, loads in frames)
        shared = SHARED.search(part[used.start() :].split("\n", 1)[0])
        found.append(Kernel(*entry.groups(), int(used[1]), stack, spills, int(shared[1]) if shared else 0))
    names = readable([kernel.name for kernel in found])
    return sorted(kernel._replace(name=name) for name, kernel in zip(names, found, strict=True))


def readable(symbols: list[str]) -> list[str]:
    """Return the names of kernels from their mangled symbols."""
    names = subprocess.run(
        ["c++filt", *symbols], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [re.sub(r".*run<divulge::kernels::(.*?)>\(.*", r"\1", name).removesuffix(" ") for name in names]


def main() -> None:
    """Print the table."""
    rows = kernels(Path(sys.argv[1]).read_text())
    if not rows:
        raise SystemExit("expected what ptxas -v prints, found no kernel in the log")
    print(f"{'kernel':26} {'for':6} {'registers':>9} {'stack':>6} {'spills':>7} {'static shared':>14}")
    for k in rows:
        print(f"{k.name:26} {k.architecture:6} {k.registers:9} {k.stack:6} {k.spills:7} {k.shared:14}")
    if spilling := [k.name for k in rows if k.spills]:
        raise SystemExit(f"these kernels spill registers: {', '.join(spilling)}")


if __name__ == "__main__":
    main()
