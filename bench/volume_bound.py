"""How large a hypervolume any front of counterfactuals can have, whatever the model says."""

from __future__ import annotations

import numpy as np

from divulge.explanations import Counterfactuals

STEPS = 400  # of distances; each takes the least distance from the data of its far end


def most_volume(found: Counterfactuals) -> float:
    """Return the largest mean share of the corner's volume, (own miss, 1, columns that may change, 1).

    For points whose own prediction is outside the interval; every other row is taken to be in it. A row that
    changes m columns and is t from the point (Gower's) is nearer to a training row than the point by t at
    most, and by no more than the m columns in which these two differ most. With k > 1, too: the mean
    distance from k rows is at least that from the nearest.

    Raises:
        ValueError: a point is in the interval, and counts without a change.
    """
    wanted = found._wanted
    inside = np.flatnonzero(wanted.miss(wanted.predictions(wanted.x)) == 0)
    if len(inside):
        raise ValueError(f"point {inside[0]} is in the interval already: nothing has to be changed")
    far_ends = np.arange(1, STEPS + 1) / STEPS
    shares = []
    for point, twins in zip(wanted.x, wanted.twins, strict=True):
        apart = wanted.gower.differences(wanted.train[~twins], point[None])
        columns = apart.shape[1]
        gains = np.cumsum(np.sort(apart[:, wanted.free], axis=1)[:, ::-1], axis=1)
        gains, whole = gains / columns, apart.mean(axis=1)
        volume = 0.0
        for gain in gains[:, :-1].T:  # of 1, 2, ... columns; all of them lie on the corner
            from_data = (whole[:, None] - np.minimum(far_ends, gain[:, None])).min(axis=0)
            volume += 1 - from_data.clip(0).mean()
        shares.append(volume / gains.shape[1])
    return float(np.mean(shares))
