"""Exact scores of a million samples on disk: logistic regression, 100 features, 10 test points.

    python bench/million.py [--rows 1000000] [--features 100] [--solver direct|cg] [--json]

Inputs lie in a memory-mapped file of float32 that is written and read by blocks. The peak is that of the
process's resident pages (Linux), pages of the file that are mapped included, and those of the libraries.
Scores are compared with a plain solution in float64, by blocks, for one of the test points.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from torch import nn

from divulge import Influence
from divulge.influence import fit_linear
from memory import CLEAR, resident

BLOCK, TESTS, DECAY = 20_000, 10, 1e-3


def written(path: Path, rows: int, features: int) -> tuple[np.memmap, np.ndarray]:
    """Return inputs (rows, features) in a file, and classes drawn from a linear model of them."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(features) / np.sqrt(features)
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, features))
    y = np.empty(rows, np.int64)
    for begin in range(0, rows, BLOCK):
        part = rng.standard_normal((min(BLOCK, rows - begin), features), dtype=np.float32)
        x[begin : begin + len(part)] = part
        y[begin : begin + len(part)] = rng.random(len(part)) < 1 / (1 + np.exp(-2 * part @ truth))
    x.flush()
    return np.load(path, mmap_mode="r"), y


def reference(
    module: nn.Linear, x: np.ndarray, y: np.ndarray, test: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return the scores (rows,) of the first test point, whose Hessian is summed up block by block."""
    weight, bias = (p.detach().double().numpy() for p in (module.weight, module.bias))
    classes, features = weight.shape
    hessian = np.zeros((classes, features + 1, classes, features + 1))

    def of(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a = np.c_[inputs.astype(np.float64), np.ones(len(inputs))]
        z = a[:, :-1] @ weight.T + bias
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return a, p, p - np.eye(classes)[targets]

    for begin in range(0, len(x), BLOCK):
        a, p, _ = of(x[begin : begin + BLOCK], y[begin : begin + BLOCK])
        for i in range(classes):
            for j in range(classes):
                hessian[i, :, j] += (a * (p[:, i] * ((i == j) - p[:, j]))[:, None]).T @ a / len(x)
    flat = hessian.reshape(classes * (features + 1), -1) + DECAY * np.eye(classes * (features + 1))
    a, _, slope = of(test[0][:1], test[1][:1])
    solved = np.linalg.solve(flat, np.outer(slope[0], a[0]).ravel()).reshape(classes, -1)
    parts = []
    for begin in range(0, len(x), BLOCK):
        a, _, slope = of(x[begin : begin + BLOCK], y[begin : begin + BLOCK])
        parts.append(-np.einsum("nk,nk->n", slope, a @ solved.T))
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--solver", choices=("direct", "cg"), default="direct")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        x, y = written(Path(folder) / "inputs.npy", given.rows, given.features)
        rng = np.random.default_rng(1)
        test = rng.standard_normal((TESTS, given.features), dtype=np.float32), rng.integers(0, 2, TESTS)
        CLEAR.write_text("5")  # the peak begins here
        start = time.perf_counter()
        module = fit_linear(x, y, 2, weight_decay=DECAY)
        fitted = time.perf_counter()
        influence = Influence(module, (x, y), solver=given.solver, damping=0, weight_decay=DECAY)
        scores = influence.scores(test)
        seconds, peak = time.perf_counter() - fitted, resident("VmHWM")
        expected = reference(module, x, y, test)
        result = {
            "scores": list(scores.shape),
            "solver": given.solver,
            "path": influence.path,
            "data_GB": x.nbytes / 1e9,
            "peak_GB": peak / 1e9,
            "seconds_of_scores": seconds,
            "seconds_of_fit": fitted - start,
            "largest_error_of_largest": float(np.abs(scores[0] - expected).max() / np.abs(expected).max()),
        }
    print(json.dumps(result) if given.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
