"""Draw the pictures of boosted trees and of prototypes in influence.md.

python docs/influence_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor
from torch import nn

from divulge.influence import Influence, TreeInfluence, prototypes
from divulge.influence.figures import plot_images

HERE = Path(__file__).parent
FIRST, SECOND = "#30638e", "#d1495b"
LEFT_OUT, LARGE = 60, (0.01, 0.02, 0.05, 0.1, 0.2)


def trees(path: Path) -> None:
    """Draw LeafInfluence and training again against LeafRefit, and what leaving out the helpful ones does."""
    x, y = load_diabetes(return_X_y=True)
    model = GradientBoostingRegressor(n_estimators=30, max_depth=3, random_state=0)
    train, test = (x[:-40], y[:-40]), (x[-40:], y[-40:])
    influence = TreeInfluence(clone(model).fit(*train), train)
    n, point = len(train[1]), (test[0][:1], test[1][:1])
    refit, rough = influence.leave_one_out(point)[0], -influence.scores(point)[0] / n
    left = np.random.default_rng(0).choice(n, LEFT_OUT, replace=False)
    before = losses(model, train, np.arange(n), test)
    again = np.array([losses(model, train, np.delete(np.arange(n), i), test)[0] for i in left]) - before[0]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    one, two, three = figure.subplots(1, 3)
    one.plot(refit, rough, ".", color=FIRST)
    anew = "leaves fitted anew without the sample"
    one.set(xlabel=anew, ylabel="LeafInfluence", title="change of a test loss")
    two.plot(refit[left], again, ".", color=SECOND)
    two.set(xlabel=anew, ylabel="trained again", title="other splits change more")
    for method, scores in (
        ("LeafInfluence", influence.scores(test)),
        ("BoostIn", influence.scores(test, method="boost_in")),
        ("random", np.random.default_rng(1).standard_normal((40, n))),
    ):
        order = np.argsort(scores.mean(axis=0))
        rise = [losses(model, train, order[round(s * n) :], test).mean() - before.mean() for s in LARGE]
        three.plot(LARGE, rise, "o-", markersize=4, label=method)
    three.set(xlabel="share of samples left out, most helpful first", ylabel="rise of the test loss")
    three.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def losses(model: GradientBoostingRegressor, train: tuple, rows: np.ndarray, test: tuple) -> np.ndarray:
    """Return the test losses of a model trained on some rows."""
    fitted = clone(model).fit(train[0][rows], train[1][rows])
    return (fitted.predict(test[0]) - test[1]) ** 2 / 2


def fisher_prototypes(path: Path) -> None:
    """Draw mistakes on a second scanner's images, and the training images that made the network do so."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order, negative = rng.permutation(len(y)), rng.random(len(y)) < 0.2
    x, y = x[order] / 16, y[order]
    x[negative] = 1 - x[negative]
    given = np.where(negative & (y == 1), 7, y)
    train = x[:1200], given[:1200]
    module = network(*train)
    with torch.no_grad():
        named = module(torch.from_numpy(x)).argmax(1).numpy()
    asked = np.flatnonzero(negative & (y == 1) & (named == 7) & (np.arange(len(y)) >= 1200))
    influence = Influence(module, train, curvature="ekfac", damping=1e-3, weight_decay=1e-4)
    found = prototypes(influence, (x[asked], y[asked]), 8, criticisms=8)
    images = x.reshape(-1, 8, 8)
    weights = [f"{given[i]} ({w:.2f})" for i, w in zip(found.rows, found.weights, strict=True)]
    rows = [
        ("named 7", images[asked[:8]], [""] * 8),
        ("prototypes", images[found.rows], weights),
        ("criticisms", images[found.criticisms], [str(given[i]) for i in found.criticisms]),
    ]
    plot_images(rows, "labels, and weights of the quadrature").flat[0].figure.savefig(path, dpi=110)


def network(x: np.ndarray, y: np.ndarray) -> nn.Module:
    """Return a network 64-32-10."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2, weight_decay=1e-4)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return module.eval()


if __name__ == "__main__":
    trees(HERE / "trees.png")
    fisher_prototypes(HERE / "fisher_prototypes.png")
