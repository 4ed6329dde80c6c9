"""Where a later unit's hyperplane meets those of a layer's units within one cell, and how it bends there.

Within a cell of the known layers all that is known is affine. So a linear programme finds the place of two
hyperplanes that is farthest from all others, or says that there is none. Behind a unit's hyperplane the later
one goes on in another state of the layer, as far as the cell reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.hyperplane_queries import bend_shares
from divulge.reconstruction.deep.partial_rows import Segments
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LATER, TINY


@dataclass(frozen=True)
class Cell:
    """A cell of the known layers in the first one's pre-activations, every level of unit slope.

    Attributes:
        slopes, constants: of all levels, those of the next layer's units last, shapes (n, h) and (n,).
        signs: 1 or -1, those of the levels, shape (n,).
        jacobian: of the features, by the first layer's pre-activations, shape (p, h).
        features: at none of these, affine, shape (p,).
    """

    slopes: Array
    constants: Array
    signs: Array
    jacobian: Array
    features: Array

    @classmethod
    def around(cls, prefix: Prefix, free: FreeLayer, units: Candidates, point: Array) -> Cell:
        """Return the cell of a point (d,)."""
        jacobian, slopes, levels = free.inverse, [], []
        for layer, level in zip(prefix.layers, prefix.levels(point[None]), strict=True):
            slopes.append(layer.rows[: layer.units] @ jacobian)
            levels.append(level[0, : layer.units])
            jacobian = layer.on(level)[0][:, None] * (layer.rows @ jacobian)
        features = prefix.features(point[None])[0]
        slopes.append(units.rows @ jacobian)
        levels.append(units.rows @ features + units.offsets)
        every, values = np.concatenate(slopes), np.concatenate(levels)
        size = np.maximum(np.linalg.norm(every, axis=1), TINY)
        every, values = every / size[:, None], values / size
        place = free.layer.levels(point[None])[0]
        signs = np.where(values > 0, 1.0, -1.0)
        return cls(every, values - every @ place, signs, jacobian, features - jacobian @ place)

    def edge(self, row: Array, offset: float, own: int, signs: Array, most: float) -> Array | None:
        """Return where a later unit's hyperplane meets that of a level, farthest from the others.

        Args:
            row: of the later unit over the features, shape (p,).
            offset: of the later unit.
            own: the number of the level.
            signs: that the levels keep, 0 for those that may have any, shape (n,).
            most: distance that is far enough.
        """
        kept = (signs != 0) & (np.arange(len(signs)) != own) & self.slopes.any(axis=1)
        normal = row @ self.jacobian
        size = max(float(np.linalg.norm(normal)), TINY)
        constant = (offset + float(row @ self.features)) / size
        found = linprog(
            np.append(np.zeros(len(normal)), -1.0),
            A_ub=np.column_stack([-(signs[:, None] * self.slopes)[kept], np.ones(int(kept.sum()))]),
            b_ub=(signs * self.constants)[kept],
            A_eq=np.column_stack([np.stack([normal / size, self.slopes[own]]), np.zeros(2)]),
            b_eq=-np.array([constant, self.constants[own]]),
            bounds=[(None, None)] * len(normal) + [(0.0, most)],
            method="highs",
        )
        if found.status != 0:
            return None
        place = found.x[:-1]
        near = LATER.clear * (1.0 + np.linalg.norm(place) / np.sqrt(len(place)))
        return np.asarray(place) if found.x[-1] > near else None


class Walk:
    """A later unit's hyperplane within a cell, from state to state of the layer's units.

    Args:
        prefix: the layers before the units.
        free: the first of them.
        units: the layer's.
        kink: on the hyperplane, one.
        above: on which side of each unit it lies, shape (c,).

    Attributes:
        shares: what comes to the kink's row behind each unit's hyperplane, NaN where not told, shape (c,).
    """

    def __init__(
        self, prefix: Prefix, free: FreeLayer, units: Candidates, kink: Segments, above: Mask
    ) -> None:
        self.cell = Cell.around(prefix, free, units, kink.points[0])
        self.free, self.kink, self.above = free, kink, above
        turn = np.where(above, -1.0, 1.0)
        self.ahead, self.ahead_offsets = turn[:, None] * units.rows, turn * units.offsets
        self.told = ~(kink.masks[0] & ~units.known).any(axis=1)
        self.known_levels = len(self.cell.signs) - len(units)
        self.shares = np.full(len(units), np.nan)
        self.seen, self.left = {above.tobytes()}, [above]

    def row(self, state: Mask) -> tuple[Array, float]:
        """Return row and offset of the later unit in a state of the layer's units, shape (c,)."""
        behind = np.flatnonzero(state != self.above)
        row = self.kink.rows[0] + self.shares[behind] @ self.ahead[behind]
        return row, float(self.kink.offsets[0] + self.shares[behind] @ self.ahead_offsets[behind])

    def edges(self) -> list[tuple[int, Array, Array]]:
        """Return units that the hyperplane meets in the next state, where, and its row there.

        Those whose shares are told already lead to more states.
        """
        missing = self.told & np.isnan(self.shares)
        if not self.left or not missing.any():
            return []
        state = self.left.pop(0)
        row, offset = self.row(state)
        own = np.where(self.told, np.where(state, 1.0, -1.0), 0.0)
        signs = np.append(self.cell.signs[: self.known_levels], own)
        most, found = float(np.median(self.free.spread)), []
        for j in np.flatnonzero(self.told):
            if not missing[j] and self.flipped(state, int(j)).tobytes() in self.seen:
                continue
            place = self.cell.edge(row, offset, self.known_levels + int(j), signs, most)
            if place is not None and missing[j]:
                found.append((int(j), place, row))
            if place is not None:
                self.go_on(self.flipped(state, int(j)))
        return found

    def flipped(self, state: Mask, j: int) -> Mask:
        """Return the state behind the hyperplane of unit j."""
        behind: Mask = state.copy()
        behind[j] = ~state[j]
        return behind

    def go_on(self, state: Mask) -> None:
        """Remember a state to look at."""
        if state.tobytes() not in self.seen:
            self.seen.add(state.tobytes())
            self.left.append(state)

    def learn(self, which: Sequence[int], shares: Array, good: Mask) -> None:
        """Take shares that were told; states behind hyperplanes of others cannot be looked at."""
        self.shares[np.array(which, np.intp)[good]] = shares[good]
        self.left = [s for s in self.left if not np.isnan(self.shares[s != self.above]).any()]


def bends_of(
    probe: Probe, prefix: Prefix, free: FreeLayer, units: Candidates, kinks: Segments
) -> tuple[Mask, Array]:
    """Ask how the hyperplanes of later units bend at those of a layer's units.

    Args:
        probe: whom to ask.
        prefix: the layers before the units.
        free: the first of them.
        units: the layer's.
        kinks: of later units, what they show of rows over the features before the layer.

    Returns:
        On which side of each unit a kink lies, and what share of the unit's row, pointing ahead, comes to
        the kink's row behind its hyperplane, NaN where that is not told, shape (k, c) each.
    """
    above = kinks_above(prefix, units, kinks)
    walks = [Walk(prefix, free, units, kinks.take(np.array([k])), above[k]) for k in range(len(kinks))]
    for _ in range(LATER.states):
        edges = [walk.edges() for walk in walks]
        ends = np.cumsum([len(edge) for edge in edges])
        if not ends[-1]:
            continue
        jacobians = [walk.cell.jacobian @ free.layer.rows for walk in walks]
        points = free.points(np.array([place for edge in edges for _, place, _ in edge]))
        every = [
            (walk, jacobian, j, row)
            for walk, edge, jacobian in zip(walks, edges, jacobians, strict=True)
            for j, _, row in edge
        ]
        normals = [row @ jacobian for _, jacobian, _, row in every]
        ahead = [walk.ahead[j] @ jacobian for walk, jacobian, j, _ in every]
        shares, good = bend_shares(probe, points, np.array(normals), np.array(ahead))
        for walk, edge, own in zip(walks, edges, np.split(np.arange(ends[-1]), ends[:-1]), strict=True):
            walk.learn([j for j, _, _ in edge], shares[own], good[own])
    return above, np.array([walk.shares for walk in walks])


def kinks_above(prefix: Prefix, units: Candidates, kinks: Segments) -> Mask:
    """Return on which side of the units kinks lie, shape (k, c).

    A unit that never switches where a feature is on, so that its entry is open, has one side there: that at
    which it meets the feature's hyperplane, told by the place at which the feature is the least of all.
    """
    features = prefix.features(kinks.points)
    levels = features @ units.rows.T + units.offsets
    above = levels > 0
    size = np.maximum(np.linalg.norm(features, axis=1), TINY)
    for j, i in zip(*np.nonzero(~units.known), strict=True):
        at: Index = np.flatnonzero(kinks.masks[:, i])
        if len(at):
            above[at, j] = above[at[np.argmin(features[at, i] / size[at])], j]
    return np.asarray(above)


def with_open_entries(prefix: Prefix, units: Candidates, points: Array) -> Candidates:
    """Return units whose open entries keep them in one state where these features are on.

    Any entry that does so gives the same function beside a linear part in the features, which takes up what
    the unit then adds too much.

    Args:
        prefix: the layers before.
        units: some of whose entries are open.
        points: shape (n, d).
    """
    features, rows = prefix.features(points), units.rows.copy()
    size = np.maximum(np.linalg.norm(features, axis=1), TINY)
    for j, i in zip(*np.nonzero(~units.known), strict=True):
        at = np.flatnonzero(features[:, i] > 0)
        if not len(at):
            continue
        levels, own = features[at] @ rows[j] + units.offsets[j], features[at, i]
        sign = 1.0 if levels[np.argmin(own / size[at])] > 0 else -1.0
        rows[j, i] = sign * LATER.beyond * float(np.max(-sign * levels / own).clip(0.0))
    return replace(units, rows=rows)
