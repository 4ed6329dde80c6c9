"""What is known already is taken off the victim before it is searched.

For any piecewise-linear f^ the kinks of f are those of f - f^ together with those of f^. The nearer f^ comes
to f, the fewer kinks are left to search for; where it is wrong, nothing is lost but queries.

The output weight of a unit of the last hidden layer is the same at all of its kinks: a jump D at a place
where the unit's pre-activation z has the gradient n is D = w n, taken in the direction in which z grows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Kinks, Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.evidence import distance, nearest
from divulge.reconstruction.deep.partial_rows import segments
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints, crossings
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import SUBTRACTION


def weights(
    prefix: Prefix, units: Candidates, sweeps: list[SearchedSegment], tolerance: float
) -> tuple[Array, Mask]:
    """Return each unit's output weight, shape (c,), and for which units their latest kinks agree about it."""
    found: list[list[float]] = [[] for _ in range(len(units))]
    for sweep in reversed(sweeps):
        left = np.array([j for j, own in enumerate(found) if len(own) < SUBTRACTION.kinks], np.intp)
        if not len(left):
            break
        for j, w in zip(*weights_on(prefix, units.take(left), sweep, tolerance), strict=True):
            found[left[j]].append(w)
    w = np.array([np.median(own) if own else 0.0 for own in found])
    near = [
        np.abs(np.array(own) - m) <= SUBTRACTION.same * np.abs(m) for own, m in zip(found, w, strict=True)
    ]
    return w, np.array([len(own) > 0 and own.mean() > 0.5 for own in near], bool)


def weights_on(
    prefix: Prefix, units: Candidates, sweep: SearchedSegment, tolerance: float
) -> tuple[Index, Array]:
    """Return the unit of each known kink on a sweep, and the output weight that the kink shows."""
    t, unit = crossings(prefix, units.rows, units.offsets, sweep)
    met = distance(sweep.t, t) <= tolerance * (1 + np.abs(t))
    t, unit = t[met], unit[met]
    covered = ~(prefix.masks(sweep.points(t)) & ~units.known[unit]).any(axis=1)
    t, unit = t[covered], unit[covered]
    jumps = sweep.jumps[nearest(sweep.t, t)]
    slopes = prefix.gradients(sweep.points(t), units.rows[unit])
    size = np.einsum("nd,nd->n", slopes, slopes)
    return unit, np.einsum("nd,nd->n", slopes, jumps) / size * np.sign(slopes @ sweep.direction)


def known_part(probe: Probe, prefix: Prefix, units: Candidates, w: Array) -> tuple[DeepModel, float]:
    """Return f^, the units beside the linear part that most answers show, and how many it explains."""
    rows = np.column_stack([units.rows, units.offsets])
    layer = Layer(rows, w[None], np.zeros((1, rows.shape[1])))
    points, pieces = probe.answered()
    some = np.random.default_rng(0).permutation(len(points))[: SUBTRACTION.answers]
    left = pieces[some] - DeepModel(prefix, layer).pieces(points[some], 0)
    base = linear_part(prefix, points[some], left)
    model = DeepModel(prefix, Layer(rows, w[None], base[None]))
    left = pieces[some] - model.pieces(points[some], 0)
    good = np.linalg.norm(left[:, :-1], axis=1) <= SUBTRACTION.same * np.linalg.norm(
        pieces[some, :-1], axis=1
    )
    return model, float(good.mean())


def linear_part(prefix: Prefix, points: Array, pieces: Array) -> Array:
    """Return the median, entry by entry, of what the pieces at points say of s and c in s . features + c."""
    shown = segments(prefix, points, pieces[:, :-1])
    rows = np.where(shown.masks & shown.determined[:, None], shown.rows, np.nan)
    seen = np.isfinite(rows).any(axis=0)
    slope = np.zeros(prefix.width)
    slope[seen] = np.nanmedian(rows[:, seen], axis=0)
    values = np.einsum("nd,nd->n", pieces[:, :-1], points) + pieces[:, -1]
    return np.append(slope, np.median(values - prefix.features(points) @ slope))


def bends_of(model: DeepModel, sweep: SearchedSegment) -> tuple[Array, Array]:
    """Return the places where a model bends on a sweep, rising, and its gradient's jumps there."""
    nodes = breakpoints(model.whole(), sweep)
    middles = np.array([(a + b) / 2 for a, b in pairwise(nodes)])
    gradients = model.pieces(sweep.points(middles), 0)[:, :-1]
    return nodes[1:-1], np.diff(gradients, axis=0)


def together(found: Kinks, model: DeepModel, sweeps: list[SearchedSegment], tolerance: float) -> Kinks:
    """Return the kinks of f - f^, found on the sweeps, with those of f^; two at one place are one."""
    parts = [bends_of(model, sweep) for sweep in sweeps]
    line = np.concatenate([found.line, np.repeat(np.arange(len(sweeps)), [len(t) for t, _ in parts])])
    t = np.concatenate([found.t, *(t for t, _ in parts)])
    jumps = np.concatenate([found.jumps, *(jumps for _, jumps in parts)])
    order = np.lexsort((t, line))
    line, t, jumps = line[order], t[order], jumps[order]
    new = np.ones(len(t), bool)
    new[1:] = (np.diff(line) > 0) | (np.diff(t) > tolerance * (1 + np.abs(t[1:])))
    first = np.flatnonzero(new)
    size = np.maximum.reduceat(np.linalg.norm(jumps, axis=1), first) if len(first) else np.empty(0)
    jumps = np.add.reduceat(jumps, first, axis=0) if len(first) else jumps
    there = np.linalg.norm(jumps, axis=1) > SUBTRACTION.cancelled * size
    line, t, jumps = line[first[there]], t[first[there]], jumps[there]
    origins, directions = np.stack([s.origin for s in sweeps]), np.stack([s.direction for s in sweeps])
    return Kinks(line, t, origins[line] + t[:, None] * directions[line], jumps)
