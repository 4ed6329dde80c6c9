"""How soon self-influence finds flipped labels: MNIST, 10% of the labels flipped, 784-64-10.

    python bench/mislabels.py [--seeds 3] [--json]

The network is trained on the flipped labels; every label is judged by its EK-FAC self-influence, by its loss,
and at random. The area under the curve of labels found against labels checked is .95 at most.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from divulge import Influence
from divulge.datasets import Dataset, mnist
from divulge.influence import flip_labels, mislabel_curve
from divulge.training import accuracy, train_classifier

SHARE, WEIGHT_DECAY, DAMPING = 0.1, 1e-4, 0.01


def judged(data: Dataset, seed: int) -> dict[str, Any]:
    """Return each order's curve in three numbers, and what it took."""
    true = data.train_targets.numpy()
    given = flip_labels(true, SHARE, seed=seed)
    noisy = replace(data, train_targets=torch.from_numpy(given))
    module = train_classifier(
        64, noisy, dtype=torch.float32, seed=seed, epochs=8, batch_size=128, weight_decay=WEIGHT_DECAY
    )
    start = time.process_time()
    influence = Influence(module, noisy, curvature="ekfac", damping=DAMPING, weight_decay=WEIGHT_DECAY)
    suspicion = influence.self_influence()
    seconds = time.process_time() - start
    orders = {
        "self_influence": suspicion,
        "loss": influence.losses(noisy),
        "random": np.random.default_rng(seed).random(len(true)),
    }
    curves = {name: mislabel_curve(order, given != true) for name, order in orders.items()}
    return {
        "seed": seed,
        "test_accuracy": accuracy(module, data.test_inputs, data.test_targets),
        "self_influence_cpu_s": seconds,
        **{
            name: {"area": c.area, "first_10_percent": c.found_at(0.1), "first_20_percent": c.found_at(0.2)}
            for name, c in curves.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    data = mnist()
    results = [judged(data, seed) for seed in range(arguments.seeds)]
    if arguments.json:
        print(json.dumps(results))
        return
    for result in results:
        print("\n".join(f"{name}: {value}" for name, value in result.items()), end="\n\n")


if __name__ == "__main__":
    main()
