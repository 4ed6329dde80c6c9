"""A point where the hyperplanes of a unit and of a feature meet, by a mixed-integer linear programme.

Known layers are linear in x once it is said which units are active. With a binary d_i for every unit i, and
bounds -m_i <= z_i <= M_i of its level in a box,

    p_i = max(z_i, 0):   p_i >= z_i,   0 <= p_i <= M_i d_i,   p_i <= z_i + m_i (1 - d_i),

and all levels keep a distance from 0, but for the two that vanish.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from divulge.arrays import Array, Mask
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import MILP


def meeting(
    prefix: Prefix,
    row: Array,
    offset: float,
    known: Mask,
    feature: int,
    domain: tuple[Array, Array] | None,
) -> Array | None:
    """Return a point on the hyperplanes of a unit and a feature, where all other active features are known.

    Args:
        prefix: the layers before the unit's; the last one holds the features.
        row: of the unit, 0 where unknown, shape (p,).
        offset: of the unit.
        known: which entries of the row are, shape (p,).
        feature: the number of the feature.
        domain: bounds of every coordinate, or None for all of R^d.

    Returns:
        Shape (d,), or None where none was found.
    """
    if sum(map(len, prefix.layers)) > MILP.most_units:
        return None
    size = prefix.input_size
    boxes = [(np.full(size, -reach), np.full(size, reach)) for reach in MILP.reaches]
    if domain is not None:
        edge = MILP.margin * (domain[1] - domain[0])
        boxes = [(domain[0] + edge, domain[1] - edge)]
    for low, high in boxes:
        programme = Programme(low, high)
        for layer in prefix.layers[:-1]:
            programme.add(layer, np.ones(len(layer), bool))
        may = known.copy()
        may[feature] = True
        programme.add(prefix.layers[-1], may, feature)
        point = programme.solved(row, offset)
        if point is not None:
            return point
    return None


class Programme:
    """Constraints over x and, layer after layer, over all p and all d.

    Attributes:
        low, high: bounds of every unknown so far, shape (n,) each.
        whole: 1 for those that are binary, shape (n,).
        before: where the features that the next layer reads begin, and how many there are.
        rules: matrices over the unknowns that existed then, with lower and upper bounds.
    """

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = low.astype(float), high.astype(float)
        self.whole = np.zeros(len(low))
        self.size = len(low)
        self.before = slice(0, self.size)
        self.rules: list[tuple[Array, Array, Array]] = []

    def add(self, layer: Dense, may: Mask, vanishing: int | None = None) -> None:
        """Add a layer of which only some units may be active, and one's level may be asked to vanish."""
        h, start = len(layer), len(self.low)
        up, down = np.maximum(layer.rows, 0.0), np.minimum(layer.rows, 0.0)
        low, high = self.low[self.before], self.high[self.before]
        least = np.minimum(down @ high + up @ low + layer.offsets, -1.0)
        most = np.maximum(up @ high + down @ low + layer.offsets, 1.0)
        room = np.full(h, MILP.room)
        if vanishing is not None:
            room[vanishing] = 0.0
        self.low = np.concatenate([self.low, np.zeros(2 * h)])
        self.high = np.concatenate([self.high, most, may.astype(float)])
        self.whole = np.concatenate([self.whole, np.zeros(h), np.ones(h)])
        level = np.zeros((h, len(self.low)))
        level[:, self.before] = layer.rows
        p, d = (np.eye(h, len(self.low), start + k * h) for k in (0, 1))
        none, b = np.full(h, -np.inf), layer.offsets
        self.rules += [
            (level - p, none, -b),  # p >= z
            (p - most[:, None] * d, none, np.zeros(h)),
            (p - level - least[:, None] * d, none, b - least),
            (level + (least - room)[:, None] * d, least - b, -none),
            (level - (most + room)[:, None] * d, none, -room - b),
        ]
        if vanishing is not None:
            self.rules.append((level[vanishing : vanishing + 1], *2 * (-b[vanishing : vanishing + 1],)))
        self.before = slice(start, start + h)

    def solved(self, row: Array, offset: float) -> Array | None:
        """Return x with row . p + offset = 0, p the last layer's, or None."""
        own = np.zeros((1, len(self.low)))
        own[0, self.before] = row
        rules = [*self.rules, (own, np.array([-offset]), np.array([-offset]))]
        found = milp(
            np.zeros(len(self.low)),
            integrality=self.whole,
            bounds=Bounds(self.low, self.high),
            constraints=[LinearConstraint(padded(m, len(self.low)), a, c) for m, a, c in rules],
            options={"node_limit": MILP.nodes},
        )
        return None if found.x is None else np.asarray(found.x[: self.size])


def padded(matrix: Array, width: int) -> Array:
    """Return the matrix with columns of zeros to the right."""
    return np.pad(matrix, ((0, 0), (0, width - matrix.shape[1])))
