"""The command that shows which training images made a prediction."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from divulge.cli import models
from divulge.cli.progress import ProgressDisplay
from divulge.cli.render import print_note, show
from divulge.datasets import Dataset, load
from divulge.influence import Influence, NotConverged
from divulge.training import accuracy


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    data: str
    target: str | None
    model: str
    test: int
    top: int
    damping: float | None
    seed: int
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that cannot be followed, a model that cannot be used, or a singular curvature.
        OSError: a file that is not there.
    """
    with ProgressDisplay() as display:
        display.say(f"reading {options.data}")
        data = load(options.data, options.target, seed=options.seed)
        if options.test >= len(data.test_targets):
            raise ValueError(f"expected --test from 0 to {len(data.test_targets) - 1}, got {options.test}")
        module = models.model(options.model, data, options.seed, display)
        display.say("solving for the test image's influences")
        report = _report(options, data, module)
    show(report, options.as_json, _print_table)
    if options.plot is not None:
        _plot(options.plot, report, data)
    if not report["converged"]:
        print_note(f"the solver stopped at a relative residual of {report['residual']:.1e}")
    return 0


def _report(options: Options, data: Dataset, module: nn.Module) -> dict[str, Any]:
    """Return what there is to say, ready for JSON."""
    start = time.perf_counter()
    # A trained network's exact Hessian is indefinite; its Gauss-Newton matrix never is.
    curvature = "hessian" if options.model == "logistic" else "gauss_newton"
    influence = models.influence(options.model, module, data, options.damping, curvature=curvature)
    test = data.test_inputs[options.test][None], data.test_targets[options.test][None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConverged)  # the residual is printed
        top = influence.top_k(test, min(options.top, len(data.train_targets)))
    solution = influence.solution
    assert solution is not None
    probabilities = _probabilities(module, test[0])
    return {
        "data": data.name,
        "model": options.model,
        "seed": options.seed,
        "test": options.test,
        "target": int(test[1]),
        "predicted": int(probabilities.argmax()),
        "probability": float(probabilities.max()),
        "loss": float(influence.losses(test)[0]),
        "test_accuracy": accuracy(module, data.test_inputs, data.test_targets),
        "curvature": curvature,
        "damping": influence.damping,
        "weight_decay": influence.weight_decay,
        "residual": float(solution.residual[0]),
        "iterations": int(solution.iterations[0]),
        "converged": bool(solution.converged[0]),
        "path": influence.path,
        "helpful": _entries(top.helpful[0], top.helpful_scores[0], data, influence),
        "harmful": _entries(top.harmful[0], top.harmful_scores[0], data, influence),
        "seconds": time.perf_counter() - start,
    }


def _probabilities(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        outputs: torch.Tensor = module(inputs.to(next(module.parameters()).dtype))
    return outputs.softmax(1)[0]


def _entries(rows: Any, scores: Any, data: Dataset, influence: Influence) -> list[dict[str, Any]]:
    """Say of each training image what its influence is, and what the loss would change by without it."""
    n = influence.operator.rows
    return [
        {
            "row": int(row),
            "target": int(data.train_targets[row]),
            "score": float(score),
            "change_without": float(-score / n),
        }
        for row, score in zip(rows, scores, strict=True)
    ]


def _title(report: dict[str, Any]) -> str:
    return (
        f"test image {report['test']} of {report['data']}: a {report['target']}, "
        f"predicted {report['predicted']} ({100 * report['probability']:.1f}%), loss {report['loss']:.3g}"
    )


def _print_table(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(_title(report))
    table = Table()
    for side in ("helpful", "harmful"):
        for name in (f"{side} row", "label", "change"):
            table.add_column(name, justify="right")
    for pair in zip(report["helpful"], report["harmful"], strict=True):
        table.add_row(*(cell for entry in pair for cell in _cells(entry)))
    console.print(table)
    console.print(
        "change: of the test image's loss if the training image were left out\n"
        f"{report['model']}, {100 * report['test_accuracy']:.2f}% right on test images; "
        f"{report['curvature'].replace('_', '-')}, damping {report['damping']:g}, "
        f"{report['iterations']} iterations to a relative residual of {report['residual']:.1e}, "
        f"run by {report['path']} code, {report['seconds']:.2f} s",
        soft_wrap=True,
    )


def _cells(entry: dict[str, Any]) -> list[str]:
    return [str(entry["row"]), str(entry["target"]), f"{entry['change_without']:+.2e}"]


def _plot(path: Path, report: dict[str, Any], data: Dataset) -> None:
    """Draw the test image above the helpful and the harmful training images."""
    from divulge.influence.figures import plot_images
    from divulge.plots import save_plot

    rows: list[Any] = [("test", data.test_inputs[report["test"]][None], [f"{report['target']}"])]
    for side in ("helpful", "harmful"):
        entries = report[side]
        images = data.train_inputs[np.array([entry["row"] for entry in entries])]
        captions = [f"{entry['target']}\n{entry['change_without']:+.1e}" for entry in entries]
        rows.append((side, images, captions))
    save_plot(plot_images(rows, _title(report)), path)
