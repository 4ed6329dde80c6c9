"""Which explanation may the API of a table's model return? The wines of scikit-learn, a pipeline, one page.

python examples/report_on_a_table.py [--page FILE] [--plot FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from divulge import Victim, leak_report
from divulge.datasets import read_data


def main() -> None:
    """Print the recommendation; write the page and the leak curves where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    data = read_data(load_wine(as_frame=True).frame, "target")
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(data.frame(data.train_inputs), data.train_targets)
    report = leak_report(
        Victim(model, data=data),
        data,
        oracles=("label", "gradient"),
        defences=("none", "rounded:1"),
        budgets=(10, 50),
        surrogate="linear",
        steps=100,
        price=0.01,
    )
    print(report.summary()[0])
    if arguments.page:
        report.save(arguments.page)
    if arguments.plot:
        report.plot().figure.savefig(arguments.plot, dpi=110)


if __name__ == "__main__":
    main()
