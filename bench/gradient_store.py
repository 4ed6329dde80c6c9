"""What a store of projected gradients costs and holds: a small language model, texts of the standard library.

    python bench/gradient_store.py [--texts 1024] [--size 16] [--rank 1] [--copies 20] [--json] ...

The rows that were written are repeated on disk, `copies` times, to ask a store of some size. Queries are
test texts: with their gradients, and of scores alone, for all samples. Agreement is Pearson's correlation,
the mean over the test texts, with the inner products of whole gradients of the first 128 texts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from byte_model import byte_model, texts
from divulge.influence import AdamW, GradientStore, Influence, TrainingRun

LENGTH, TESTS, COMPARED = 32, 64, 128
LAYERS = ["embed", "layers", "norm", "head"]


def repeated(folder: Path, copies: int) -> None:
    """Write a store's rows several times over."""
    index = json.loads((folder / "store.json").read_text())
    for name in ("units.bin", "norms.bin"):
        rows = (folder / name).read_bytes()
        with (folder / name).open("ab") as file:
            for _ in range(copies - 1):
                file.write(rows)
    for name in ("rows", "going_to"):
        index[name] *= copies
    (folder / "store.json").write_text(json.dumps(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    for name, value in {"texts": 1024, "size": 16, "copies": 20, "width": 64, "layers": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rank", type=int, help="singular pairs kept of each layer; all of it without")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float16")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options: dict[str, Any] = {"size": given.size, "dtype": given.dtype, "rank": given.rank}
    inputs, targets = texts(given.texts + TESTS, LENGTH)
    n = given.texts
    train, test = (inputs[:n], targets[:n]), (inputs[n:], targets[n:])
    start = byte_model(width=given.width, layers=given.layers)
    model = TrainingRun(start, (inputs[:256], targets[:256]), optimizer=AdamW(), learning_rate=3e-3).trained()
    influence = Influence(model, train, parameters=LAYERS)
    with tempfile.TemporaryDirectory() as folder:
        store = GradientStore(folder, **options)
        begin = time.perf_counter()
        store.append(influence)
        appended = time.perf_counter() - begin
        some = influence.train.take(np.arange(COMPARED))
        whole = -influence.gradients(test) @ influence.gradients(some).T
        found = store.scores(influence, test, damping=None)[:, :COMPARED]
        agreement = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(whole, found, strict=True)])
        repeated(Path(folder), given.copies)
        store = GradientStore(folder, **options)
        begin = time.perf_counter()
        store.scores(influence, test)
        fitted = time.perf_counter() - begin
        begin = time.perf_counter()
        store.scores(influence, test)
        asked = time.perf_counter() - begin
        held = store._asked(influence, test, None)
        begin = time.perf_counter()
        for _ in store._blocks(held, None, False):
            pass
        scored = time.perf_counter() - begin
        result = {
            "parameters": influence.operator.parameters,
            "numbers_a_sample": store._files.index.stored,
            "bytes_a_sample": store.bytes_a_sample,
            "samples_a_second_appended": n / appended,
            "samples": store.rows,
            "seconds_of_the_preconditioner": fitted - asked,
            "queries_a_second": TESTS / asked,
            "queries_a_second_without_gradients": TESTS / scored,
            "agreement": float(agreement),
        }
    print(json.dumps(result) if given.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
