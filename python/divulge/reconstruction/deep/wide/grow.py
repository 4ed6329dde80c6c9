"""Units behind known layers taken as one layer more.

An entry R_ki that is left open shows nowhere: unit k never switches while feature i is on. If it is on then,
any entry that keeps its state makes

    max(z'_k, 0) = max(z_k, 0) + (R'_ki - R_ki) p_i,

and p_i, handed on beside the layer, takes up the rest in whatever comes behind; if it is off, nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import TINY


def layer_of(units: Sequence[Unit], rows: Array, offsets: Array) -> tuple[Dense, Index]:
    """Return units as a layer, what is known of each row of length 1, and features to be handed on beside it.

    Args:
        units: of one layer.
        rows: theirs, entries chosen where they are open, shape (u, h).
        offsets: shape (u,).
    """
    known = np.array([unit.equations.known for unit in units])
    size = np.maximum(np.linalg.norm(np.where(known, rows, 0.0), axis=1), TINY)
    return Dense(rows / size[:, None], offsets / size), np.flatnonzero(~known.all(axis=0))


def with_beside(prefix: Prefix, beside: Array) -> Prefix:
    """Return layers the last of which makes rows (m, p) of what comes into it as well, with no ReLU."""
    *inner, last = prefix.layers
    rows = np.vstack([last.rows, beside])
    offsets = np.append(last.offsets, np.zeros(len(beside)))
    return Prefix(prefix.input_size, [*inner, Dense(rows, offsets, last.passage + len(beside))])
