"""One unit behind known layers, followed along its bent hyperplane from cell to cell.

In a cell its hyperplane has the normal n = dz/dx, d equations in theta. Behind the edge that the unit u of a
known layer makes it has n + alpha e, e the gradient of z_u, into the cell, and alpha = dz / d relu(z_u) up to
sign: two answers beside the edge tell it, one equation more.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.settings import FOLLOWING, HYPERPLANES


class Follower:
    """A unit that is followed.

    Args:
        probe: whom to ask.
        known: the layers before the unit's.
        point: a kink of the unit, shape (d,).
        jump: of the gradient there, shape (d,).
        rng: draws the ways.
        patience: edges at which no bend was told before it is given up.

    Attributes:
        point: where it is.
        normal: n there, up to a factor that stays, shape (d,).
        cell: the cell that it is in.
        equations: about theta, up to the same factor.
        weights: the jump across the hyperplane over n, as it was measured.
        places: points on the hyperplane, shape (d,) each.
        failed, measured: edges where bends could not be told, and where they could.
        straight, bends: edges of the last known layer at which it does not bend, and does.
    """

    def __init__(
        self,
        probe: Probe,
        known: Known,
        point: Array,
        jump: Array,
        rng: np.random.Generator,
        patience: int = FOLLOWING.patience,
    ) -> None:
        self.probe, self.known, self.rng, self.patience = probe, known, rng, patience
        self.point, self.normal = point.copy(), jump / np.linalg.norm(jump)
        self.cell = known.cell(point)
        self.equations = Equations(known.unknowns)
        self.weights: list[float] = []
        self.places = [self.point.copy()]
        self.failed = self.measured = self.in_a_row = 0
        self.straight = self.bends = 0  # edges of the last known layer at which it did not bend, and did
        usual = FOLLOWING.farthest * np.sqrt(len(point))
        self.farthest = max(usual, FOLLOWING.further * float(np.linalg.norm(point)))
        for terms, right in zip(self.cell.gradient_terms(), self.normal, strict=True):
            self.equations.add(terms, float(right))

    @property
    def lost(self) -> bool:
        """Whether bends could not be told too often, or there are none: no unit of the next layer."""
        often = self.failed > FOLLOWING.failures * self.measured
        if self.in_a_row >= FOLLOWING.patience or (often and self.failed >= self.patience):
            return True
        deep = len(self.known.prefix.layers) > 1
        return deep and not self.bends and self.straight >= FOLLOWING.straight

    def open_features(self) -> Index:
        """Return the features, with a ReLU, whose entries are not determined."""
        return np.flatnonzero(~self.equations.known[: self.known.prefix.layers[-1].units])

    def go(self, steps: int) -> bool:
        """Go so many steps at most, until every entry is known; return whether it did not get lost."""
        for _ in range(steps):
            goals = self.open_features()
            if len(self.equations) == self.known.unknowns or not len(goals):
                break
            self.step(int(self.rng.choice(goals)))
            if self.lost:
                return False
        return self.measured > 0

    def step(self, goal: int) -> None:
        """Cross one edge, towards the hyperplane of a feature."""
        self.wander()
        size = len(self.point)
        way = self.rng.standard_normal(size) / np.sqrt(size)
        slope = self.cell.slopes[-1][goal]
        length = np.linalg.norm(slope)
        if length > 0:
            ahead = -1.0 if self.cell.sides[-1][goal] else 1.0
            way = FOLLOWING.noise * way + ahead * slope / length
        self.cross(self.tangent(way))

    def cross(self, way: Array) -> None:
        """Go along a way to the edge of the cell, and behind it."""
        reach, layer, unit = self.cell.edge(self.point, way)
        if reach > self.room(way):
            return
        self.go_behind(self.point + reach * way, way, layer, unit)

    def go_behind(self, place: Array, way: Array, layer: int, unit: int) -> None:
        """Go behind the edge that a unit makes at a place, asking how the hyperplane bends there."""
        inward = -1.0 if self.cell.sides[layer][unit] else 1.0
        bend = inward * self.cell.slopes[layer][unit]
        terms = self.cell.across(layer, unit)
        share = self.equations.tell(terms)
        if share is None:
            found = bent(self.probe, place, way, self.normal, bend)
            if found is None:
                self.failed, self.in_a_row = self.failed + 1, self.in_a_row + 1
                return
            share, weight = found
            self.weights.append(weight)
            self.measured, self.in_a_row = self.measured + 1, 0
            self.equations.add(terms, share)
            self.places.append(place.copy())
            self.count(layer, share * bend)
        self.normal = self.normal + share * bend
        self.point, self.cell = place, self.cell.beyond(layer, unit)
        self.leave(bend)

    def count(self, layer: int, change: Array) -> None:
        """Count an edge of the last known layer: an earlier layer's unit bends at none."""
        if layer == len(self.known.prefix.layers) - 1:
            bent = np.linalg.norm(change) > FOLLOWING.flat * np.linalg.norm(self.normal)
            self.bends, self.straight = self.bends + bool(bent), self.straight + (not bent)

    def leave(self, bend: Array) -> None:
        """Go from an edge into the cell: half of the way across it, at most."""
        way = self.tangent(bend)
        if np.linalg.norm(way) > FOLLOWING.along * np.linalg.norm(bend):
            reach = min(self.cell.edge(self.point, way)[0], self.room(way))
            self.point = self.point + 0.5 * reach * way

    def wander(self) -> None:
        """Go to a random place of the hyperplane within the cell."""
        for _ in range(FOLLOWING.wanderings):
            way = self.tangent(self.rng.standard_normal(len(self.point)))
            ahead, back = self.cell.span(self.point, way)
            ahead, back = min(ahead, self.room(way)), min(back, self.room(-way))
            low, high = FOLLOWING.inner
            share = self.rng.uniform(low, high)
            self.point = self.point + (share * (ahead + back) - back) * way

    def tangent(self, way: Array) -> Array:
        """Return the part of a way that stays on the hyperplane."""
        normal = self.normal / np.linalg.norm(self.normal)
        return np.asarray(way - normal * (normal @ way))

    def room(self, way: Array) -> float:
        """Return how far one may go along a way: as far as usual numbers are sharp."""
        a, b = way @ way, self.point @ way
        c = self.point @ self.point - self.farthest**2
        root = b * b - a * c
        return float((np.sqrt(root) - b) / a) if root > 0 and a > 0 and c < 0 else 0.0


def bent(probe: Probe, place: Array, way: Array, normal: Array, bend: Array) -> tuple[float, float] | None:
    """Ask how a hyperplane bends at an edge.

    Args:
        probe: whom to ask.
        place: on the hyperplane and the edge, shape (d,).
        way: on the hyperplane, over the edge, shape (d,).
        normal: before the edge, shape (d,).
        bend: normal of the edge's hyperplane, pointing ahead, shape (d,).

    Returns:
        The share alpha of the new normal, normal + alpha bend, and the jump over the new normal; None where
        the answers show no such bend.
    """
    edge = bend / np.linalg.norm(bend)
    across = normal - edge * (edge @ normal)
    size = np.linalg.norm(across)
    if size < FOLLOWING.parallel * np.linalg.norm(normal):
        return None
    across, ahead = across / size, way / np.linalg.norm(way)
    usual = 1.0 + np.linalg.norm(place) / np.sqrt(len(place))
    for near, tilt in FOLLOWING.near:
        centre = place + tilt * usual * ahead
        step = near * usual * across
        pieces = probe.pieces(np.stack([centre + step, centre - step]))[:, :-1]
        jump = pieces[0] - pieces[1]
        length = np.linalg.norm(jump)
        if not length:
            return None
        basis = np.stack([normal, bend], axis=1)
        weight, share = np.linalg.lstsq(basis, jump, rcond=None)[0]
        crooked = HYPERPLANES.crooked
        straight = np.linalg.norm(basis @ (weight, share) - jump) <= crooked * length
        if straight and abs(weight) * np.linalg.norm(normal) > crooked * length:
            return float(share / weight), float(weight)
    return None
