"""The command that trains a network, takes it apart and compares the copy with the original."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from divulge.cli.execution import FAILED, INTERRUPTED
from divulge.cli.models import training_of
from divulge.cli.options import DATA, DTYPE, HIDDEN
from divulge.cli.progress import Curve, ProgressDisplay, interrupts_noted
from divulge.cli.render import Report, print_json, print_note, print_table
from divulge.comparison import compare
from divulge.datasets import Dataset, load
from divulge.oracles import Oracle, oracle_by_name
from divulge.oracles.journal import check_checkpoint
from divulge.reconstruction import reconstruct
from divulge.reconstruction.entry import check_oracle
from divulge.training import train_classifier
from divulge.victims import Victim
from divulge.victims.lowering import convolution

if TYPE_CHECKING:
    from divulge.points import Points

POINTS = 10_000  # compared on in a box


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line; None where an option was not given."""

    data: str | None
    target: str | None
    hidden: int | None
    victim: Path | None
    trusted: bool
    dtype: str | None
    oracle: str
    seed: int
    budget: int | None
    domain: tuple[float, float] | None
    checkpoint: Path | None
    as_json: bool
    plot: Path | None


def run(options: Options) -> int:
    """Do what was asked for and return the exit code.

    Raises:
        ValueError: options that contradict each other, or a model that cannot be used.
        OSError: a file that is not there.
    """
    _check(options)
    domain = options.domain
    with ProgressDisplay() as display:
        victim, points, title = _victim(options, display)
        if points is None and domain is not None:
            points = _inside(domain, victim.input_size)
        oracle = oracle_by_name(options.oracle, victim, budget=options.budget, domain=domain)
        curve = Curve(victim, points) if options.plot else None
        with interrupts_noted() as interrupted:
            start = time.perf_counter()
            result = reconstruct(
                oracle,
                seed=options.seed,
                progress=display.attack(curve),
                checkpoint=options.checkpoint,
            )
            seconds = time.perf_counter() - start
        display.say("comparing")
        comparison = compare(result, victim, points, domain=oracle.domain)
    report = Report(title, result, comparison, victim.lowered, seconds)
    (print_json if options.as_json else print_table)(report)
    if options.plot and curve is not None:
        _plot(options.plot, victim, report, curve)
    return _outcome(report, oracle, bool(interrupted))


def _check(options: Options) -> None:
    """Raise ValueError for options that contradict each other, before anything takes time."""
    for name in ("hidden", "dtype"):
        if options.victim is not None and getattr(options, name) is not None:
            raise ValueError(
                f"--{name} {getattr(options, name)} is for a victim that is trained here, "
                f"and --victim {options.victim} names another"
            )
    stand_in = Victim(torch.nn.Linear(1, 2, dtype=torch.float64), (1,))
    check_oracle(oracle_by_name(options.oracle, stand_in, budget=options.budget, domain=options.domain))
    if options.checkpoint is not None:
        known = {"precision": options.dtype or DTYPE} if options.victim is None else {}
        check_checkpoint(options.checkpoint, {"seed": options.seed, "oracle": options.oracle, **known})


def _has_images(victim: Victim) -> bool:
    """Whether inputs are images, in which convolutions are looked for."""
    shape = victim.input_shape
    return len(shape) == 3 and min(shape[1:]) > 1 and not victim.lowered


def _inside(domain: tuple[float, float], input_size: int) -> NDArray[np.float64]:
    """Return points spread evenly over the box, always the same, shape (n, d)."""
    return np.random.default_rng(0).uniform(*domain, size=(POINTS, input_size))


def _victim(options: Options, display: ProgressDisplay) -> tuple[Victim, Points | None, str]:
    """Return the victim, the points to compare on, and a title."""
    if options.victim is not None:
        data = None if options.data is None else load(options.data, options.target, seed=options.seed)
        victim = Victim.from_file(options.victim, data, trusted=options.trusted)
        layer = convolution(victim.module)
        if layer and not _has_images(victim):
            shape = ", ".join(map(str, victim.input_shape))
            raise ValueError(
                f"{options.victim.name}: {layer!r} is a convolution, and its inputs ({shape}) are no images "
                "(C, H, W); exact reconstruction is for linear layers, ReLUs and convolutions of images: "
                "train a surrogate instead"
            )
        points = None if data is None else data.test_inputs
        if points is not None:
            victim.as_points(points[:1])  # raises where the images do not fit the model
        inside = "standard normal points" if options.domain is None else "random points of the box"
        where = inside if points is None else f"{options.data} test images"
        return victim, points, f"{options.victim.name}, compared on {where}"
    name = options.data or DATA
    display.say(f"training on {name}")
    data = load(name, options.target, seed=options.seed)
    victim = Victim(_trained(options, data), data.input_shape)
    return victim, data.test_inputs, f"{name} classifier, compared on its test images"


def _trained(options: Options, data: Dataset) -> torch.nn.Module:
    """Train the victim."""
    epochs, batch_size = training_of(data)
    dtype = getattr(torch, options.dtype or DTYPE)
    hidden = HIDDEN if options.hidden is None else options.hidden
    return train_classifier(
        hidden, data, dtype=dtype, seed=options.seed, epochs=epochs, batch_size=batch_size
    )


def _plot(path: Path, victim: Victim, report: Report, curve: Curve) -> None:
    """Draw the figure, the final error at the curve's end."""
    from divulge.plots import plot_reconstruction, save_plot

    result, comparison = report.result, report.comparison
    points = [*curve.points, (result.queries, result.hidden_units, comparison.max_output_error)]
    save_plot(plot_reconstruction(victim, result.module, comparison, points), path)


def _outcome(report: Report, oracle: Oracle, interrupted: bool) -> int:
    """Return the exit code, and say why the result is incomplete where it is."""
    result = report.result
    if interrupted:
        print_note(f"interrupted after {result.queries} queries; this is what was found until then")
        return INTERRUPTED
    if result.complete:
        return 0
    layers = _layers_found(report)
    if oracle.ledger.exhausted or oracle.ledger.remaining == 0:
        print_note(
            f"the budget of {oracle.ledger.budget} queries ran out after {result.queries}; "
            f"this is what was found until then{layers and f': {layers}'}"
        )
    else:
        reasons = "; ".join(map(str, result.notes)) or "the reconstruction is incomplete"
        print_note(f"{layers}: {reasons}" if layers else reasons)
    return FAILED


def _layers_found(report: Report) -> str:
    """Say how many layers of a deep victim were found whole; nothing of one with a single layer."""
    true, layers = report.comparison.hidden_sizes_true, report.comparison.layers
    if true is None or len(true) < 2:
        return ""
    whole = sum(layer.units_matched == layer.units_true for layer in layers)
    return f"all units of {whole} of {len(true)} hidden layers found"
