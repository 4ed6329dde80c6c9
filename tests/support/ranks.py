"""What one of several processes does with its share of the training data; what is spawned needs a module."""

from __future__ import annotations

import numpy as np
import torch

from divulge import Influence


def answers(module, train, test, sharded, **options):
    influence = Influence(module, train, sharded=sharded, **{"damping": 2.0, "tolerance": 1e-10, **options})
    rows = [30, 2, 39]
    top = influence.top_k(test, 3)
    return [
        influence.scores(test), influence.scores(test, groups=np.arange(40) % 3), top.helpful,
        influence.self_influence(rows), influence.perturbation(test, rows), influence.leave_one_out(test),
    ]  # fmt: skip


def rank_main(rank, folder, problems):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )
    share = slice(0, 27) if rank == 0 else slice(27, 40)
    for name, (module, (x, y), test, options) in problems.items():
        found = answers(module, (x[share], y[share]), test, True, **options)
        np.savez(f"{folder}/{name}{rank}.npz", *found)
    torch.distributed.destroy_process_group()
