"""Points moved to where probabilities can be told, as the copy has them.

Lines keep to a distance at which no probability underflows on random ones. Steep directions, up combinations
of features or along rays, saturate sooner: there the copy's own log-odds say how far one may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.falsification.samples import Drawn
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.settings import FALSIFYING, TINY


def unsaturated(drawn: Iterable[Drawn], model: DeepModel, lines: Lines, single: bool) -> Iterator[Drawn]:
    """Yield what was drawn, points at which a probability would be 0 moved towards the origin.

    Args:
        drawn: kinds of points (n, d).
        model: the copy, of log-odds against class 0 where lines keep to a distance.
        lines: whether answers saturate at all.
        single: whether the victim computes in single precision.
    """
    limit = -float(np.log(np.finfo(np.float32 if single else np.float64).tiny)) / FALSIFYING.unsaturated
    for each in drawn:
        yield replace(each, points=inwards(each.points, model, limit)) if lines.saturate else each


def inwards(points: Array, model: DeepModel, limit: float) -> Array:
    """Return points (n, d) nearer to the origin where logits of a model differ by more than a limit."""
    for _ in range(FALSIFYING.inwards):
        features = homogeneous(model.prefix.features(points))
        odds = np.stack([model.layer.values(features, k) for k in range(len(model.layer.weights))])
        spread = odds.max(axis=0, initial=0.0) - odds.min(axis=0, initial=0.0)
        if spread.max(initial=0.0) <= limit:
            break
        points = points * np.minimum(1.0, limit / np.maximum(spread, TINY))[:, None]
    return points
