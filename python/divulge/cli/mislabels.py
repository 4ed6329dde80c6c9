"""The command that finds wrong labels by self-influence."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from divulge.cli import models
from divulge.cli.options import SHARE
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import show
from divulge.datasets import Dataset, load
from divulge.datasets.npy import read_npy
from divulge.influence import FixCurve, MislabelCurve, fix_curve, flip_labels, mislabel_curve
from divulge.training import accuracy

# Shares of the labels that are checked, set right and trained on again.
_SHARES = (0.0, 0.05, 0.1, 0.2, 0.3)
_SHOWN = 20


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line; None where an option was not given."""

    data: str
    target: str | None
    model: str
    share: float | None
    labels: Path | None
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, or labels that do not fit the data.
        OSError: a file that is not there.
    """
    _check(options)
    start = time.perf_counter()
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        true = data.train_targets.numpy()
        given = _labels(options, data)
        noisy = replace(data, train_targets=torch.from_numpy(given))
        orders = _orders(options, noisy, display)
        wrong = given != true
        found = {name: mislabel_curve(order, wrong) for name, order in orders.items()} if wrong.any() else {}
        fixed = _fixed(options, data, given, orders, display) if wrong.any() else {}
    report = _report(options, given, true, orders["self-influence"], found, fixed)
    report["seconds"] = time.perf_counter() - start
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        from divulge.influence.figures import plot_mislabels
        from divulge.plots import save_plot

        save_plot(plot_mislabels(found, fixed), options.plot)
    return 0


def _check(options: Options) -> None:
    """Raise ValueError for options that cannot be followed, before anything takes time."""
    if options.labels is not None and options.share is not None:
        raise ValueError(
            f"--share {options.share} flips labels, and --labels {options.labels} names the user's own"
        )


def _labels(options: Options, data: Dataset) -> NDArray[np.int64]:
    """Return the labels (n,) to train on."""
    if options.labels is None:
        return flip_labels(data.train_targets.numpy(), options.share or SHARE, seed=options.seed)
    labels = read_npy(options.labels)
    shape = tuple(data.train_targets.shape)
    if labels.shape != shape or labels.dtype.kind not in "iu":
        raise ValueError(f"expected labels of shape {shape} that are whole numbers in {options.labels.name}")
    out = np.flatnonzero((labels < 0) | (labels >= data.classes))
    if len(out):
        raise ValueError(
            f"expected labels from 0 to {data.classes - 1}, got {labels[out[0]]} at row {out[0]} "
            f"of {options.labels.name}"
        )
    return np.asarray(labels, np.int64)


def _orders(options: Options, noisy: Dataset, display: ProgressDisplay) -> dict[str, NDArray[Any]]:
    """Return how suspicious each label is, by name."""
    module = models.train(options.model, noisy, options.seed, display.steps("training on the labels given"))
    display.say("computing self-influences")
    influence = models.influence(options.model, module, noisy, None, curvature="ekfac")
    n = len(noisy.train_targets)
    return {
        "self-influence": influence.self_influence(),
        "loss": influence.losses(influence.train),
        "random": np.random.default_rng(options.seed).random(n),
    }


def _fixed(
    options: Options,
    data: Dataset,
    given: NDArray[np.int64],
    orders: dict[str, NDArray[Any]],
    display: ProgressDisplay,
) -> dict[str, FixCurve]:
    """Return the test accuracy after labels were set right, for each order."""

    def measure(labels: NDArray[np.int64]) -> float:
        module = models.train(
            options.model, replace(data, train_targets=torch.from_numpy(labels)), options.seed
        )
        return accuracy(module, data.test_inputs, data.test_targets)

    true = data.train_targets.numpy()
    return {
        name: fix_curve(
            measure,
            given,
            true,
            order,
            shares=_SHARES,
            progress=display.steps(f"training on labels set right by {name}"),
        )
        for name, order in orders.items()
    }


def _report(
    options: Options,
    given: NDArray[np.int64],
    true: NDArray[np.int64],
    order: NDArray[Any],
    found: dict[str, MislabelCurve],
    fixed: dict[str, FixCurve],
) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    suspects = np.argsort(-order, kind="stable")[:_SHOWN]
    return {
        "data": options.data,
        "model": options.model,
        "seed": options.seed,
        "labels": len(given),
        "wrong": int((given != true).sum()),
        "suspicious": [
            {"row": int(i), "given": int(given[i]), "true": int(true[i]), "self_influence": float(order[i])}
            for i in suspects
        ],
        "orders": {
            name: {
                "area": curve.area,
                "found_in_first_10_percent": curve.found_at(0.1),
                "found_in_first_20_percent": curve.found_at(0.2),
                "checked": fixed[name].checked.tolist(),
                "fixed": fixed[name].fixed.tolist(),
                "test_accuracy": fixed[name].accuracy.tolist(),
            }
            for name, curve in found.items()
        },
    }


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report['data']}, {report['model']}: {report['wrong']} of {report['labels']} labels wrong"
    )
    if report["orders"]:
        console.print(_orders_table(report["orders"]))
    suspects = [f"{s['row']} ({s['given']})" for s in report["suspicious"]]
    console.print(f"most suspicious rows (labels): {', '.join(suspects)}", soft_wrap=True)
    console.print(f"{report['seconds']:.1f} s")


def _orders_table(orders: dict[str, Any]) -> Table:
    """One column an order: what is found, and what the test accuracy becomes."""
    table = Table()
    table.add_column("")
    for name in orders:
        table.add_column(name, justify="right")
    table.add_row("area under the curve", *(f"{o['area']:.3f}" for o in orders.values()))
    for share in (10, 20):
        found = (o[f"found_in_first_{share}_percent"] for o in orders.values())
        table.add_row(f"found in the first {share}%", *(f"{100 * f:.1f}%" for f in found))
    for i, checked in enumerate(_SHARES):
        accuracies = (o["test_accuracy"][i] for o in orders.values())
        table.add_row(
            f"test accuracy, {100 * checked:.0f}% checked", *(f"{100 * a:.2f}%" for a in accuracies)
        )
    return table
