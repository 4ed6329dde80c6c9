"""How often a search for backdoors raises an alarm on clean classifiers, and which backdoors it finds.

    python bench/backdoor_alarms.py [--parts published clean poisoned sources] [--seeds 5 6] [--folder FOLDER]

published: the two BadNets classifiers, both fine-tuned on clean images, and ResNet-20.
clean: 45 classifiers (convolutional, residual, dense; MNIST, Fashion-MNIST, CIFAR-10; five seeds, or those
named), with data and on noise. poisoned: 21 with five kinds of backdoor. sources: those from one class to
another, and all to all, with the source named, beside clean ones.
Networks and searches are kept in the folder; what is there is not done again.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alarm_networks import DATA_SETS, KINDS, SEEDS, Attack, attacks, small, trained
from divulge.backdoors import backdoor_scan, square
from divulge.datasets import Dataset
from divulge.training import accuracy, fit_classifier
from divulge.victims.published import badnets, resnet20

SOURCES = (0, 3, 4, 7)


def looked_at(
    folder: Path, name: str, module: nn.Module, data: Dataset, noise: bool, source: int | None = None
) -> dict[str, Any]:
    """Return what a scan flags, with the reasons, from the folder or by scanning."""
    where = "noise" if noise else "data" if source is None else f"source{source}"
    path = folder / f"scan-{name}-{where}.pt"
    if not path.is_file():
        images = None if noise else data.train_inputs
        scan = backdoor_scan(module, images, shape=data.input_shape, bounds=(0.0, 1.0), source=source)
        # Of all to all, one sentence for every class that others are sent to.
        everywhere = dict.fromkeys(scan.moves.values(), "all to all")
        torch.save({"reasons": {**everywhere, **scan.reasons}, "seconds": scan.seconds}, path)
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def plans() -> Iterator[tuple[str, str, Attack | None]]:
    """Yield data set, kind and attack of the poisoned networks."""
    for name in DATA_SETS:
        for i, attack in enumerate(attacks(small(name).input_shape)):
            for kind in KINDS if i == 0 else [KINDS[i % 2]]:
                yield name, kind, attack


def clean(folder: Path, seeds: Sequence[int] = SEEDS) -> None:
    alarms: Counter[tuple[str, str]] = Counter()
    done: Counter[tuple[str, str]] = Counter()
    for name in DATA_SETS:
        data = small(name)
        for kind in KINDS:
            for seed in seeds:
                module = trained(folder, data, kind, seed)
                for noise in (False, True):
                    found = looked_at(folder, f"{name}-{kind}-{seed}-clean", module, data, noise)["reasons"]
                    where = "noise" if noise else "data"
                    done[kind, where] += 1
                    alarms[kind, where] += bool(found)
                    if found:
                        print(f"alarm: {name}, {kind}, seed {seed}, {where}: {found}", flush=True)
    for key, count in done.items():
        print(f"clean, {key[0]}, {key[1]}: {alarms[key]} of {count}")
    for where in ("data", "noise"):
        totals = [sum(counts[kind, where] for kind in KINDS) for counts in (alarms, done)]
        print(f"clean, all, {where}: {totals[0]} of {totals[1]}")


def poisoned(folder: Path) -> None:
    for name, kind, attack in plans():
        data = small(name)
        module = trained(folder, data, kind, 0, attack)
        label = f"{name}-{kind}-0-{attack.name.replace(' ', '_')}"
        told = [looked_at(folder, label, module, data, noise)["reasons"] for noise in (False, True)]
        right = [f"{len(set(t) & set(attack.targets))} of {len(attack.targets)}" for t in told]
        wrong = [len(set(t) - set(attack.targets)) for t in told]
        print(
            f"{attack.name}, {name}, {kind}: "
            f"accuracy {accuracy(module, data.test_inputs, data.test_targets):.2f}, "
            f"true success {attack.success(module, data):.2f}; data {right[0]} and {wrong[0]} others, "
            f"noise {right[1]} and {wrong[1]} others",
            flush=True,
        )


def sources(folder: Path) -> None:
    for name in DATA_SETS:
        data = small(name)
        for attack, kind, pairs in (
            (attacks(data.input_shape)[4], "cnn", {4: 7}),
            (attacks(data.input_shape)[3], "residual", {k: k + 1 for k in SOURCES}),
            (None, "cnn", dict.fromkeys(SOURCES)),
        ):
            module = trained(folder, data, kind, 0, attack)
            title = "clean" if attack is None else attack.name
            told = {
                s: looked_at(folder, f"{name}-{kind}-0-{title.replace(' ', '_')}", module, data, False, s)[
                    "reasons"
                ]
                for s in pairs
            }
            right = sum(target in told[s] for s, target in pairs.items())
            wrong = sum(len(set(t) - {pairs[s]}) for s, t in told.items())
            print(
                f"{title}, {name}, {kind}, from {len(pairs)} sources: {right} right, {wrong} others",
                flush=True,
            )


def tuned(module: nn.Module, data: Dataset, images: int) -> nn.Module:
    """Fine-tune on clean images, which weakens a backdoor."""
    x, y = data.train_inputs[-images:], data.train_targets[-images:]
    return fit_classifier(module, x, y, epochs=10, learning_rate=1e-3)


def published(folder: Path) -> None:
    data = small("cifar10")
    digits = small("mnist")
    white = square(data.input_shape, 5, -5, -5)
    for title, module, own in (
        ("BadNets mnist", badnets("mnist"), digits),
        ("BadNets mnist, fine-tuned on 200 images", tuned(badnets("mnist"), digits, 200), digits),
        ("BadNets cifar10", badnets("cifar10"), data),
        ("BadNets cifar10, fine-tuned on 500 images", tuned(badnets("cifar10"), data, 500), data),
        ("ResNet-20, clean", resnet20(), data),
    ):
        told = [
            looked_at(folder, title.replace(" ", "_"), module, own, noise)["reasons"]
            for noise in (False, True)
        ]
        success = (white if own is data else square(own.input_shape, 5, -5, -5)).success(
            module, own.test_inputs, 1
        )
        print(f"{title}: true success {success:.2f}; data {told[0]}, noise {told[1]}", flush=True)


PARTS: dict[str, Callable[[Path], None]] = {
    "published": published,
    "clean": clean,
    "poisoned": poisoned,
    "sources": sources,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="by default all")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="of the clean ones")
    parser.add_argument("--folder", type=Path, default=Path("build/backdoor_alarms"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        if part == "clean":
            clean(arguments.folder, arguments.seeds)
        else:
            PARTS[part](arguments.folder)


if __name__ == "__main__":
    main()
