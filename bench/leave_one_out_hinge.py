"""Leaving out training images of a support vector machine: smooth hinge, 1 against 7 on MNIST.

Koh & Liang's setting (2017, figure 3): (1/n) sum_i max(0, 1 - y_i w'x_i) + (0.01 / 2) |w|^2, one
misclassified test image. The actual change is that of its hinge loss after exact retraining (liblinear,
tolerance 1e-10); the predicted one that of the influence function of the smooth hinge of temperature t, at
the minimum of its own objective; at t = 0, where the hinge has no curvature, at the hinge's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.svm import LinearSVC
from torch import nn

from divulge import Influence
from divulge.datasets import mnist
from divulge.influence import fit_linear

ROWS, WEIGHT_DECAY, CLASSES, TEMPERATURES = 55_000, 0.01, (1, 7), (0.0, 0.001, 0.1)


def signs(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of the two classes (n, 784) in float64, and 1 and -1."""
    chosen = np.isin(targets.numpy(), CLASSES)
    x = inputs.flatten(1).double().numpy()[chosen]
    return x, np.where(targets.numpy()[chosen] == CLASSES[0], 1, -1)


def machine(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Return w (784,) of the hinge; n is that of the mean, though a sample be left out."""
    svc = LinearSVC(
        loss="hinge",
        C=1 / (n * WEIGHT_DECAY),
        tol=1e-10,
        max_iter=100_000,
        fit_intercept=False,
        random_state=0,
    )
    return np.asarray(svc.fit(x, y).coef_[0])


def smooth(x: np.ndarray, y: np.ndarray, temperature: float) -> nn.Linear:
    """Return the minimum of the smooth hinge, reached through higher temperatures."""
    linear = None
    for t in (1.0, 0.1, 0.03, 0.01, 0.003, 0.001):
        if t >= temperature:
            linear = fit_linear(
                x, y, 1, "smooth_hinge", WEIGHT_DECAY, bias=False, temperature=t, start=linear
            )
    assert linear is not None
    return linear


def scores_at(t: float, w: np.ndarray, train: tuple[Any, Any], test: tuple[Any, Any]) -> np.ndarray:
    """Return the influence (m, n) of the training images at one temperature."""
    if t:
        module = smooth(*train, t)
    else:
        module = nn.Linear(len(w), 1, bias=False).double()
        module.weight.data[0] = torch.from_numpy(w)
    influence = Influence(
        module, "smooth_hinge", train, temperature=t, solver="direct", damping=0, weight_decay=WEIGHT_DECAY
    )
    return np.asarray(influence.scores(test))


def run(points: int, tests: int = 3) -> dict[str, Any]:
    """Return Pearson's correlation of predicted and actual changes for each temperature and test image.

    For each the points with the largest influence at that temperature are left out in turn.
    """
    data = mnist()
    x, y = signs(data.train_inputs[:ROWS], data.train_targets[:ROWS])
    test_x, test_y = signs(data.test_inputs, data.test_targets)
    w = machine(x, y, len(x))
    wrong = np.flatnonzero(test_y * (test_x @ w) < 0)[:tests]
    test = test_x[wrong], test_y[wrong]
    retrained: dict[int, np.ndarray] = {}

    def losses(w: np.ndarray) -> np.ndarray:
        return np.maximum(0, 1 - test[1] * (test[0] @ w))

    def change(row: int) -> np.ndarray:
        if row not in retrained:
            retrained[row] = losses(machine(np.delete(x, row, 0), np.delete(y, row), len(x)))
        return retrained[row] - losses(w)

    result: dict[str, Any] = {"training_images": len(x), "points": points, "test_images": len(wrong)}
    for t in TEMPERATURES:
        pearson = []
        for k, scores in enumerate(scores_at(t, w, (x, y), test)):
            rows = np.argsort(-np.abs(scores), kind="stable")[:points]
            actual = [change(int(row))[k] for row in rows]
            pearson.append(float(np.corrcoef(-scores[rows], actual)[0, 1]))
        result[f"t={t}"] = {"pearson": pearson, "mean": float(np.mean(pearson))}
    return result
