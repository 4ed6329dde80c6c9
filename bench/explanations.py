"""Are additive explanations, counterfactuals and trees right? `python bench/explanations.py [PART ...]`.

Parts: additive, counterfactuals, dice (needs dice-ml), leaks, trees, planted; by default all but dice. Prints
the tables of docs/explanations.md. `--rows 100` of each case are changed, `--dice-rows 20` with DiCE.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from divulge import Victim, steal
from divulge.explanations import Counterfactuals, additive, counterfactuals, multilevel
from divulge.explanations.archive import Archive, Front
from divulge.explanations.evolution import anywhere
from divulge.explanations.hypervolume import hypervolume
from divulge.explanations.local_models import share_of_variance
from divulge.oracles import oracle_by_name
from explanation_cases import Case, cases
from explanation_trees import planted_part, tree_part
from volume_bound import most_volume

Shape = Callable[[np.ndarray], np.ndarray]
SHAPES: list[Shape] = [lambda v: np.sin(2 * v), np.square, np.abs, lambda v: 0.5 * v]
TRAIN = 8000


def correlated(n: int, rho: float, seed: int) -> np.ndarray:
    """Return normal rows (n, 5) whose first two columns have a correlation."""
    x = np.random.default_rng(seed).standard_normal((n, 5))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * x[:, 1]
    return x


def known(x: np.ndarray, strength: float) -> np.ndarray:
    """Return the additive function, and strength times the product of the first two columns."""
    return sum(shape(x[:, j]) for j, shape in enumerate(SHAPES)) + strength * x[:, 0] * x[:, 1]


def trained(x: np.ndarray, y: np.ndarray) -> Victim:
    """Return a network fitted to values."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    inputs, values = torch.from_numpy(x).float(), torch.from_numpy(y).float()[:, None]
    epochs, size = 120, 200
    optimiser = torch.optim.Adam(module.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(size):
            optimiser.zero_grad()
            nn.functional.mse_loss(module(inputs[rows]), values[rows]).backward()
            optimiser.step()
        schedule.step()
    return Victim(module.eval(), (5,))


def additive_part() -> None:
    """Print errors of shapes of networks trained on a known function."""
    rows = []
    for rho in (0.0, 0.6):
        for strength in (0.0, 0.5):
            x = correlated(TRAIN, rho, 0)
            y = known(x, strength)
            network = trained(x, y)
            begun = time.perf_counter()
            found = additive(network, x, scale="value")
            seconds = time.perf_counter() - begun
            paired = additive(network, x, scale="value", pairs=1, refits=0)
            left = strength**2 * (1 - rho**2) ** 2 / (1 + rho**2)
            share = left / known(correlated(400_000, rho, 1), strength).var()
            others = found.compared(100).groupby("method")["fidelity"].first()
            rows.append(
                {
                    "correlation": rho,
                    "interaction": strength,
                    "network R2": share_of_variance(y, network.values(x)[:, 0]),
                    "fidelity": found.fidelity,
                    "not additive": found.not_additive,
                    "truth": share,
                    "with its pair": paired.fidelity,
                    "shape": max(shape_errors(found, x, rho, strength)),
                    "SHAP": others["SHAP dependence"],
                    "partial dep.": others["partial dependence"],
                    "gradient x input": others["gradient times input"],
                    "seconds": seconds,
                }
            )
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.4f"))


def shape_errors(found: Any, x: np.ndarray, rho: float, strength: float) -> list[float]:
    """Return each shape's root mean square error over the data, a share of its range there."""
    bent = strength * rho / (1 + rho**2)  # what single columns see of the product
    errors = []
    for j, shape in enumerate(SHAPES):
        truth = shape(x[:, j]) + (bent * x[:, j] ** 2 if j < 2 else 0)
        apart = found.terms.main(j, x[:, j]) - truth
        errors.append(float(apart.std() / np.ptp(np.quantile(truth, [0.01, 0.99]))))
    return errors


def found_for(case: Case, rows: int) -> tuple[Counterfactuals, float]:
    """Search with the defaults."""
    model = case.model if callable(case.model) else Victim(case.model, data=case.data)
    begun = time.perf_counter()
    found = counterfactuals(model, case.points[:rows], data=case.data, target=case.target, output=case.output)
    return found, time.perf_counter() - begun


def random_fronts(found: Counterfactuals, each: int, *, sparse: bool) -> list[Front]:
    """Return fronts of so many candidates a point drawn at random.

    Each column is changed with probability 1/2 to an entry drawn evenly; with `sparse` the number of columns
    that change is drawn evenly instead.
    """
    wanted, rng = found._wanted, np.random.default_rng(0)
    points, d = wanted.x.shape
    archive = Archive(points)
    for first in range(0, each, 200):
        shape = points, min(200, each - first), d
        rank = np.argsort(np.argsort(np.where(wanted.free, rng.random(shape), 2.0), axis=2), axis=2)
        count = rng.integers(1, wanted.free.sum() + 1, (*shape[:2], 1))
        changed = rank < count if sparse else wanted.free & (rng.random(shape) < 0.5)
        rows = np.where(changed, anywhere(wanted, shape, rng), wanted.x[:, None])
        predictions = wanted.predictions(rows)
        archive.add(rows, predictions, wanted.objectives(rows, predictions))
    return archive.fronts()


def volume(fronts: Any, corners: np.ndarray) -> float:
    """Return the mean share of the corners' volume that fronts dominate."""
    shares = [
        hypervolume(front.objectives, corner) / corner.prod()
        for front, corner in zip(fronts, corners, strict=True)
    ]
    return float(np.mean(shares))


def valid_volume(fronts: Any, corners: np.ndarray) -> float:
    """Return the mean share of the volume of all objectives but the miss that rows in the interval fill."""
    shares = []
    for front, corner in zip(fronts, corners[:, 1:], strict=True):
        reached = front.objectives[front.objectives[:, 0] == 0, 1:]
        shares.append(hypervolume(reached, corner) / corner.prod())
    return float(np.mean(shares))


def counterfactual_part(rows: int) -> None:
    """Print coverage, distance, sparsity, plausibility and volumes of the four cases."""
    table = []
    for name, make in cases().items():
        found, seconds = found_for(make(), rows)
        near, best, corners = found.nearest_rows(), found.best(), found.reference()
        each = found.asked // len(found.points)
        tight = corners.copy()  # what is better than showing the nearest training row
        tight[:, 1], tight[:, 3] = near["distance"], 0.1
        drawn = {kind: random_fronts(found, each, sparse=kind == "sparse") for kind in ("even", "sparse")}
        table.append(
            {
                "case": name,
                "points": len(found.points),
                "reached": found.reached.mean(),
                "changes": best["changes"].median(),
                "distance": best["distance"].median(),
                "from data": best["from_data"].median(),
                "row changes": near["changes"].median(),
                "row distance": near["distance"].median(),
                "volume": volume(found.fronts, corners),
                "at most": most_volume(found),
                "random": volume(drawn["even"], corners),
                "sparse": volume(drawn["sparse"], corners),
                "valid": valid_volume(found.fronts, corners),
                "valid random": valid_volume(drawn["even"], corners),
                "valid sparse": valid_volume(drawn["sparse"], corners),
                "tight": volume(found.fronts, tight),
                "tight random": volume(drawn["even"], tight),
                "tight sparse": volume(drawn["sparse"], tight),
                "asked": each,
                "seconds": seconds,
            }
        )
        print(pd.DataFrame(table[-1:]).to_string(index=False, float_format="%.4f"), flush=True)


def dice_part(rows: int) -> None:
    """Print the same of DiCE's counterfactuals for some rows."""
    from dice_peer import Peer

    for name, make in cases().items():
        found, _ = found_for(make(), rows)
        best = found.best()
        print(f"{name}: ours {best[['changes', 'distance', 'from_data']].median().round(4).to_dict()}")
        for method in ("random", "genetic"):
            begun = time.perf_counter()
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                objectives = Peer(found).objectives(method)
            reached = np.isfinite(objectives[:, 0])
            middle = np.nanmedian(objectives, axis=0).round(4)
            print(
                f"  DiCE {method}: reached {reached.mean():.2f}, changes {middle[2]}, distance {middle[1]}, "
                f"from_data {middle[3]}, {time.perf_counter() - begun:.1f} s",
                flush=True,
            )


def leak_part() -> None:
    """Print what copies learn from labels, from counterfactuals, from shapes and from nodes."""
    for name in ("breast cancer", "wine"):
        case = cases()[name]()
        victim = Victim(case.model, data=case.data)
        for kind in ("label", "counterfactual"):
            oracle = oracle_by_name(kind, victim, data=case.data)
            stolen = steal(oracle, "mlp:64", queries=(10, 30, 100), data=case.data, inputs="data", steps=500)
            curve = stolen.leak_curve[["queries", "agreement"]]
            print(f"{name}, {kind}: {curve.to_numpy().round(3).tolist()}")
        found = additive(victim, case.data, output=victim.output_size - 1, refits=0)
        print(f"{name}, shapes: {found.leak_curve().round(3).to_numpy().tolist()}")
        x, unseen = case.data.train_inputs.numpy(), case.data.test_inputs.numpy()
        values, slopes = victim.values_and_gradients(x, victim.output_size - 1)
        tree = multilevel(slopes, x, values=values)
        curve = tree.leak_curve(unseen, victim.values(unseen)[:, -1])
        print(f"{name}, nodes: {curve.round(3).to_numpy().tolist()}", flush=True)


PARTS = {"additive": additive_part, "trees": tree_part, "planted": planted_part, "leaks": leak_part}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["counterfactuals", *PARTS])
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--dice-rows", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts:
        print(f"\n{part}")
        if part == "counterfactuals":
            counterfactual_part(options.rows)
        elif part == "dice":
            dice_part(options.dice_rows)
        else:
            PARTS[part]()


if __name__ == "__main__":
    main()
