"""What is said of training without some of the texts, against training without them: a small language model.

    python bench/metagradients.py [--keep FOLDER] [--json] [--texts 256] [--tests 8] [--subsets 30] ...

A transformer names next bytes of pieces of the standard library's own files; it is trained by AdamW, and
again on random subsets (weight 0 for the other texts, the same batches). Linear datamodeling scores:
Spearman's correlation of predicted and actual losses over the subsets, the mean over the test texts, for
subsets of a half and of nine tenths. With --keep what was computed stays in a folder, and a run that was
interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from byte_model import byte_model, texts
from divulge.influence import (
    AdamW,
    DataInf,
    GradientSimilarity,
    GradientStore,
    Influence,
    RandomProjection,
    TracIn,
    TrainingRun,
    linear_datamodeling_score,
)

SHARES, LENGTH, CHECKPOINTS, EPSILON_ROOT = (0.5, 0.9), 32, 4, 1e-6
SIZES = {"texts": 256, "tests": 8, "subsets": 30, "epochs": 4, "batch": 32, "width": 64, "layers": 2}
DAMPINGS = (1e-4, 1e-3, 1e-2)
# Positions belong to no text, so that EK-FAC has no factors for their table.
LAYERS = ["embed", "layers", "norm", "head"]


class Setting:
    """Texts, the run on them, and the module that it makes."""

    def __init__(self, given: argparse.Namespace) -> None:
        inputs, targets = texts(given.texts + given.tests, LENGTH)
        n = given.texts
        self.train, self.test = (inputs[:n], targets[:n]), (inputs[n:], targets[n:])
        self.start = byte_model(width=given.width, layers=given.layers)
        steps = given.epochs * -(-n // given.batch)

        def rate(step: int) -> float:
            return given.rate * min((step + 1) / 10, 1 - step / steps)

        self.run = TrainingRun(
            self.start,
            self.train,
            optimizer=AdamW(epsilon_root=EPSILON_ROOT),
            learning_rate=rate,
            epochs=given.epochs,
            batch_size=given.batch,
        )
        self.module = self.run.trained()

    def methods(self) -> dict[str, Callable[[], Any]]:
        """Return what makes scores, by name."""
        train, test, module = self.train, self.test, self.module

        def ekfac(damping: float) -> Any:
            return Influence(module, train, curvature="ekfac", damping=damping, parameters=LAYERS).scores(
                test
            )

        return {
            "metagradients": lambda: self.run.metagradients(test).scores,
            **{f"EK-FAC, damping {d:g}": (lambda d=d: ekfac(d)) for d in DAMPINGS},
            "projected store": self.stored,
            "TRAK, 1 model, 512 numbers": lambda: RandomProjection(module, train).scores(test),
            f"TracIn, {CHECKPOINTS} checkpoints": self.trac_in,
            "DataInf": lambda: DataInf(module, train).scores(test),
            "gradient similarity": lambda: GradientSimilarity(module, train).scores(test),
            "cosine of gradients": lambda: GradientSimilarity(module, train, cosine=True).scores(test),
        }

    def stored(self) -> Any:
        """Return scores from gradients of which each layer's sides are reduced to 16 numbers."""
        influence = Influence(self.module, self.train, parameters=LAYERS)
        with tempfile.TemporaryDirectory() as folder:
            store = GradientStore(folder, size=16)
            store.append(influence)
            return store.scores(influence, self.test)

    def trac_in(self) -> Any:
        """Return TracIn's scores, with equal parts of the run for its checkpoints."""
        parts = np.array_split(np.arange(len(self.run.batches)), CHECKPOINTS)
        checkpoints = [self.until(part[-1] + 1).state_dict() for part in parts]
        rates = [sum(self.run.rates[step] for step in part) for part in parts]
        return TracIn(self.module, self.train, checkpoints=checkpoints, learning_rates=rates).scores(
            self.test
        )

    def until(self, steps: int) -> nn.Module:
        """Return the module after some of the steps."""
        batches, rates = self.run.batches[:steps], self.run.rates[:steps]
        optimizer = AdamW(epsilon_root=EPSILON_ROOT)
        return TrainingRun(
            self.start, self.train, optimizer=optimizer, learning_rate=rates, batches=batches
        ).trained()


class Kept:
    """Arrays in a folder, computed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, make: Callable[[], Any]) -> tuple[NDArray[Any], float]:
        """Return an array, and the seconds that it took when it was made."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            begin = time.perf_counter()
            array = np.asarray(make())
            np.savez(path, array=array, seconds=time.perf_counter() - begin)
        with np.load(path) as held:
            return held["array"], float(held["seconds"])


def measured_on(setting: Setting, kept: Kept) -> Callable[[NDArray[np.int64]], NDArray[Any]]:
    """Return what trains on a subset's rows and returns the test texts' losses."""

    def measured(rows: NDArray[np.int64]) -> NDArray[Any]:
        share = len(rows) / len(setting.train[0])
        name = f"share {share:g} rows {sha256(rows.tobytes()).hexdigest()[:12]}"
        return kept.array(name, lambda: setting.run.values(setting.test, rows=rows))[0]

    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--keep", type=Path, help="a folder for what is computed")
    for name, value in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=5e-3)
    given = parser.parse_args()
    setting = Setting(given)
    size = sum(p.numel() for p in setting.module.parameters())
    with tempfile.TemporaryDirectory() as folder:
        kept = Kept(given.keep or Path(folder))
        measured = measured_on(setting, kept)
        before = Influence(setting.start, setting.train).losses(setting.test).mean()
        after = Influence(setting.module, setting.train).losses(setting.test).mean()
        results = []
        if not given.json:
            steps = len(setting.run.batches)
            print(f"{size:,} parameters, {steps} steps, test loss {before:.2f} to {after:.2f}", flush=True)
        for name, make in setting.methods().items():
            scores, seconds = kept.array(name, make)
            row = {"method": name, "seconds": seconds}
            for share in SHARES:
                options = {"subsets": given.subsets, "share": share, "jobs": 1}
                row[f"share {share:g}"] = linear_datamodeling_score(scores, measured, **options).mean
            results.append(row)
            if not given.json:
                told = "".join(f"{row[f'share {share:g}']:8.3f}" for share in SHARES)
                print(f"{name:30}{told}{seconds:9.1f} s", flush=True)
    if given.json:
        print(json.dumps({"parameters": size, "loss": [float(before), float(after)], "results": results}))


if __name__ == "__main__":
    main()
