"""Take a classifier of digits apart through its saliency maps, and see what a budget and rounding change.

python examples/take_apart.py [--hidden 32] [--plot FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from divulge import GradientOracle, Oracle, Rounded, Victim, compare, reconstruct
from divulge.datasets import digits
from divulge.plots import plot_reconstruction
from divulge.training import train_classifier


def main() -> None:
    """Print how far the copy is from the original, plainly and behind a budget or rounding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = digits()
    victim = Victim(train_classifier(arguments.hidden, data), data.input_shape)
    asked: dict[str, Oracle] = {
        "plain": GradientOracle(victim),
        "60 queries": GradientOracle(victim, budget=60),
        "6 decimals": Rounded(GradientOracle(victim, budget=1000), decimals=6),
    }
    copies = {name: reconstruct(oracle) for name, oracle in asked.items()}
    for name, copy in copies.items():
        print(f"{name}: {copy.hidden_units} of {arguments.hidden} units, {copy.queries} queries, ", end="")
        if not copy.hidden_units:
            print("nothing to compare")
            continue
        comparison = compare(copy, victim, data.test_inputs)
        print(f"complete {copy.complete}, agreement {comparison.agreement:.1%}, outputs differ by ", end="")
        print(f"{comparison.max_output_error:.0e}")
    if arguments.plot:
        comparison = compare(copies["plain"], victim, data.test_inputs)
        axes = plot_reconstruction(victim, copies["plain"].module, comparison, [])
        axes[0].figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
