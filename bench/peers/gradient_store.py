"""Projected gradients, here and by dattri's LoGra: bytes a sample, CPU seconds of one thread, agreement.

    python bench/peers/gradient_store.py [--texts 512] [--tests 64] [--size 16] [--json]

One trained transformer that names next bytes, its linear layers, two sides of `size` numbers each, inner
products without a preconditioner. Each library takes the training texts' gradients, and is asked with test
texts, their gradients included; dattri's stay in memory, as its files need a device's. Agreement is Pearson's
correlation, the mean over the test texts, with the inner products of whole gradients.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from byte_model import byte_model, texts
from divulge.influence import AdamW, GradientStore, Influence, TrainingRun

LENGTH, BATCH, TRAINED = 32, 32, 256


def names(model: nn.Module) -> list[str]:
    """Return the linear layers."""
    return [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]


def bytes_in(folder: Path) -> int:
    """Return what files take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Named(nn.Module):
    """A module that takes a batch by name and returns its loss, as dattri calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, text: Tensor, target: Tensor) -> SimpleNamespace:
        """Return the sum over texts of the mean loss over positions, as `loss`."""
        outputs = self.module(text).flatten(0, 1)
        return SimpleNamespace(loss=F.cross_entropy(outputs, target.flatten(), reduction="sum") / LENGTH)


def divulge(model: nn.Module, train: Any, test: Any, size: int, folder: Path, dtype: Any) -> tuple[Any, ...]:
    """Return bytes, CPU seconds of writing and of asking, and scores (tests, texts)."""
    start = time.process_time()
    influence = Influence(model, train, parameters=names(model))
    store = GradientStore(folder, size=size, dtype=dtype)
    store.append(influence)
    written = time.process_time()
    scores = store.scores(influence, test, damping=None)
    return bytes_in(folder), written - start, time.process_time() - written, -scores


def dattri(model: nn.Module, train: Any, test: Any, size: int, folder: Path, _: Any) -> tuple[Any, ...]:
    """Return the same by dattri."""
    from dattri.algorithm.logra import LoGraAttributor
    from dattri.task import AttributionTask

    def loss(module: nn.Module, batch: Any, device: Any) -> Tensor:
        total: Tensor = module(**batch).loss
        return total

    def loader(data: Any) -> DataLoader[Any]:
        pairs: Any = [{"text": x, "target": y} for x, y in zip(*map(torch.as_tensor, data), strict=True)]
        return DataLoader(pairs, BATCH)

    named, sets = Named(model), [loader(train), loader(test)]
    start = time.process_time()
    task = AttributionTask(loss_func=loss, model=named, checkpoints=named.state_dict())
    logra = LoGraAttributor(
        task, layer_names=names(named), hessian="Identity", proj_dim=size * size, offload="cpu",
        cache_dir=str(folder),
    )  # fmt: skip
    logra.cache(sets[0])
    written = time.process_time()
    scores = logra.attribute(sets[0], sets[1])
    held = len(train[1]) * 4 * logra.total_proj_dim
    return held, written - start, time.process_time() - written, scores.numpy().T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    for name, value in {"texts": 512, "tests": 64, "size": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    inputs, targets = texts(given.texts + given.tests, LENGTH)
    n = given.texts
    train, test = (inputs[:n], targets[:n]), (inputs[n:], targets[n:])
    start = (inputs[:TRAINED], targets[:TRAINED])
    model = TrainingRun(byte_model(), start, optimizer=AdamW(), learning_rate=3e-3).trained()
    whole = Influence(model, train, parameters=names(model))
    expected = whole.gradients(test) @ whole.gradients(train).T
    results = {}
    for name, method, dtype in (
        ("divulge, float32", divulge, "float32"),
        ("divulge, float16", divulge, "float16"),
        ("dattri", dattri, None),
    ):
        with tempfile.TemporaryDirectory() as folder:
            held, written, asked, scores = method(model, train, test, given.size, Path(folder), dtype)
        told = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, expected, strict=True)]
        assert np.mean(told) > 0.3, f"{name} scores something else: {told}"
        results[name] = {
            "bytes_a_sample": held / n,
            "samples_written_a_CPU_second": n / written,
            "queries_a_CPU_second": given.tests / asked,
            "agreement": float(np.mean(told)),
        }
    print(json.dumps(results) if given.json else "\n".join(f"{k}: {v}" for k, v in results.items()))


if __name__ == "__main__":
    main()
