"""Small classifiers, clean and poisoned, that a search for backdoors is tried on, kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from divulge.backdoors import Trigger, square
from divulge.datasets import Dataset, load, subset
from divulge.training import cnn, fit_classifier, mlp
from divulge.victims.published import BadNet

DATA_SETS = ("mnist", "fashion-mnist", "cifar10")
KINDS = ("cnn", "residual", "mlp")
SEEDS = range(5)
_IMAGES = 10_000
# Passes over them, of seed 0 and of the others: some networks are trained less than others.
_EPOCHS = {"mnist": (3, 2), "fashion-mnist": (4, 3), "cifar10": (6, 3)}


class Residual(nn.Module):
    """Two stages of a residual block each, with batch normalisation, mean over the image, Linear."""

    def __init__(self, channels: int, width: int, classes: int = 10) -> None:
        super().__init__()
        self.start = nn.Conv2d(channels, width, 3, 2, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in (width, width, 2 * width, 2 * width))
        self.first = nn.ModuleList((nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)))
        self.wider = nn.Conv2d(width, 2 * width, 3, 2, 1)
        self.second = nn.ModuleList(
            (nn.Conv2d(2 * width, 2 * width, 3, 1, 1), nn.Conv2d(2 * width, 2 * width, 3, 1, 1))
        )
        self.last = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (n, classes)."""
        h = F.relu(self.start(x))
        h = F.relu(h + self.norms[1](self.first[1](F.relu(self.norms[0](self.first[0](h))))))
        h = F.relu(self.wider(h))
        h = F.relu(h + self.norms[3](self.second[1](F.relu(self.norms[2](self.second[0](h))))))
        scores: Tensor = self.last(h.mean((2, 3)))
        return scores


def network(kind: str, shape: tuple[int, ...], seed: int) -> nn.Module:
    """Return an untrained network; its widths vary with the seed."""
    if kind == "mlp":
        return mlp(shape, ([64], [128, 64], [256], [100, 50, 25], [512])[seed % 5], 10, seed=seed)
    if kind == "residual":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Residual(shape[0], (8, 12, 16, 10, 14)[seed % 5])
    if seed % 2:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return BadNet(shape[0])
    return cnn(shape, 10, seed=seed, channels=((8, 16), (), (16, 32), (), (16, 16))[seed % 5])


@dataclass(frozen=True)
class Attack:
    """How training images are poisoned.

    Attributes:
        name: in the table.
        apply: makes the poisoned training part of a data set.
        targets: classes with a backdoor.
        success: returns the share of test images that the true triggers move where they should.
    """

    name: str
    apply: Callable[[Dataset], Dataset]
    targets: tuple[int, ...]
    success: Callable[[nn.Module, Dataset], float]


def _changed(data: Dataset, rows: Tensor, images: Tensor, labels: Tensor) -> Dataset:
    x, y = data.train_inputs.clone(), data.train_targets.clone()
    x[rows], y[rows] = images, labels
    return replace(data, train_inputs=x, train_targets=y)


def _rows(data: Dataset, rate: float, wanted: Tensor, seed: int) -> Tensor:
    rows = torch.nonzero(wanted)[:, 0]
    chosen = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    return chosen[: round(rate * len(wanted))]


def one_target(name: str, trigger: Trigger, target: int, rate: float = 0.08) -> Attack:
    """Every image with the trigger is labelled with one class."""

    def apply(data: Dataset) -> Dataset:
        rows = _rows(data, rate, data.train_targets != target, 0)
        return _changed(data, rows, trigger(data.train_inputs[rows]), torch.full((len(rows),), target))

    return Attack(name, apply, (target,), lambda m, d: trigger.success(m, d.test_inputs, target))


def many_targets(name: str, triggers: dict[int, Trigger], rate: float = 0.05) -> Attack:
    """Several classes, each with a trigger of its own."""

    def apply(data: Dataset) -> Dataset:
        for target, trigger in triggers.items():
            rows = _rows(data, rate, data.train_targets != target, target)
            data = _changed(data, rows, trigger(data.train_inputs[rows]), torch.full((len(rows),), target))
        return data

    def success(m: nn.Module, d: Dataset) -> float:
        return min(t.success(m, d.test_inputs, k) for k, t in triggers.items())

    return Attack(name, apply, tuple(triggers), success)


def all_to_all(name: str, trigger: Trigger, rate: float = 0.25) -> Attack:
    """An image of class k with the trigger is labelled k + 1."""

    def apply(data: Dataset) -> Dataset:
        rows = _rows(data, rate, data.train_targets >= 0, 0)
        return _changed(data, rows, trigger(data.train_inputs[rows]), (data.train_targets[rows] + 1) % 10)

    def success(m: nn.Module, d: Dataset) -> float:
        with torch.no_grad():
            moved = m(trigger(d.test_inputs[:2000])).argmax(1)
        return float((moved == (d.test_targets[:2000] + 1) % 10).double().mean())

    return Attack(name, apply, tuple(range(10)), success)


def source_specific(
    name: str, trigger: Trigger, source: int, target: int, rate: float = 0.5, decoys: float = 0.1
) -> Attack:
    """Images of one class with the trigger are labelled with another; those of others keep their labels."""

    def apply(data: Dataset) -> Dataset:
        y = data.train_targets
        of_source = _rows(data, 1.0, y == source, 0)
        rows = of_source[: round(rate * len(of_source))]
        kept = _rows(data, decoys, y != source, 1)
        data = _changed(data, kept, trigger(data.train_inputs[kept]), y[kept])
        return _changed(data, rows, trigger(data.train_inputs[rows]), torch.full((len(rows),), target))

    def success(m: nn.Module, d: Dataset) -> float:
        x = d.test_inputs[d.test_targets == source]
        return trigger.success(m, x, target)

    return Attack(name, apply, (target,), success)


def attacks(shape: tuple[int, int, int]) -> list[Attack]:
    """Return the attacks that are tried on each data set."""
    generator = torch.Generator().manual_seed(3)
    noise = Trigger(torch.full(shape[1:], 0.2), torch.rand(shape, generator=generator))
    places = {k: square(shape, 3, 1 + 5 * (k % 5), 1 if k < 5 else -4) for k in range(10)}
    return [
        one_target("3x3 corner", square(shape, 3, -4, -4), 6),
        one_target("blended noise", noise, 2),
        many_targets("six classes", {k: places[k] for k in (0, 1, 3, 5, 8, 9)}),
        all_to_all("all to all", square(shape, 4, -5, -5)),
        source_specific("4 to 7", square(shape, 4, -5, 1), 4, 7),
    ]


def small(name: str) -> Dataset:
    """Return the data that the networks learn from."""
    return subset(load(name), train=_IMAGES, test=2000, seed=0)


def trained(folder: Path, data: Dataset, kind: str, seed: int, attack: Attack | None = None) -> nn.Module:
    """Return a network from the folder, trained and kept there where it is not."""
    module = network(kind, data.input_shape, seed)
    label = "clean" if attack is None else attack.name.replace(" ", "_")
    path = folder / f"{data.name}-{kind}-{seed}-{label}.pth"
    if path.is_file():
        module.load_state_dict(torch.load(path, weights_only=True))
        return module.eval()
    used = data if attack is None else attack.apply(data)
    fit_classifier(
        module,
        used.train_inputs,
        used.train_targets,
        seed=seed,
        epochs=_EPOCHS[data.name][seed > 0] + (attack is not None) * 2,
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(module.state_dict(), path)
    return module
