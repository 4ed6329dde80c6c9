"""What is known of layers before the end, as a network: nothing is asked for it."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.last_layer import Design, clear_of_hyperplanes
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.deep.wide.last import with_linear_rest
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import TINY, WIDE_SEARCH


def unfinished(found: Finding) -> DeepFit | None:
    """Return the layers known by now and the units found behind them, or None where sides are not told.

    Rows are the smallest that equations allow, outputs what answers near by say; the error is infinite.
    """
    known, probe = found.known, found.probe
    if known.open_sides:
        return None
    if not found.units:
        return bare(known)
    rows = np.array([unit.row for unit in found.units])
    offsets = np.array([unit.offset(known) for unit in found.units])
    size = np.maximum(np.linalg.norm(rows, axis=1), TINY)
    weights = np.nan_to_num([unit.weight for unit in found.units]) * size
    width = rows.shape[1] + 1
    layer = Layer(np.column_stack([rows, offsets]) / size[:, None], weights[None], np.zeros((1, width)))
    points, pieces = usual(probe, known, layer)
    if len(points):
        layer = with_linear_rest(known.prefix, layer, weights, points, pieces).layer
    return DeepFit(known.prefix, layer, np.inf, Design(points, None))


def bare(known: Known) -> DeepFit:
    """Return known layers, the last one with an output that uses none of it."""
    *inner, last = known.prefix.layers
    rows = np.column_stack([last.rows, last.offsets])[: last.units]
    layer = Layer(rows, np.zeros((1, len(rows))), np.zeros((1, rows.shape[1])))
    size = known.prefix.input_size
    return DeepFit(Prefix(size, inner), layer, np.inf, Design(np.empty((0, size)), None))


def usual(probe: Probe, known: Known, layer: Layer) -> tuple[Array, Array]:
    """Return some answers clear of all hyperplanes, points (n, d) and pieces (n, d + 1), the latest."""
    points, pieces = probe.answered()
    near = np.linalg.norm(points, axis=1) <= WIDE_SEARCH.reach * np.sqrt(points.shape[1])
    clear = np.flatnonzero(near & clear_of_hyperplanes(known.prefix, layer, points))
    chosen = clear[-2 * WIDE_SEARCH.points :]
    return points[chosen], pieces[chosen]
