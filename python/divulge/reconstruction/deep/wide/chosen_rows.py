"""Rows with entries in place of those that no answer tells, such that every known state comes out.

A row is one of r + N y, r the smallest that the equations allow and N what they leave open. With the states
s_n of the unit at points x_n,

    s_n (r + N y) . (terms(x_n) - terms(x*)) >= e |N . (terms(x_n) - terms(x*))|,   x* on its hyperplane,

is a linear programme in y and the margin e, which is made as large as can be. What the unit adds where it is
on then differs from the truth by what is linear in the features, for which the linear part beside the layer
makes up.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from divulge.arrays import Array
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.told_by_values import Told
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.settings import CHOSEN_ROWS, TINY


def chosen_row(
    known: Known,
    unit: Unit,
    told: Told,
    points: Array,
    states: Array,
    largest: float = CHOSEN_ROWS.largest,
) -> tuple[Array, float] | None:
    """Return a row and an offset under which a unit has the states (n,) at points (n, d), or None.

    Beside what the unit's own equations say of the row, it keeps to what answers `told`. No chosen entry is
    larger than `largest` times the length of what is known of the row.
    """
    equations = unit.equations.extended(told)
    smallest, free = equations.solution, equations.free
    anchor = unit.anchor(known)
    terms = states[:, None] * (known.terms(points) - anchor)
    open_part = terms @ free.T
    size = np.linalg.norm(open_part, axis=1)
    telling = size > CHOSEN_ROWS.telling * np.linalg.norm(terms, axis=1)
    terms, open_part, size = terms[telling], open_part[telling], size[telling]
    scale = max(float(np.linalg.norm(smallest)), TINY)
    y = margin_solution(open_part / size[:, None], (terms @ smallest) / size / scale, largest)
    if y is None:
        return None
    row = smallest + scale * (y @ free)
    return row, float(-(anchor @ row))


def margin_solution(matrix: Array, levels: Array, largest: float = CHOSEN_ROWS.largest) -> Array | None:
    """Return y with matrix y + levels >= e, e as large as a bound allows; None where none is from 0 on."""
    n, free = matrix.shape
    if not n:
        return np.zeros(free)
    objective = np.append(np.zeros(free), -1.0)
    bounds = [(-largest, largest)] * free + [(0.0, min(CHOSEN_ROWS.margin, largest))]
    found = linprog(
        objective, A_ub=np.column_stack([-matrix, np.ones(n)]), b_ub=levels, bounds=bounds, method="highs"
    )
    return np.asarray(found.x[:-1]) if found.status == 0 else None
