"""What two processes of torchrun take of what one takes: factors of EK-FAC, and scores of many samples.

    python bench/two_processes.py [--texts 2048] [--rows 1000000] [--json]

CPU seconds of a process, the most of all of them; two processors that are free turn them into time. The
factors are those of bench/byte_model.py's transformer, by `fit_factors`; the scores those of logistic
regression on 100 features in a memory-mapped file, of which each process maps its share, as in
bench/million.py. Differences are between the scores of two processes and of one, of the largest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from byte_model import byte_model, texts
from divulge import Influence, set_threads
from divulge.influence import fit_factors, fit_linear
from million import DECAY, TESTS, written

LENGTH, ASKED = 32, 8
LAYERS = ["embed", "layers", "norm", "head"]


def share(rows: int) -> slice:
    """Return this process's part of the samples."""
    world, rank = dist.get_world_size(), dist.get_rank()
    return slice(rows * rank // world, rows * (rank + 1) // world)


def factors(folder: Path, given: argparse.Namespace) -> Any:
    """Return CPU seconds of the fit, and scores."""
    inputs, targets = texts(given.texts + ASKED, LENGTH)
    mine, test = share(given.texts), slice(given.texts, None)
    influence = Influence(
        byte_model(), (inputs[mine], targets[mine]), curvature="ekfac", damping=1e-3, parameters=LAYERS,
        sharded=True,
    )  # fmt: skip
    start = time.process_time()
    fit_factors(influence, folder / f"factors {dist.get_world_size()}.npz")
    return time.process_time() - start, influence.scores((inputs[test], targets[test]))


def million(folder: Path, given: argparse.Namespace) -> Any:
    """Return CPU seconds of the solves and scores, and the scores."""
    x, y = np.load(folder / "inputs.npy", mmap_mode="r"), np.load(folder / "targets.npy")
    module = nn.Linear(x.shape[1], 2)
    module.load_state_dict(torch.load(folder / "module.pt"))
    rng, mine = np.random.default_rng(1), share(len(x))
    test = rng.standard_normal((TESTS, x.shape[1]), dtype=np.float32), rng.integers(0, 2, TESTS)
    start = time.process_time()
    influence = Influence(
        module, (x[mine], y[mine]), solver="direct", damping=0, weight_decay=DECAY, sharded=True
    )
    scores = influence.scores(test)
    return time.process_time() - start, scores


JOBS = {"factors": factors, "million": million}


def rank_main(job: str, folder: Path, given: argparse.Namespace) -> None:
    """Do a job in one of the processes of torchrun."""
    torch.set_num_threads(1)
    set_threads(1)
    dist.init_process_group("gloo")
    seconds, scores = JOBS[job](folder, given)
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, seconds)
    if dist.get_rank() == 0:
        np.savez(folder / f"{job} {len(every)}.npz", seconds=every, scores=scores)
    dist.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--texts", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        rank_main(given.job, given.folder, given)
        return
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        x, y = written(folder / "inputs.npy", given.rows, 100)
        np.save(folder / "targets.npy", y)
        torch.save(fit_linear(x, y, 2, weight_decay=DECAY).state_dict(), folder / "module.pt")
        asked = [__file__, f"--folder={folder}", f"--texts={given.texts}"]
        for job in JOBS:
            for count in (1, 2):
                run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
                subprocess.run([*run, f"--nproc-per-node={count}", *asked, f"--job={job}"], check=True)
            one, two = (dict(np.load(folder / f"{job} {count}.npz")) for count in (1, 2))
            most = float(np.abs(one["scores"]).max())
            results[job] = {
                "one_s": float(one["seconds"].max()),
                "two_s": two["seconds"].tolist(),
                "times": float(one["seconds"].max() / two["seconds"].max()),
                "difference": float(np.abs(one["scores"] - two["scores"]).max()) / most,
            }
    print(json.dumps(results) if given.json else "\n".join(f"{k}: {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
