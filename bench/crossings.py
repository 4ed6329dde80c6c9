"""How many answers until copies agree with a victim: `python bench/crossings.py [--victim cnn]`.

What a surrogate is asked about (training images, by turns such images and normal inputs like them, or by
turns images spread over the data and normal inputs) and for how many steps it trains is chosen for each kind
of answer by trials, seeds from 100 on, on the last 5,000 training images, which no copy is asked about.
Then, for each seed, copies are trained on more and more answers until their agreement on the test images
crosses the line, and the number of queries is interpolated in its logarithm between the rows on both sides.
Printed are each row, the median and range of that number over the seeds, and how many times more labels and
probabilities than gradients it takes, seed by seed.
"""

from __future__ import annotations

import argparse
from math import exp, log
from pathlib import Path
from statistics import fmean, median

from torch import nn

import divulge
from divulge.datasets import Dataset, load
from divulge.surrogate import Weights
from divulge.training import mlp
from leaks import ORACLES, trained

HELD_OUT = 5000
INPUTS = ("data", "mixed", "spread")
FIRST_TRIAL = 100  # its seed
STEP = 1.35  # between numbers of queries
STARTS = {  # where the search begins, and the size of the trial
    "mlp": {"gradient": 80, "smoothgrad": 80, "probability": 1800, "label": 3500},
    "cnn": {"gradient": 50, "smoothgrad": 50, "probability": 600, "label": 1200},
}


class Thieves:
    """Copies of one victim, each kind of answer trained as its trial chose."""

    def __init__(
        self, copies: str, data: Dataset, victim: divulge.Victim, steps: list[int], trials: int
    ) -> None:
        self.copies, self.data, self.victim = copies, data, victim
        self.steps, self.trials = steps, trials
        flat = data.train_inputs.flatten(1).double()
        self.pool, self.held_out = flat[:-HELD_OUT].numpy(), flat[-HELD_OUT:].numpy()
        self.test = data.test_inputs.flatten(1).double().numpy()
        self.chosen: dict[str, tuple[str, int]] = {}

    def agreement(self, name: str, count: int, seed: int, inputs: str, steps: int, trial: bool) -> float:
        """Agreement of a copy learned from so many answers, on images held out or on the test images."""
        stolen = divulge.steal(
            ORACLES[name](self.victim),
            self.surrogate(seed),
            queries=count,
            data=self.pool,
            test=(self.held_out if trial else self.test, None),
            inputs=inputs,
            steps=steps,
            weights=Weights(),
            seed=seed,
        )
        return float(stolen.leak_curve.agreement[0])

    def surrogate(self, seed: int) -> str | nn.Module:
        """The name of the copies, or a dense network of the widths given."""
        if self.copies[0].isalpha():
            return self.copies
        hidden = [int(width) for width in self.copies.split(",")]
        return mlp(self.data.input_shape, hidden, self.data.classes, seed=seed)

    def choose(self, name: str, count: int) -> None:
        """Try inputs and steps, and keep what agrees best on the images held out."""
        trials = {
            (inputs, steps): fmean(
                self.agreement(name, count, seed, inputs, steps, trial=True)
                for seed in range(FIRST_TRIAL, FIRST_TRIAL + self.trials)
            )
            for inputs in INPUTS
            for steps in self.steps
        }
        self.chosen[name] = max(trials, key=lambda choice: trials[choice])
        told = ", ".join(f"{inputs} {steps} {share:.4f}" for (inputs, steps), share in trials.items())
        print(f"{name}, trial with {count}: {told}; chosen {self.chosen[name]}", flush=True)

    def crossing(self, name: str, start: int, seed: int, until: float) -> float:
        """The number of queries at which agreement crosses the line, found from a first guess."""
        rows = {start: self.agreement(name, start, seed, *self.chosen[name], trial=False)}
        factor = STEP if rows[start] < until else 1 / STEP
        count = start
        while (rows[count] < until) == (factor > 1):
            count = round(count * factor)
            rows[count] = self.agreement(name, count, seed, *self.chosen[name], trial=False)
        (low, below), (high, above) = sorted(rows.items())[:2] if factor < 1 else sorted(rows.items())[-2:]
        found = exp(log(low) + (until - below) / (above - below) * log(high / low))
        told = ", ".join(f"{n} {share:.4f}" for n, share in sorted(rows.items()))
        print(f"{name}, seed {seed}: {told}; crosses at {found:.0f}", flush=True)
        return found


def told(name: str, found: list[float]) -> str:
    """Median and range."""
    return f"{name:>28} {median(found):>8.1f} ({min(found):.1f} to {max(found):.1f})"


def main() -> None:
    """Print every row, the crossings and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("mnist", "fashion-mnist"), default="mnist")
    parser.add_argument("--victim", choices=tuple(STARTS), default="mlp")
    parser.add_argument("--surrogate", help="a name or the widths of hidden layers; else the victim's kind")
    parser.add_argument("--oracles", default="gradient,label,probability")
    parser.add_argument("--until", type=float, default=0.95)
    parser.add_argument(
        "--steps", default="1500,3000", help="numbers of training steps that a trial chooses from"
    )
    parser.add_argument("--trials", type=int, default=3, help="seeds of a trial")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--victims", type=Path, help="folder that keeps trained victims")
    options = parser.parse_args()
    data = load(options.data)
    victim = divulge.Victim(trained(options.victim, data, options.victims), data.input_shape)
    steps = [int(count) for count in options.steps.split(",")]
    thieves = Thieves(options.surrogate or options.victim, data, victim, steps, options.trials)
    found: dict[str, list[float]] = {}
    for name in options.oracles.split(","):
        start = STARTS[options.victim][name]
        thieves.choose(name, start)
        found[name] = [thieves.crossing(name, start, seed, options.until) for seed in range(options.seeds)]
    print(f"\n{options.data} {options.victim}, queries until {options.until:.0%}, {options.seeds} seeds")
    for name, counts in found.items():
        print(told(name, counts))
    for name in found.keys() - {"gradient"} if "gradient" in found else ():
        ratios = [more / fewer for more, fewer in zip(found[name], found["gradient"], strict=True)]
        print(told(f"{name} / gradient", ratios))


if __name__ == "__main__":
    main()
