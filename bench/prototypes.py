"""What prototypes by the Fisher kernel are worth: planted clusters, a mislabelled domain, and speed.

    python bench/prototypes.py [--json]

clusters: 12 planted clusters of three classes; how many of them the first 12 prototypes come from.
domain: a second scanner delivers negatives of a fifth of the digits, its ones labelled as sevens. Five times
the network's mistakes on that scanner's test images are asked about, 10 prototypes left out, and the network
trained again: share of mislabelled images among the first 10, share of them found, and of mistakes left.
speed: 10,000 samples of 1,000 numbers, softmax regression with 10 classes, 100 prototypes of 1,000 points.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from divulge.influence import Influence, fit_linear, prototypes

METHODS = ("quadrature", "quadrature, any sign", "influence", "mmd", "random")
DECAY, DAMPING, NOISE, ROUNDS = 1e-4, 1e-3, 0.15, 5
KEYS = ("mislabelled", "found", "mistakes")
Data = tuple[np.ndarray, np.ndarray]


def chosen(influence: Influence, test: Data, count: int, method: str, seed: int) -> np.ndarray:
    """Return the samples that a method chooses."""
    if method == "random":
        return np.random.default_rng(seed).choice(influence.operator.rows, count, replace=False)
    name, _, any_sign = method.partition(", ")
    return prototypes(influence, test, count, method=name, positive=not any_sign).rows


def clusters(seed: int, count: int = 12, samples: int = 600) -> dict[str, int]:
    """Return how many of the planted clusters are met."""
    rng = np.random.default_rng(seed)
    centres = 3 * np.linalg.qr(rng.normal(size=(20, 20)))[0][:count]
    member = rng.permutation(np.arange(2 * samples) % count)
    x = centres[member] + NOISE * rng.normal(size=(2 * samples, 20))
    y = member % 3
    module = fit_linear(x[:samples], y[:samples], 3, weight_decay=1e-2)
    influence = Influence(
        module, (x[:samples], y[:samples]), curvature="fisher", solver="direct", damping=0, weight_decay=1e-2
    )
    test = x[samples:], y[samples:]
    return {name: len(set(member[chosen(influence, test, count, name, seed)].tolist())) for name in METHODS}


def trained(data: Data, seed: int) -> nn.Module:
    """Return a network 64-32-10, trained on all data at once."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()
    x, y = map(torch.from_numpy, data)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2, weight_decay=DECAY)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    return module.eval()


def scanned(seed: int) -> tuple[Data, Data, np.ndarray, np.ndarray]:
    """Return training and test data, which samples are mislabelled, and which test images are negatives."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order, negative = rng.permutation(len(y)), rng.random(len(y)) < 0.2
    x, y = x[order] / 16, y[order]
    x[negative] = 1 - x[negative]
    given = y.copy()
    wrong = negative & (y == 1)
    given[wrong] = 7
    return (x[:1000], given[:1000]), (x[1000:], y[1000:]), wrong[:1000], negative[1000:]


def domain(seed: int) -> dict[str, dict[str, float]]:
    """Return for each method how much of its choice was mislabelled, and the mistakes left without it."""
    train, test, wrong, negative = scanned(seed)
    first = trained(train, seed)
    missed = mistakes(first, test)[negative].mean()
    out = {"all": {"mislabelled": float(wrong.mean()), "found": np.nan, "mistakes": float(missed)}}
    for method in METHODS:
        kept, module, firsts = np.arange(len(train[1])), first, []
        for turn in range(ROUNDS):
            data = train[0][kept], train[1][kept]
            influence = Influence(module, data, curvature="ekfac", damping=DAMPING, weight_decay=DECAY)
            asked = mistakes(module, test) & negative
            rows = chosen(influence, (test[0][asked], test[1][asked]), 10, method, seed + turn)
            firsts.append(wrong[kept[rows]].mean())
            kept = np.delete(kept, rows)
            module = trained((train[0][kept], train[1][kept]), seed)
        out[method] = {
            "mislabelled": float(firsts[0]),
            "found": float(1 - wrong[kept].sum() / wrong.sum()),
            "mistakes": float(mistakes(module, test)[negative].mean()),
        }
    return out


def mistakes(module: nn.Module, data: Data) -> np.ndarray:
    """Return which samples are named wrongly."""
    with torch.no_grad():
        named = module(torch.from_numpy(data[0])).argmax(1).numpy()
    return named != data[1]


def speed() -> dict[str, float]:
    """Return seconds."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(11_000, 1000)).astype(np.float32)
    y = (x[:, :10] + rng.normal(size=(11_000, 10))).argmax(1)
    module = fit_linear(x[:10_000], y[:10_000], 10, weight_decay=1e-2)
    start = time.perf_counter()
    influence = Influence(
        module, (x[:10_000], y[:10_000]), curvature="ekfac", damping=DAMPING, weight_decay=1e-2
    )
    found = prototypes(influence, (x[10_000:], y[10_000:]), 100, criticisms=10)
    assert len(found.rows) == 100
    return {"seconds": time.perf_counter() - start, "unexplained": float(found.unexplained[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    met, found = [clusters(seed) for seed in seeds], [domain(seed) for seed in seeds]
    results: dict[str, Any] = {"clusters": met, "domain": found, "speed": speed()}
    if parser.parse_args().json:
        print(json.dumps(results))
        return
    print(f"{'':22}clusters of 12   mislabelled of first 10   found by 50   mistakes left")
    for name in ("all", *METHODS):
        of_twelve = np.mean([part.get(name, np.nan) for part in met])
        share, by, left = (np.mean([part[name][key] for part in found]) for key in KEYS)
        print(f"{name:22}{of_twelve:14.1f}{share:26.2f}{by:14.2f}{left:16.3f}")
    print(results["speed"])


if __name__ == "__main__":
    main()
