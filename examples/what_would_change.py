"""Explain a model of a table as a whole, and say what would have to be otherwise for another class.

python examples/what_would_change.py [--generations 60] [--plot FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier

from divulge import Victim
from divulge.datasets import read_data
from divulge.explanations import additive, counterfactuals


def main() -> None:
    """Print how much of a forest is additive, and the smallest changes that lead to class 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--generations", type=int, default=60)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = read_data(load_wine(as_frame=True).frame, "target")
    model = RandomForestClassifier(30, random_state=0).fit(data.frame(data.train_inputs), data.train_targets)
    victim = Victim(model, data=data)
    found = additive(victim, data, output=0, scale="probability", refits=3)
    print(f"a sum of functions of single columns explains {found.fidelity:.1%} of what the forest says")
    others = data.test_inputs[data.test_targets != 0][:3]
    wanted = counterfactuals(
        victim,
        others,
        data=data,
        target=(0.5, 1.0),
        output=0,
        scale="probability",
        generations=arguments.generations,
    )
    frame = wanted.to_frame()
    print(f"{len(frame)} rows of which the forest says class 0, for {len(others)} wines of other classes")
    if arguments.plot:
        found.plot()[0].figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
