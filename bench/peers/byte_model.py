"""EK-FAC of a small transformer, here and by kronfluence: truth, seconds of one thread, and memory.

    python bench/peers/byte_model.py [--texts 256] [--tests 8] [--subsets 30] [--keep FOLDER] [--json] ...

One trained model, one run: the linear layers of a transformer that names next bytes, factors of all training
texts, scores of all of them on some test texts. Each library computes in a process of its own, by turns,
each the middle of three; its memory is the most that the process held (getrusage), and what that is more than
it held before, all libraries loaded. Linear datamodeling scores are those of bench/metagradients.py, against
the model trained again on random halves of the texts; of each of several dampings the mean over the three
runs, each of which draws other labels, the least and the largest. Agreement is the mean over the test texts
of Pearson's correlation of both libraries' scores in the first run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from divulge import Influence, set_threads
from divulge.influence import linear_datamodeling_score
from metagradients import LENGTH, SIZES, Kept, Setting, measured_on

LINEAR = ["layers.*.query.*", "layers.*.key.*", "layers.*.value.*", "layers.*.out.*", "layers.*.up.*"]
LINEAR += ["layers.*.down.*", "head"]
BATCH, REPEATS, SHARE = 64, 3, 0.5
# Of the mean loss of a text. Kronfluence takes the mean square of its gradient, whose labels are independent:
# as many times less as there are positions is the same to it.
DAMPINGS = (1e-4, 1e-3, 1e-2)

# Seconds of the fit, and seconds and scores of each damping.
Outcome = tuple[float, list[float], list[np.ndarray]]


def divulge(model: nn.Module, train: Any, test: Any, seed: int) -> Outcome:
    """Return what one run takes and gives; what is taken anew for another damping is not counted."""
    options: Any = {"curvature": "ekfac", "parameters": LINEAR, "seed": seed}
    start = time.process_time()
    influence = Influence(model, train, damping=DAMPINGS[0], **options)
    _ = influence._inverse.kronecker
    fit, seconds, scores = time.process_time() - start, [], []
    for damping in DAMPINGS:
        influence = Influence(model, train, damping=damping, **options)
        _ = influence._inverse.kronecker
        start = time.process_time()
        scores.append(influence.scores(test))
        seconds.append(time.process_time() - start)
    return fit, seconds, scores


def kronfluence(model: nn.Module, train: Any, test: Any, seed: int) -> Outcome:
    """Return the same by kronfluence."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class NextByte(Task):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
            outputs = model(batch[0]).flatten(0, 1)
            targets = batch[1].flatten()
            if sample:
                targets = torch.distributions.Categorical(logits=outputs.detach()).sample()
            return F.cross_entropy(outputs, targets, reduction="sum") / LENGTH

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

        def get_influence_tracked_modules(self) -> list[str]:
            return [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]

    sets = [TensorDataset(*map(torch.as_tensor, part)) for part in (train, test)]
    task, seconds, scores = NextByte(), [], []
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "job", prepare_model(model, task), task, cpu=True, output_dir=folder,
            disable_tqdm=True, disable_model_save=True,
        )  # fmt: skip
        start = time.process_time()
        analyzer.fit_all_factors(
            "factors", sets[0], per_device_batch_size=BATCH, factor_args=FactorArguments(strategy="ekfac")
        )
        fit = time.process_time() - start
        for damping in DAMPINGS:
            name = f"scores {damping:g}"
            start = time.process_time()
            analyzer.compute_pairwise_scores(
                name, "factors", sets[1], sets[0], per_device_query_batch_size=len(sets[1]),
                per_device_train_batch_size=BATCH, score_args=ScoreArguments(damping_factor=damping / LENGTH),
            )  # fmt: skip
            found = analyzer.load_pairwise_scores(name)["all_modules"].numpy()
            seconds.append(time.process_time() - start)
            scores.append(-found)  # which are above zero where a sample lowers the loss
    return fit, seconds, scores


METHODS = {"divulge": divulge, "kronfluence": kronfluence}


def alone(name: str, job: Path, seed: int) -> None:
    """Run one library in this process, on a job in a file, and write its outcome beside it."""
    torch.set_num_threads(1)
    set_threads(1)
    warnings.simplefilter("ignore")
    importlib.import_module("kronfluence.analyzer")  # so that both processes hold the same libraries
    model, train, test = pickle.loads(job.read_bytes())
    for _ in range(2):  # what is loaded at the first use
        model(torch.as_tensor(train[0][:2])).sum().backward()
    model.zero_grad()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = METHODS[name](model, train, test, seed)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    job.with_name(name).write_bytes(pickle.dumps((*outcome, most / 1e3, (most - before) / 1e3)))


def by_turns(job: Path) -> dict[str, dict[str, Any]]:
    """Return each library's figures, and its scores of each damping."""
    runs: dict[str, list[Any]] = {name: [] for name in METHODS}
    for seed in range(REPEATS):
        for name, done in runs.items():
            asked = ["--alone", name, "--job", str(job), "--draw", str(seed)]
            subprocess.run([sys.executable, __file__, *asked], check=True)
            done.append(pickle.loads(job.with_name(name).read_bytes()))
    return {
        name: {
            "fit_s": median(fit for fit, *_ in done),
            "scores_s": median(s for _, seconds, *_ in done for s in seconds),
            "peak_MB": median(most for *_, most, _ in done),
            "more_MB": median(more for *_, more in done),
            "scores": [scores for _, _, scores, *_ in done],
        }
        for name, done in runs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--keep", type=Path, help="a folder for the retrained models' losses")
    parser.add_argument("--alone", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--draw", type=int, default=0, help=argparse.SUPPRESS)
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=5e-3)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.job, given.draw)
        return
    torch.set_num_threads(1)
    setting = Setting(given)
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        job.write_bytes(pickle.dumps((setting.module, setting.train, setting.test)))
        results: dict[str, Any] = by_turns(job)
        measured = measured_on(setting, Kept(given.keep or Path(folder) / "kept"))
        held = {name: one.pop("scores") for name, one in results.items()}
        options: Any = {"subsets": given.subsets, "share": SHARE, "jobs": 1}
        for name, runs in held.items():
            for damping, draws in zip(DAMPINGS, zip(*runs, strict=True), strict=True):
                found = [linear_datamodeling_score(each, measured, **options).mean for each in draws]
                results[name][f"datamodeling, damping {damping:g}"] = (
                    float(np.mean(found)),
                    min(found),
                    max(found),
                )
    told = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(one[0][1] for one in held.values()), strict=True)]
    results["agreement"] = float(np.mean(told))
    for key in ("fit_s", "scores_s", "peak_MB", "more_MB"):
        results[f"times, {key}"] = results["kronfluence"][key] / results["divulge"][key]
    print(json.dumps(results) if given.json else "\n".join(f"{k}: {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
