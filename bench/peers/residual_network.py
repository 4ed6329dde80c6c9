"""EK-FAC of a ResNet-20 on CIFAR-10, here and by kronfluence: CPU seconds of one thread, memory, agreement.

    python bench/peers/residual_network.py [--images 256] [--tests 8] [--json]

The published one: convolutions without biases, batch normalisation in evaluation mode, one linear layer.
Both take the convolutions and the linear layer; kronfluence draws one label an image. Each library computes
in a process of its own; its memory is what getrusage says it held at most, and what that is more than before.
Before anything is timed or counted both processes take the network's gradient of two images once
(torch.autograd.grad), so that what torch loads at its first use is in neither's figures.
Images and network lie in $DIVULGE_DATA.
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
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from divulge import Influence, set_threads
from divulge.victims.published import resnet20

DAMPING, BATCH = 1e-3, 64


def layers(model: nn.Module) -> list[str]:
    """Return the names of what both libraries have factors for."""
    return [name for name, part in model.named_modules() if isinstance(part, (nn.Conv2d, nn.Linear))]


def divulge(model: nn.Module, train: Any, test: Any) -> tuple[float, float, np.ndarray]:
    """Return CPU seconds of the fit and of the scores, and the scores."""
    start = time.process_time()
    influence = Influence(model, train, curvature="ekfac", damping=DAMPING, parameters=layers(model))
    _ = influence._inverse.kronecker
    fitted = time.process_time()
    scores = influence.scores(test)
    return fitted - start, time.process_time() - fitted, scores


def kronfluence(model: nn.Module, train: Any, test: Any) -> tuple[float, float, np.ndarray]:
    """Return the same by kronfluence."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class Classification(Task):
        def compute_train_loss(self, batch: Any, model: nn.Module, sample: bool = False) -> Tensor:
            outputs, targets = model(batch[0]), batch[1]
            if sample:
                targets = torch.distributions.Categorical(logits=outputs.detach()).sample()
            return F.cross_entropy(outputs, targets, reduction="sum")

        def compute_measurement(self, batch: Any, model: nn.Module) -> Tensor:
            return self.compute_train_loss(batch, model)

    sets = [TensorDataset(*map(torch.as_tensor, part)) for part in (train, test)]
    task = Classification()
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "job", prepare_model(model, task), task, cpu=True, output_dir=folder,
            disable_tqdm=True, disable_model_save=True,
        )  # fmt: skip
        start = time.process_time()
        analyzer.fit_all_factors(
            "factors", sets[0], per_device_batch_size=BATCH, factor_args=FactorArguments(strategy="ekfac")
        )
        fitted = time.process_time()
        analyzer.compute_pairwise_scores(
            "scores", "factors", sets[1], sets[0], per_device_query_batch_size=len(sets[1]),
            per_device_train_batch_size=BATCH, score_args=ScoreArguments(damping_factor=DAMPING),
        )  # fmt: skip
        scores = -analyzer.load_pairwise_scores("scores")["all_modules"].numpy()
    return fitted - start, time.process_time() - fitted, scores


METHODS = {"divulge": divulge, "kronfluence": kronfluence}


def alone(name: str, job: Path) -> None:
    """Run one library in this process, on a job in a file, and write its outcome beside it."""
    torch.set_num_threads(1)
    set_threads(1)
    warnings.simplefilter("ignore")
    importlib.import_module("kronfluence.analyzer")  # so that both processes hold the same libraries
    model, train, test = pickle.loads(job.read_bytes())
    outputs = model(torch.as_tensor(train[0][:2]))  # torch loads parts of itself at the first use
    torch.autograd.grad(outputs, list(model.parameters()), torch.ones_like(outputs))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = METHODS[name](model, train, test)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    job.with_name(name).write_bytes(pickle.dumps((*outcome, most / 1e3, (most - before) / 1e3)))


def images(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of the subset as (n, 3, 32, 32) in [0, 1], and their classes."""
    folder = Path(os.environ["DIVULGE_DATA"])
    with np.load(folder / "cifar10" / "cifar10-subset.npz") as held:
        x, y = held[f"x_{part}"][:count], held[f"y_{part}"].reshape(-1)[:count]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32) / 255, y.astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    for name, value in {"images": 256, "tests": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--alone", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.job)
        return
    train, test = images("train", given.images), images("test", given.tests)
    model, results = resnet20(), {}
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        job.write_bytes(pickle.dumps((model, train, test)))
        scores = []
        for name in METHODS:
            subprocess.run([sys.executable, __file__, "--alone", name, "--job", str(job)], check=True)
            *figures, found, most, more = pickle.loads(job.with_name(name).read_bytes())
            keys = ("fit_s", "scores_s", "peak_MB", "more_MB")
            results[name] = dict(zip(keys, (*figures, most, more), strict=True))
            scores.append(found)
    told = [np.corrcoef(a, b)[0, 1] for a, b in zip(*scores, strict=True)]
    results["agreement"] = float(np.mean(told))
    for key in ("fit_s", "scores_s", "peak_MB", "more_MB"):
        results[f"times, {key}"] = results["kronfluence"][key] / results["divulge"][key]
    print(json.dumps(results) if given.json else "\n".join(f"{k}: {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
