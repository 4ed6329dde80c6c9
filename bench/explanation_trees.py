"""Trees of explanations: planted groups, fidelity beside two-step and SP-LIME (`explanations.py`)."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from divulge import Victim
from divulge.explanations import multilevel
from divulge.explanations.local_models import share_of_variance
from divulge.explanations.refinement import near_rows
from explanation_cases import cases

LEVELS = (2, 3, 5, 10)
PLANTED = list(itertools.product((0.0, 0.1, 0.3), (0.0, 3.0)))
FRESH = range(100, 112)  # seeds that nothing was looked at with


def planted(noise: float, apart: float, seed: int) -> tuple[np.ndarray, ...]:
    """Return noisy slopes (500, 6) of five linear models, rows round their centres, values, groups."""
    rng = np.random.default_rng(seed)
    slopes, centres = rng.standard_normal((5, 6)), apart * rng.standard_normal((5, 6))
    which = rng.choice(5, 500, p=[0.4, 0.2, 0.15, 0.15, 0.1])
    x = centres[which] + rng.standard_normal((500, 6))
    values = (slopes[which] * x).sum(axis=1) + 0.5 * which
    return slopes[which] + noise * rng.standard_normal(x.shape), x, values, which


def two_step(tree: Any, count: int) -> float:
    """Return the fidelity of so many clusters of the points, each with an explanation."""
    local, groups = tree.local, near_rows(tree.local.x, count)
    return share_of_variance(local.values, local.predictions(local.pooled(groups), groups))


def planted_part() -> None:
    """Print, for fresh seeds, how well groups are found, and fidelity above two-step's."""
    table = []
    for noise, apart in PLANTED:
        rand, gain = [], []
        for seed in FRESH:
            theta, x, values, which = planted(noise, apart, seed)
            tree = multilevel(theta, x, values=values)
            rand.append([adjusted_rand_score(which, kind.cut(5).groups) for kind in (tree, tree.refined(5))])
            told = [(tree.refined(count).cut(count).fidelity, two_step(tree, count)) for count in LEVELS]
            gain += [ours - theirs for ours, theirs in told]
        worst, refined = np.min(rand, axis=0)
        table.append([noise, apart, len(FRESH), worst, refined, min(gain), float(np.median(gain))])
    names = ["noise", "apart", "seeds", "least Rand", "refined", "least gain", "median gain"]
    print(pd.DataFrame(table, columns=names).to_string(index=False, float_format="%.4f"), flush=True)


def tree_part() -> None:
    """Print how planted groups are found, and fidelity beside clusters of the points and SP-LIME's picks."""
    table = []
    for noise, apart in PLANTED:
        theta, x, values, which = planted(noise, apart, 0)
        table += tree_rows(f"planted {noise} {apart:g}", theta, x, values, which)
    for name in ("breast cancer", "wine"):
        case = cases()[name]()
        victim = Victim(case.model, data=case.data)
        x = np.concatenate([case.data.train_inputs.numpy(), case.data.test_inputs.numpy()])
        values, slopes = victim.values_and_gradients(x, victim.output_size - 1)
        table += tree_rows(name, slopes, x, values, None)
    print(pd.DataFrame(table).to_string(index=False, float_format="%.3f"))


def tree_rows(
    name: str, theta: np.ndarray, x: np.ndarray, values: np.ndarray, which: np.ndarray | None
) -> list[dict[str, Any]]:
    """Measure one tree at several levels, on rows that it saw and on a quarter that it did not."""
    seen = np.random.default_rng(1).permutation(len(x)) < 0.75 * len(x)
    begun = time.perf_counter()
    tree = multilevel(theta[seen], x[seen], values=values[seen])
    seconds = time.perf_counter() - begun
    rand = [
        np.nan if which is None else adjusted_rand_score(which[seen], kind.cut(5).groups)
        for kind in (tree, tree.refined(5))
    ]
    parts = [np.random.default_rng(2 + k).permutation(len(x))[: round(0.8 * len(x))] for k in range(4)]
    trees = [multilevel(theta[part], x[part], values=values[part]) for part in parts]
    rows = []
    for count in LEVELS:
        level, refined = tree.cut(count), tree.refined(count)
        groups = near_rows(x[seen], count)
        pooled = tree.local.pooled(groups)
        nearest = groups[tree.local.nearest(x[~seen])]
        rows.append(
            {
                "data": name,
                "groups": count,
                "rand": rand[0],
                "refined rand": rand[1],
                "fidelity": level.fidelity,
                "refined": refined.cut(count).fidelity,
                "two-step": share_of_variance(values[seen], tree.local.predictions(pooled, groups)),
                "SP-LIME": picked(tree.local, count),
                "same": likeness(parts, [part.cut(count).groups for part in trees]),
                "refined same": likeness(parts, [part.refined(count).cut(count).groups for part in trees]),
                "two-step same": likeness(parts, [near_rows(x[part], count) for part in parts]),
                "unseen": tree.fidelity(x[~seen], values[~seen], count),
                "refined unseen": refined.fidelity(x[~seen], values[~seen], count),
                "two-step unseen": share_of_variance(
                    values[~seen], tree.local.predictions(pooled, nearest, x[~seen])
                ),
                "seconds": seconds,
            }
        )
    return rows


def likeness(parts: list[np.ndarray], groups: list[np.ndarray]) -> float:
    """Return the mean adjusted Rand index of groupings of random parts of the rows, on rows in both."""
    found = []
    for (a, one), (b, other) in itertools.combinations(zip(parts, groups, strict=True), 2):
        _, here, there = np.intersect1d(a, b, return_indices=True)
        found.append(adjusted_rand_score(one[here], other[there]))
    return float(np.mean(found))


def picked(local: Any, count: int) -> float:
    """Return the fidelity of SP-LIME's submodular pick, each row explained by the nearest one picked."""
    weight = np.abs(local.comparable())
    importance = np.sqrt(weight.sum(axis=0))
    covered, chosen = np.zeros(weight.shape[1], bool), []
    large = weight > weight.mean(axis=0)
    for _ in range(count):
        gain = ((large | covered) * importance).sum(axis=1)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        covered |= large[chosen[-1]]
    spread = local.x.std(axis=0)
    apart = ((local.x[:, None] - local.x[chosen]) / spread) ** 2
    groups = apart.sum(axis=2).argmin(axis=1)
    theta, at = local.theta[chosen][groups], np.array(chosen)[groups]
    told = local.values[at] + (theta * (local.x - local.x[at])).sum(axis=1)
    return share_of_variance(local.values, told)
