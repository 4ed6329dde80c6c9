"""Leaving out training images of a support vector machine: smooth hinge, 1 against 7 on MNIST.

Koh & Liang's setting (2017, figure 3), as their published script has it: images 5,000 to 59,999, (1/n) sum_i
max(0, 1 - y_i w'x_i) + (0.01 / 2) |w|^2 by liblinear, and one misclassified test image, the 1,597th of the
1s and 7s. The 100 training images of largest influence at t = 0 are left out in turn and the hinge is
trained again. The prediction is the influence at the hinge's minimum of the smooth hinge of temperature t; at
t = 0, where the hinge has no curvature, that of the hinge. The same for every other misclassified test image.

63 training images lie on the hinge itself, where it has no derivative: on which side rounding puts them,
and with it the third digit, depends on liblinear's seed. It is that of the published script.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import nn

from divulge import Influence
from divulge.datasets import mnist

WEIGHT_DECAY, CLASSES, TEMPERATURES = 0.01, (1, 7), (0.0, 0.001, 0.1)
FIRST, PUBLISHED_IMAGE, PUBLISHED = 5_000, 1_597, (0.632, 0.950, 0.914)


def signs(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of the two classes (n, 784) in float64, and 1 and -1, n a multiple of 100."""
    chosen = np.flatnonzero(np.isin(targets.numpy(), CLASSES))
    chosen = chosen[: len(chosen) // 100 * 100]
    x = inputs.flatten(1).double().numpy()[chosen]
    return x, np.where(targets.numpy()[chosen] == CLASSES[0], 1, -1)


def machine(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return w (784,) of the hinge."""
    svc = LinearSVC(
        loss="hinge",
        C=1 / (len(x) * WEIGHT_DECAY),
        tol=1e-10,
        max_iter=100_000,
        fit_intercept=False,
        random_state=24,
    )
    return np.asarray(svc.fit(x, y).coef_[0])


def predictions(t: float, w: np.ndarray, train: tuple[Any, Any], test: tuple[Any, Any]) -> np.ndarray:
    """Return the predicted changes (m, n) at one temperature."""
    module = nn.Linear(len(w), 1, bias=False).double()
    module.weight.data[0] = torch.from_numpy(w)
    influence = Influence(
        module,
        train,
        loss="smooth_hinge",
        temperature=t,
        solver="direct",
        damping=0,
        weight_decay=WEIGHT_DECAY,
    )
    return -np.asarray(influence.scores(test)) / len(train[0])


def run(points: int) -> dict[str, Any]:
    """Return Pearson's correlation of predicted and actual changes for each temperature and test image."""
    data = mnist()
    x, y = signs(data.train_inputs[FIRST:], data.train_targets[FIRST:])
    test_x, test_y = signs(data.test_inputs, data.test_targets)
    w = machine(x, y)
    wrong = np.flatnonzero(test_y * (test_x @ w) < 0)
    test = test_x[wrong], test_y[wrong]
    predicted = [predictions(t, w, (x, y), test) for t in TEMPERATURES]
    strongest = np.argsort(-np.abs(predicted[0]), axis=1, kind="stable")[:, :points]

    def losses(w: np.ndarray) -> np.ndarray:
        return np.maximum(0, 1 - test[1] * (test[0] @ w))

    retrained = {
        row: losses(machine(np.delete(x, row, 0), np.delete(y, row))) - losses(w)
        for row in np.unique(strongest)
    }
    result: dict[str, Any] = {
        "training_images": len(x),
        "points": points,
        "test_images": wrong.tolist(),
        "retrained": len(retrained),
    }
    one = wrong.tolist().index(PUBLISHED_IMAGE)
    for t, changes, published in zip(TEMPERATURES, predicted, PUBLISHED, strict=True):
        pearson = [
            float(np.corrcoef(changes[k, rows], [retrained[row][k] for row in rows])[0, 1])
            for k, rows in enumerate(strongest)
        ]
        result[f"t={t}"] = {
            "published": published,
            f"test image {PUBLISHED_IMAGE}": pearson[one],
            "median": float(np.median(pearson)),
            "least": min(pearson),
            "most": max(pearson),
        }
    return result
