"""Memory that influence scores need above the data: 784-64-10, 60,000 training samples, 1,000 test points.

    python bench/memory.py [--tests 1000] [--curvature ekfac|hessian] [--bytes] [--json]

The scores go to a memory-mapped file. The peak is that of the process's resident pages (Linux), counted
from the moment when data and libraries are loaded. With --bytes the inputs lie in a memory-mapped file as
bytes. Conjugate gradients (--curvature hessian) go through blocks of 64 test points, so that a few blocks
show what all need: --tests 128.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from divulge import Influence
from divulge.influence import NotConverged

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(field: str) -> int:
    """Return VmRSS or VmHWM in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def inputs(rows: int, in_bytes: bool, folder: str) -> np.ndarray:
    """Return random images (rows, 784) in float32, or as bytes in a memory-mapped file."""
    rng = np.random.default_rng(0)
    if not in_bytes:
        return rng.random((rows, 784), dtype=np.float32)
    path = Path(folder) / "inputs.npy"
    np.save(path, rng.integers(0, 2, (rows, 784), dtype=np.uint8))
    return np.load(path, mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--curvature", choices=("ekfac", "hessian"), default="ekfac")
    parser.add_argument("--bytes", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    with tempfile.TemporaryDirectory() as folder:
        x = inputs(arguments.rows, arguments.bytes, folder)
        y = np.random.default_rng(1).integers(0, 10, arguments.rows)
        test = np.random.default_rng(2).random((arguments.tests, 784), dtype=np.float32), y[: arguments.tests]
        # Loads what is loaded at the first use.
        Influence(net, (np.array(x[:10]), y[:10]), curvature="ekfac").scores((test[0][:1], y[:1]))
        before = resident("VmRSS")
        CLEAR.write_text("5")  # the peak begins here
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConverged)
            # Far from a minimum the Hessian is indefinite: memory does not depend on the damping.
            influence = Influence(net, (x, y), curvature=arguments.curvature, damping=10.0, tolerance=1e-3)
            scores = influence.scores(test, out=Path(folder) / "scores.npy")
        result = {
            "scores": list(scores.shape),
            "curvature": arguments.curvature,
            "inputs": "bytes in a file" if arguments.bytes else "float32",
            "data_GB": x.nbytes / 1e9,
            "peak_above_data_GB": (resident("VmHWM") - before) / 1e9,
            "of_which_scores_GB": scores.nbytes / 1e9,
            "seconds": time.perf_counter() - start,
        }
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
