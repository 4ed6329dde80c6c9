"""How near EK-FAC's scores from few labels a sample are to those from all classes, and from one drawn label.

    python bench/few_labels.py [--samples 256 512 2000] [--classes 10 16 100] [--seeds 2] [--json]

Residual networks of 8 inputs and width 12 in double precision, trained for 1, 30 and 1,500 steps of Adam,
scored at dampings 1e-5 and .01 for ten test points. For each number of samples and classes: the least
correlation with the scores of all labels, the mean over the test points and a single one's.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from divulge import Influence
from divulge.influence import kronecker

TESTS, STEPS, DAMPINGS = 10, (1, 30, 1500), (1e-5, 1e-2)
labels = importlib.import_module("divulge.influence.label_cotangents")
FEW, PASSES, EXACT = labels.label_cotangents, kronecker._PASSES, labels._EXACT_CLASSES


class Residual(nn.Module):
    """What torch computes, not the compiled core."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(8, 12), nn.LayerNorm(12)
        self.inner, self.last = nn.Linear(12, 12), nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes)."""
        z = torch.tanh(self.first(x))
        out: Tensor = self.last(z + nn.functional.gelu(self.inner(self.norm(z))))
        return out


def trained(n: int, classes: int, steps: int, seed: int) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Return a network, and inputs and labels, of which the first n trained it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n + TESTS, 8))
    noise = (1.0 if steps < 100 else 0.3) * rng.gumbel(size=(n + TESTS, classes))
    y = (2 * x @ rng.standard_normal((8, classes)) + noise).argmax(1)
    module = Residual(classes).double()
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.tensor(x[:n])), torch.tensor(y[:n])).backward()
        optimizer.step()  # type: ignore[no-untyped-call]
    return module, x, y


def drawn(outputs: Any, _: Any, seed: int, first: int = 0, few: Any = None, share: int = 1) -> Any:
    """Return the gradients by the outputs for one label that the model itself gives."""
    p = torch.from_numpy(outputs).softmax(1).numpy()
    stream = np.random.PCG64(seed).advance(first)  # one step a label; the eigenvalues' have another seed
    uniform = np.random.Generator(stream).random((len(p), 1))
    label = (uniform > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
    return np.asarray(p - np.eye(p.shape[1])[label], outputs.dtype)


def correlations(module: nn.Module, x: np.ndarray, y: np.ndarray, damping: float) -> dict[str, np.ndarray]:
    """Return each test point's correlation with all labels, of each way to take fewer."""
    n, scores = len(x) - TESTS, {}
    settings = {"all": (FEW, 10**9, y.max() + 10**3), "few": (FEW, PASSES, EXACT), "drawn": (drawn, 1, EXACT)}
    for name, (make, passes, exact) in settings.items():
        kronecker.label_cotangents, kronecker._PASSES, labels._EXACT_CLASSES = make, passes, exact
        influence = Influence(module, (x[:n], y[:n]), curvature="ekfac", damping=damping, lower=False)
        scores[name] = influence.scores((x[n:], y[n:]))
    every = scores.pop("all")
    return {
        k: np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(v, every, strict=True)])
        for k, v in scores.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[256, 512, 2000])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 16, 100])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for k, n in itertools.product(given.classes, given.samples):
        least: dict[str, list[float]] = {"few": [1, 1], "drawn": [1, 1]}
        for steps, seed in itertools.product(STEPS, range(given.seeds)):
            case = trained(n, k, steps, 1000 * seed + k + steps)
            for damping in DAMPINGS:
                for name, told in correlations(*case, damping).items():
                    pairs = zip(least[name], (told.mean(), told.min()), strict=True)
                    least[name] = [float(min(pair)) for pair in pairs]
        assert least["few"][0] > 0.8, f"scores of few labels say something else: {least}"
        results[f"{k} classes, {n} samples"] = least
        if not given.json:
            told_of = "; ".join(f"{name} {mean:.3f}, {single:.3f}" for name, (mean, single) in least.items())
            print(f"{k} classes, {n} samples: {told_of}", flush=True)
    if given.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
