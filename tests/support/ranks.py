"""What one of several processes does with its share of the training data; what is spawned needs a module."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from divulge import Influence
from divulge.influence import fit_factors


def answers(module, train, test, sharded, **options):
    influence = Influence(module, train, sharded=sharded, **{"damping": 2.0, "tolerance": 1e-10, **options})
    rows = [30, 2, 39]
    top = influence.top_k(test, 3)
    return [
        influence.scores(test), influence.scores(test, groups=np.arange(40) % 3), top.helpful,
        influence.self_influence(rows), influence.perturbation(test, rows), influence.leave_one_out(test),
    ]  # fmt: skip


def joined(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2
    )


def rank_main(rank, folder, problems):
    joined(rank, folder)
    share = slice(0, 27) if rank == 0 else slice(27, 40)
    for name, (module, (x, y), test, options) in problems.items():
        found = answers(module, (x[share], y[share]), test, True, **options)
        np.savez(f"{folder}/{name}{rank}.npz", *found)
    torch.distributed.destroy_process_group()


def factors_main(rank, folder, problems):
    """Fit factors of a share, interrupted in both passes where others are not, and score by them."""
    joined(rank, folder)
    share = slice(0, 27) if rank == 0 else slice(27, 40)
    for name, (module, (x, y), test) in problems.items():
        inputs = {key: part[share] for key, part in x.items()} if isinstance(x, dict) else x[share]
        scores = []
        for stops in ((1, 2), (8, 4), (0, 0), (0, 0)):  # blocks done; the last try reads

            def stop(done, _, after=stops[rank]):
                if done == after:
                    raise KeyboardInterrupt

            influence = Influence(module, (inputs, y[share]), sharded=True, curvature="ekfac", damping=0.2)
            with suppress(KeyboardInterrupt):
                fit_factors(influence, f"{folder}/{name}.npz", block=5, progress=stop)
                scores.append(influence.scores(test))
        np.save(f"{folder}/{name}{rank}.npy", scores)
    torch.distributed.destroy_process_group()


def positions_main(rank, folder, module, train, test, task, asked):
    """Score positions of some samples, of which one process may have none."""
    joined(rank, folder)
    (inputs, targets), share = train, slice(0, 7) if rank == 0 else slice(7, 11)
    held = {key: part[share] for key, part in inputs.items()}, targets[share]
    influence = Influence(module, held, task=task, damping=400.0, tolerance=1e-12, sharded=True)
    np.savez(f"{folder}/{rank}.npz", *(influence.position_scores(test, rows) for rows in asked))
    torch.distributed.destroy_process_group()


def changed_share_main(rank, folder, module, x, y):
    """Fit factors, then with fewer samples in the second share, whose file alone was removed."""
    joined(rank, folder)
    found = []
    for stop in (40, 34):
        share = slice(0, 27) if rank == 0 else slice(27, stop)
        influence = Influence(module, (x[share], y[share]), sharded=True, curvature="kfac", damping=0.2)
        try:
            fit_factors(influence, f"{folder}/factors.npz", block=5)
            found.append("fitted")
        except ValueError as error:
            found.append(str(error))
        if rank == 1:
            Path(folder, "factors.1-of-2.npz").unlink(missing_ok=True)
        torch.distributed.barrier()
    np.save(f"{folder}/said{rank}.npy", found)
    torch.distributed.destroy_process_group()
