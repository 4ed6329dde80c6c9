"""What an output reads of a layer's units in one of its pieces, told where that ends at their hyperplanes.

In a piece the gradient is g = m . J(x), J the Jacobian of the features before the layer. Beyond the
hyperplane of a unit j it is (m + s_j r_j) . J(x), r_j pointing ahead. A piece beside a unit's kink has that
unit's share at once, however rarely the unit switches; those of others are found straight ahead of there.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.cell_edges import Cell
from divulge.reconstruction.deep.hyperplane_queries import nearness, unit_vectors
from divulge.reconstruction.deep.partial_rows import Segments, segments
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.settings import LATER, TINY


def own_kinks(pool: Pool, prefix: Prefix, units: Candidates) -> tuple[Index, Array]:
    """Return kinks (n, d) of a layer's units, at most a few of each, and whose they are."""
    found = pool.solved(prefix, prefix, pool.sweeps)
    found = found.take(np.argsort(-found.masks.sum(axis=1), kind="stable"))
    features = prefix.features(found.points)
    reach = np.linalg.norm(features, axis=1)[:, None] + np.abs(units.offsets)
    on = np.abs(features @ units.rows.T + units.offsets) <= pool.probe.tolerances.loose * reach
    on &= ~((features > 0)[:, None] & ~units.known).any(axis=2)
    picked = [np.flatnonzero(own)[: LATER.each] for own in on.T]
    which = np.repeat(np.arange(len(units)), [len(own) for own in picked])
    return which, found.points[np.concatenate(picked)] if len(which) else found.points[:0]


def pieces_beside(
    probe: Probe, prefix: Prefix, free: FreeLayer, units: Candidates, which: Index, points: Array
) -> tuple[Segments, Mask, Array]:
    """Ask beside kinks of a layer's units, and ahead of there.

    Args:
        probe: whom to ask.
        prefix: the layers before the units.
        free: the first of them.
        units: the layer's.
        which: whose the kinks are, shape (n,).
        points: the kinks, shape (n, d).

    Returns:
        What gradients beside the kinks show of rows over the features before the layer, on which side of the
        units these places lie, and shares of the units' rows, NaN where not told, shape (n, c) each.
    """
    normals = unit_vectors(prefix.gradients(points, units.rows[which]))
    step = nearness(probe, points)[:, None] * normals
    here, there = np.split(probe.pieces(np.concatenate([points - step, points + step]))[:, :-1], 2)
    places = points - step
    above = prefix.features(places) @ units.rows.T + units.offsets > 0
    rays = [Ray(prefix, free, units, place, j) for place, j in zip(places, which, strict=True)]
    shares = np.full(above.shape, np.nan)
    for k, (ray, j) in enumerate(zip(rays, which, strict=True)):
        shares[k, j] = share_of(probe, here[k], there[k], ray.ahead[j])
    ahead = [(k, *edge) for k, ray in enumerate(rays) for edge in ray.edges(probe, points[k])]
    if ahead:
        before, behind = (probe.pieces(np.array([edge[place] for edge in ahead]))[:, :-1] for place in (2, 3))
        for n, (k, j, _, _) in enumerate(ahead):
            same = np.linalg.norm(before[n] - here[k]) <= probe.tolerances.same * np.linalg.norm(here[k])
            if same:
                shares[k, j] = share_of(probe, before[n], behind[n], rays[k].ahead[j])
    return segments(prefix, places, here), above, shares


def share_of(probe: Probe, before: Array, behind: Array, ahead: Array) -> float:
    """Return what share of a unit's gradient (d,) a jump is, NaN where it is another's."""
    jump = behind - before
    share = float(jump @ ahead) / max(float(ahead @ ahead), TINY)
    rounding = probe.tolerances.rounding * float(np.linalg.norm(before) + np.linalg.norm(behind))
    off = float(np.linalg.norm(jump - share * ahead))
    return share if off <= probe.tolerances.alike * float(np.linalg.norm(jump)) + rounding else np.nan


class Ray:
    """Ways from a place beside the kink of a layer's unit to hyperplanes of others.

    Attributes:
        ahead: gradients of the units' levels, each pointing to its hyperplane, shape (c, d).
    """

    def __init__(self, prefix: Prefix, free: FreeLayer, units: Candidates, place: Array, own: int) -> None:
        self.cell, self.free, self.own = Cell.around(prefix, free, units, place), free, own
        self.start = free.layer.levels(place[None])[0]
        self.first = len(self.cell.signs) - len(units)
        turn = -self.cell.signs[self.first :, None]
        self.ahead = turn * (units.rows @ self.cell.jacobian @ free.layer.rows)
        self.told = ~((prefix.masks(place[None])[0]) & ~units.known).any(axis=1)

    def edges(self, probe: Probe, point: Array) -> list[tuple[int, Array, Array]]:
        """Return units that are met first on some way, and points before and behind their hyperplanes."""
        slopes, levels = self.cell.slopes, self.cell.slopes @ self.start + self.cell.constants
        ways = -self.cell.signs[:, None] * slopes
        rng = np.random.default_rng(len(ways))
        ways = np.concatenate([ways, unit_vectors(rng.standard_normal((LATER.ways, ways.shape[1])))])
        with np.errstate(divide="ignore", invalid="ignore"):
            far = -levels / (ways @ slopes.T)
        far = np.where(far > 0, far, np.inf)
        far[:, self.first + self.own] = np.inf
        order = np.sort(far, axis=1)
        met, found = np.argmin(far, axis=1), []
        step = float(nearness(probe, point[None])[0])
        near, next_one = order[:, 0], order[:, 1]
        clear = np.isfinite(near) & (near > 2 * step) & (next_one > near + 2 * step)
        for j in np.flatnonzero(self.told):
            own = np.flatnonzero(clear & (met == self.first + j))
            if len(own):
                way = own[np.argmin(near[own])]
                at = near[way] + np.array([[-step], [step]])
                before, behind = self.free.points(self.start + at * ways[way])
                found.append((int(j), before, behind))
        return found
