"""Backdoors found, and false alarms: published classifiers, clean twins, and models poisoned here.

    python bench/backdoors.py [published timed twins poisoned unlearned] [--full] [--json]

published (by default): the two published BadNets classifiers (MNIST, CIFAR-10), with clean data and with
noise alone, and Neural Cleanse on the first.
timed: CPU seconds on the first, on one thread, three times by turns: the scan, Neural Cleanse with its
published rule to stop, and with one that stops sooner.
twins: five clean twins of each are trained and judged.
poisoned: five classifiers of Fashion-MNIST with other triggers are trained and judged.
unlearned: the published backdoors are unlearned. --full: all of these.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch
from torch import nn

from divulge.backdoors import Trigger, backdoor_scan, mitigate, poison, square, train_twin
from divulge.datasets import Dataset, load
from divulge.victims.published import BadNet, badnets

GREY = (1, 28, 28)
NOISE = Trigger(torch.full((28, 28), 0.2), torch.rand(GREY, generator=torch.Generator().manual_seed(0)))
# Name, trigger, target, share of the training images, seed.
POISONED = (
    ("3x3 corner", square(GREY, 3, -3, -3), 0, 0.05, 0),
    ("1 pixel", square(GREY, 1, 3, 3), 3, 0.1, 1),
    ("blended noise", NOISE, 7, 0.05, 2),
    ("4x4 middle", square(GREY, 4, 12, 12), 5, 0.05, 3),
    ("2x2 left", square(GREY, 2, 1, 1), 8, 0.05, 4),
)
TWIN_EPOCHS = {"mnist": 2, "fashion-mnist": 3, "cifar10": 8}


def judged(
    name: str, module: nn.Module, data: Dataset, noise: bool, target: int | None, **options: Any
) -> dict[str, Any]:
    """Return what a scan says of a module, with the CPU seconds that it took."""
    start = time.process_time()
    images = None if noise else data.train_inputs
    scan = backdoor_scan(module, images, shape=data.input_shape, **options)
    seconds = time.process_time() - start
    k = int(scan.sizes.argmin()) if target is None else target
    result = {
        "model": name,
        "method": scan.method,
        "samples": scan.samples,
        "flagged": list(scan.flagged),
        "target": target,
        "index": float(scan.anomaly_index[k]),
        "of_median": float(scan.sizes[k] / torch.from_numpy(scan.sizes).quantile(0.5)),
        "test_success": scan.triggers[k].success(module, data.test_inputs, k),
        "cpu_s": seconds,
    }
    if target == 1:  # the published trigger is the lower right square of 5x5
        result["inside"] = float(scan.triggers[k].mask[-5:, -5:].sum()) / scan.triggers[k].size
    return result


def published() -> Iterator[dict[str, Any]]:
    for name in ("mnist", "cifar10"):
        data, module = load(name), badnets(name)
        for noise in (False, True):
            yield judged(f"BadNets {name}", module, data, noise, 1)
        if name == "mnist":
            yield judged("BadNets mnist", module, data, False, 1, method="neural-cleanse")


def timed(turns: int = 3) -> Iterator[dict[str, Any]]:
    data, module = load("mnist"), badnets("mnist")
    searches: dict[str, dict[str, Any]] = {
        "agnostic": {},
        "neural-cleanse": {"method": "neural-cleanse"},
        "neural-cleanse, stopped sooner": {"method": "neural-cleanse", "tolerance": 0.01},
    }
    judged("warm-up", module, data, False, 1)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(turns):
        for name, options in searches.items():
            seconds[name].append(judged("BadNets mnist", module, data, False, 1, **options)["cpu_s"])
    ours = median(seconds["agnostic"])
    for name, values in seconds.items():
        yield {"search": name, "cpu_s": median(values), "times_ours": median(values) / ours, "all": values}


def clean_twins() -> Iterator[dict[str, Any]]:
    for name in ("mnist", "cifar10"):
        data = load(name)
        for seed in range(5):
            twin = train_twin(BadNet(data.input_shape[0]), data, seed=seed, epochs=TWIN_EPOCHS[name])
            for noise in (False, True):
                yield judged(f"clean twin {seed} {name}", twin, data, noise, None)


def poisoned() -> Iterator[dict[str, Any]]:
    data = load("fashion-mnist")
    for name, trigger, target, rate, seed in POISONED:
        module = train_twin(
            BadNet(),
            poison(data, trigger, target, rate=rate, seed=seed),
            seed=seed,
            epochs=TWIN_EPOCHS[data.name],
        )
        success = trigger.success(module, data.test_inputs, target)
        for noise in (False, True):
            yield {**judged(name, module, data, noise, target), "true_trigger_success": success}


def unlearned() -> Iterator[dict[str, Any]]:
    for name in ("mnist", "cifar10"):
        data, module = load(name), badnets(name)
        true = square(data.input_shape, 5, -5, -5)
        result = mitigate(module, backdoor_scan(module, data.train_inputs), data)
        yield {
            "model": f"BadNets {name}, unlearned",
            "accuracy": (result.accuracy_before, result.accuracy),
            "found_trigger": (result.success_before[1], result.success[1]),
            "true_trigger": tuple(true.success(m, data.test_inputs, 1) for m in (module, result.module)),
        }


PARTS: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
    "published": published,
    "timed": timed,
    "twins": clean_twins,
    "poisoned": poisoned,
    "unlearned": unlearned,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="by default published")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--full", action="store_true", help="all parts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for part in PARTS if arguments.full else arguments.parts or ["published"]:
        for result in PARTS[part]():
            results.append(result)
            if not arguments.json:
                print(
                    *(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.items()),
                    sep=", ",
                    flush=True,
                )
    if arguments.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
