"""Predicted against actual change of a test loss when a training image is left out.

    python bench/leave_one_out.py [--points 100] [--setting softmax|smooth-hinge|cnn] [--json]

softmax is Koh & Liang's setting (2017, figure 2): softmax regression on the first 55,000 images of MNIST,
no bias, weight decay 0.01, one misclassified test image, the training images with the largest influence
on its loss. Everything in float64, trained and retrained until the gradient's norm is below 1e-12.
smooth-hinge and cnn are described in leave_one_out_hinge.py and leave_one_out_cnn.py.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from divulge import Influence, _core
from divulge.datasets import mnist
from divulge.influence import NotConverged
from divulge.influence.solvers import ConjugateGradients, Matrix

ROWS, CLASSES, WEIGHT_DECAY, GRADIENT = 55_000, 10, 0.01, 1e-12


class Regression:
    """(1/n) sum_i L(z_i) + (weight_decay / 2) |theta|^2, with any one sample left out of the sum."""

    def __init__(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        self.inputs, self.targets = inputs, targets[:, None].astype(np.float64)

    def core(self, theta: np.ndarray, rows: Any = slice(None)) -> Any:
        """Return the curvature of some rows at theta."""
        weight = theta.reshape(CLASSES, -1)
        arguments = ([weight], [None], ["identity"], "cross_entropy")
        return _core.Curvature64(*arguments, self.inputs[rows], self.targets[rows])

    def gradient(self, theta: np.ndarray, without: int | None = None) -> np.ndarray:
        """Return the objective's gradient."""
        gradient = self.core(theta).gradient() + WEIGHT_DECAY * theta
        if without is not None:
            gradient -= self.core(theta, [without]).gradient() / len(self.inputs)
        return gradient

    def train(self) -> np.ndarray:
        """Minimise by Newton's method."""
        theta = np.zeros(CLASSES * self.inputs.shape[1])
        while (norm := np.linalg.norm(gradient := self.gradient(theta))) > GRADIENT:
            core = self.core(theta)
            matrix = Matrix(len(theta), WEIGHT_DECAY, WEIGHT_DECAY, core.hessian_products)
            accuracy = min(0.01, float(norm))
            theta = theta - ConjugateGradients(matrix, accuracy, 500).solve(gradient[None]).vectors[0]
        return theta

    def retrain(self, theta: np.ndarray, without: int, direct: Influence) -> np.ndarray:
        """Minimise without one sample: Newton's method with the Hessian of all, which is nearly the same."""
        while np.linalg.norm(gradient := self.gradient(theta, without)) > GRADIENT:
            theta = theta - direct.solve(gradient).vectors
        return theta


def softmax(points: int, solvers: str) -> dict[str, Any]:
    """Return Pearson's correlation of predicted and actual changes for each solver."""
    data = mnist()
    inputs = data.train_inputs[:ROWS].reshape(ROWS, -1).double().numpy()
    targets = data.train_targets[:ROWS].numpy()
    regression = Regression(inputs, targets)
    theta = regression.train()
    module = nn.Linear(inputs.shape[1], CLASSES, bias=False).double()
    module.weight.data = torch.from_numpy(theta.reshape(CLASSES, -1))
    test_inputs = data.test_inputs.reshape(len(data.test_inputs), -1).double()
    wrong = np.flatnonzero((module(test_inputs).argmax(1) != data.test_targets).numpy())
    test = test_inputs[wrong[:1]], data.test_targets[wrong[:1]]

    def predictions(solver: str) -> tuple[np.ndarray, dict[str, Any], Influence]:
        start = time.process_time()
        extra = {"batch_size": 1000, "max_iterations": 60} if solver == "lissa" else {}
        influence = Influence(
            module, (inputs, targets), solver=solver, damping=0.0, weight_decay=WEIGHT_DECAY, **extra
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConverged)  # the residual is printed
            scores = influence.scores(test)[0]
        facts = {"residual": float(influence.solution.residual[0]), "cpu_s": time.process_time() - start}
        return scores, facts, influence

    scores, _, direct = exact = predictions("direct")
    rows = np.argsort(-np.abs(scores))[:points]

    def loss(parameters: np.ndarray) -> float:
        logits = test[0].numpy() @ parameters.reshape(CLASSES, -1).T
        return float(nn.functional.cross_entropy(torch.from_numpy(logits), test[1]))

    actual = np.array([loss(regression.retrain(theta, row, direct)) - loss(theta) for row in rows])
    result: dict[str, Any] = {"test_image": int(wrong[0]), "points": len(rows)}
    for solver in solvers.split(","):
        found, facts, _ = exact if solver == "direct" else predictions(solver)
        result[solver] = {"pearson": float(np.corrcoef(-found[rows] / ROWS, actual)[0, 1]), **facts}
    newton = direct.leave_one_out(test)[0][rows]
    result["newton_step"] = {
        "pearson": float(np.corrcoef(newton, actual)[0, 1]),
        "largest_relative_error": float(np.abs(newton / actual - 1).max()),
    }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--points", type=int, help="left out for a test image; default 100, cnn 15")
    parser.add_argument("--setting", choices=("softmax", "smooth-hinge", "cnn"), default="softmax")
    parser.add_argument("--solvers", default="direct,cg,lissa", help="of the setting softmax")
    parser.add_argument("--weight-decay", type=float, default=0.01, help="of the setting cnn")
    parser.add_argument("--seed", type=int, default=0, help="of the setting cnn")
    arguments = parser.parse_args()
    points = arguments.points or (15 if arguments.setting == "cnn" else 100)
    if arguments.setting == "smooth-hinge":
        import leave_one_out_hinge

        result = leave_one_out_hinge.run(points)
    elif arguments.setting == "cnn":
        import leave_one_out_cnn

        result = leave_one_out_cnn.run(points, arguments.weight_decay, arguments.seed)
    else:
        result = softmax(points, arguments.solvers)
    lines = (f"{name}: {value}" for name, value in result.items())
    print(json.dumps(result, indent=2) if arguments.json else "\n".join(lines))


if __name__ == "__main__":
    main()
