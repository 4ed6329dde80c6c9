"""Draw the pictures of explanations.md.

python docs/explanation_pictures.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_wine

from divulge.datasets import Dataset, read_data
from divulge.explanations import additive, counterfactuals, multilevel

HERE = Path(__file__).parent


def wine() -> tuple[Any, Dataset]:
    """Return a boosted classifier of wines and its data."""
    from sklearn.ensemble import GradientBoostingClassifier

    from divulge import Victim

    data = read_data(load_wine(as_frame=True).frame, "target", name="wine")
    model = GradientBoostingClassifier(n_estimators=30, random_state=0)
    model.fit(data.frame(data.train_inputs.numpy()), data.train_targets.numpy())
    return Victim(model, data=data), data


def shapes(path: Path) -> None:
    """Draw the shapes of a function of four columns, two of which interact."""
    x = np.random.default_rng(0).standard_normal((3000, 4))

    def function(rows: np.ndarray) -> np.ndarray:
        a, b, c, d = rows.T
        return np.sin(2 * a) + b**2 / 2 + np.abs(c) + 0.3 * d + 0.5 * a * b

    additive(function, x, pairs=1).plot()[0].figure.savefig(path, dpi=110)


def changes(path: Path) -> None:
    """Draw the counterfactuals of one wine, and which columns they change."""
    victim, data = wine()
    rows = data.test_inputs.numpy()
    others = rows[victim.classes(rows) == 0][:5]
    found = counterfactuals(victim, others, data=data, target=(0.5, 1.0), output=1, generations=60)
    found.plot(0)[0].figure.savefig(path, dpi=110)


def tree(path: Path) -> None:
    """Draw the tree of local explanations of four linear models."""
    rng = np.random.default_rng(0)
    slopes, centres = rng.standard_normal((4, 5)), 3 * rng.standard_normal((4, 5))
    which = np.arange(120) % 4
    x = centres[which] + rng.standard_normal((120, 5))
    values = (slopes[which] * x).sum(axis=1)
    noisy = slopes[which] + 0.2 * rng.standard_normal(x.shape)
    multilevel(noisy, x, values=values).plot(4)[0].figure.savefig(path, dpi=110)


if __name__ == "__main__":
    shapes(HERE / "shapes.png")
    changes(HERE / "changes.png")
    tree(HERE / "tree.png")
