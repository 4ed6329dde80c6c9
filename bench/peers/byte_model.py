"""EK-FAC of a small transformer, here and by kronfluence: seconds of one thread, and agreement.

    python bench/peers/byte_model.py [--texts 256] [--tests 8] [--width 64] [--layers 2] [--json]

One model, one run: the linear layers of a transformer that names next bytes, factors of all training texts,
scores of all of them on some test texts. Neither trains: the model is a few steps from its start. Agreement
is the mean over the test texts of Pearson's correlation of both scores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from byte_model import byte_model, texts
from divulge import Influence, set_threads
from divulge.influence import AdamW, TrainingRun

LINEAR = ["layers.*.query.*", "layers.*.key.*", "layers.*.value.*", "layers.*.out.*", "layers.*.up.*"]
LINEAR += ["layers.*.down.*", "head"]
BATCH, LENGTH = 64, 32


def ours(model: nn.Module, train: Any, test: Any, damping: float) -> tuple[np.ndarray, float, float]:
    """Return scores, and seconds of the fit and of the scores."""
    start = time.process_time()
    influence = Influence(model, train, curvature="ekfac", damping=damping, parameters=LINEAR)
    _ = influence._inverse.kronecker
    fitted = time.process_time()
    scores = influence.scores(test)
    return scores, fitted - start, time.process_time() - fitted


def kronfluence(model: nn.Module, train: Any, test: Any, damping: float) -> tuple[np.ndarray, float, float]:
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
    task = NextByte()
    with tempfile.TemporaryDirectory() as folder:
        analyzer = Analyzer(
            "job", prepare_model(deepcopy(model), task), task, cpu=True, output_dir=folder,
            disable_tqdm=True, disable_model_save=True,
        )  # fmt: skip
        start = time.process_time()
        analyzer.fit_all_factors(
            "factors", sets[0], per_device_batch_size=BATCH, factor_args=FactorArguments(strategy="ekfac")
        )
        fitted = time.process_time()
        analyzer.compute_pairwise_scores(
            "scores", "factors", sets[1], sets[0], per_device_query_batch_size=len(sets[1]),
            per_device_train_batch_size=BATCH, score_args=ScoreArguments(damping_factor=damping),
        )  # fmt: skip
        seconds = time.process_time() - fitted
        scores = analyzer.load_pairwise_scores("scores")
    return scores["all_modules"].numpy(), fitted - start, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    sizes = {"texts": 256, "tests": 8, "width": 64, "layers": 2}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--damping", type=float, default=1e-3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    set_threads(1)
    inputs, targets = texts(given.texts + given.tests, LENGTH)
    n = given.texts
    train, test = (inputs[:n], targets[:n]), (inputs[n:], targets[n:])
    run = TrainingRun(
        byte_model(width=given.width, layers=given.layers), train, optimizer=AdamW(), learning_rate=3e-3
    )
    model = run.trained()
    results = {}
    for name, method in (("divulge", ours), ("kronfluence", kronfluence)):
        scores, fit, score = method(model, train, test, given.damping)
        results[name] = {"fit_s": fit, "scores_s": score}
        results[name]["scores"] = scores
    first, second = (results[name].pop("scores") for name in results)
    told = [np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)]
    results["agreement"] = float(np.abs(told).mean())
    for key in ("fit_s", "scores_s"):
        results[f"times, {key}"] = results["kronfluence"][key] / results["divulge"][key]
    print(json.dumps(results) if given.json else "\n".join(f"{k}: {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
