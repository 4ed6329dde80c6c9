"""Leaving out training images of a small convolutional network on a tenth of MNIST.

Koh & Liang (2017, section 4.2) report a Pearson correlation of .86 for a tanh network of 2,616 parameters
that was not trained to convergence. Here: 5x5 and 3x3 convolutions with tanh and a Linear, 560 parameters,
float64, trained by Adam and then by L-BFGS until the gradient's norm is below 1e-8. Retraining without an
image starts at that minimum: BFGS from the inverse Hessian of all images, to a gradient as small.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor, nn

from divulge import Influence
from divulge.datasets import mnist
from divulge.training import accuracy, fit_classifier

ROWS, GRADIENT = 5_500, 1e-8


class Network(nn.Module):
    """Convolutions 5x5 of stride 3 and 3x3 of stride 2 with tanh, and a Linear, as products of patches.

    Its inputs are the patches (n, 64, 25) of the images, so that they are cut out once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(25, 3), nn.Linear(27, 4), nn.Linear(36, 10)
        places = torch.arange(64.0).reshape(1, 1, 8, 8)
        self.register_buffer("places", F.unfold(places, 3, stride=2)[0].T.long())  # (9, 9)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (n, 10)."""
        a = torch.tanh(self.first(x))
        a = torch.tanh(self.second(a[:, self.places].flatten(2)))
        return self.last(a.flatten(1))


def patches(images: Tensor) -> Tensor:
    """Return the patches (n, 64, 25) that the first convolution visits."""
    return F.unfold(images.double(), 5, stride=3).transpose(1, 2).contiguous()


class Training:
    """(1/n) sum_i L(z_i) + (weight_decay / 2) |theta|^2, with any one sample left out of the sum."""

    def __init__(self, x: Tensor, y: Tensor, weight_decay: float, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = Network().double()
        self.x, self.y, self.weight_decay = x, y, weight_decay
        fit_classifier(self.module, x, y, seed=seed, epochs=20, learning_rate=1e-2, weight_decay=weight_decay)
        options = {"maxcor": 100, "maxiter": 5000, "maxfun": 9000, "ftol": 0, "gtol": GRADIENT / 24}
        self.theta = minimize(self.objective, self.at(), jac=True, method="L-BFGS-B", options=options).x

    def at(self, theta: np.ndarray | None = None) -> np.ndarray:
        """Set the parameters, where given, and return them (P,)."""
        parameters = list(self.module.parameters())
        if theta is not None:
            nn.utils.vector_to_parameters(torch.from_numpy(theta), parameters)
        return nn.utils.parameters_to_vector(parameters).detach().numpy().copy()

    def objective(self, theta: np.ndarray, without: int | None = None) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient (P,)."""
        self.at(theta)
        total = F.cross_entropy(self.module(self.x), self.y, reduction="sum")
        if without is not None:
            total = total - F.cross_entropy(self.module(self.x[[without]]), self.y[[without]])
        parts = torch.autograd.grad(total / len(self.x), list(self.module.parameters()))
        gradient = torch.cat([part.reshape(-1) for part in parts]).numpy() + self.weight_decay * theta
        return float(total.detach()) / len(self.x) + self.weight_decay / 2 * float(theta @ theta), gradient

    def without(self, row: int, inverse: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the minimum without a sample, and its gradient's norm."""
        options = {"hess_inv0": inverse, "norm": 2, "gtol": GRADIENT, "maxiter": 1000}
        found = minimize(self.objective, self.theta, (row,), "BFGS", jac=True, options=options)
        return found.x, float(np.linalg.norm(found.jac))


def run(points: int, weight_decay: float, seed: int = 0, tests: int = 3) -> dict[str, Any]:
    """Return Pearson's correlation of predicted and actual changes of misclassified test images' losses.

    For each the points of largest influence are left out in turn; then as many random ones for all.
    """
    data, rng = mnist(), np.random.default_rng(seed)
    chosen = torch.from_numpy(rng.permutation(len(data.train_targets))[:ROWS])
    x, y = patches(data.train_inputs[chosen]), data.train_targets[chosen]
    training = Training(x, y, weight_decay, seed)
    module, test_x = training.module, patches(data.test_inputs)
    training.at(training.theta)
    with torch.no_grad():
        wrong = torch.flatten((module(test_x).argmax(1) != data.test_targets).nonzero())[:tests]
    test = test_x[wrong], data.test_targets[wrong]
    influence = Influence(
        module, (x, y), solver="direct", damping=0, weight_decay=weight_decay, batch_size=1000
    )
    predicted = influence.leave_one_out(test)
    inverse = influence.solve(np.eye(len(training.theta))).vectors
    norms = [float(np.linalg.norm(training.objective(training.theta)[1]))]
    before = influence.losses(test)
    retrained: dict[int, np.ndarray] = {}

    def change(row: int) -> np.ndarray:
        if row not in retrained:
            theta, norm = training.without(row, (inverse + inverse.T) / 2)
            norms.append(norm)
            training.at(theta)
            retrained[row] = influence.losses(test) - before
        return retrained[row]

    def pearson(rows: Any, k: int) -> float:
        return float(np.corrcoef(predicted[k, rows], [change(int(row))[k] for row in rows])[0, 1])

    strongest = [np.argsort(-np.abs(p))[:points] for p in predicted]
    random = rng.choice(len(x), points, replace=False)
    return {
        "parameters": len(training.theta),
        "weight_decay": weight_decay,
        "seed": seed,
        "test_accuracy": accuracy(module, test_x, data.test_targets),
        "test_images": wrong.tolist(),
        "points": points,
        "pearson": [pearson(rows, k) for k, rows in enumerate(strongest)],
        "pearson_random": [pearson(random, k) for k in range(len(strongest))],
        "gradient": norms[0],
        "largest_gradient_retrained": max(islice(norms, 1, None)),
    }
