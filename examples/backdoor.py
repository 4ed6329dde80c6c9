"""Build a backdoor into a classifier of digits, find it from the classifier alone, and unlearn it.

python examples/backdoor.py [--target 3] [--plot FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from divulge.backdoors import backdoor_scan, mitigate, poison, square, train_twin
from divulge.datasets import digits
from divulge.training import cnn, fit_classifier


def main() -> None:
    """Print what the scan finds, and how often the trigger works before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--target", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = digits()
    clean = cnn(data.input_shape, 10, channels=(8,), hidden=32)
    fit_classifier(clean, data.train_inputs, data.train_targets, epochs=10, learning_rate=5e-3)
    poisoned = poison(data, square((1, 8, 8), 2, -2, -2), arguments.target, rate=0.1)
    module = train_twin(clean, poisoned, seed=1, epochs=12, learning_rate=5e-3)
    scan = backdoor_scan(module, data)
    print(scan.finding)
    if scan.found:
        mended = mitigate(module, data, scan)
        before, after = mended.success_before, mended.success
        print(f"triggers reach {before} before and {after} after, accuracy {mended.accuracy:.1%}")
    if arguments.plot:
        scan.plot().flat[0].figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
