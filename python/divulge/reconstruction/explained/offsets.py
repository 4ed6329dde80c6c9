"""Offsets of units whose rows are known, from values where every unit is surely on or off."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import MEAN_GRADIENTS, TINY


class ValuesBesideNoise(Transcript):
    """A record of values beside explanations that are random: a copy is compared by its values."""

    def misses(self, points: Array, predicted: Array) -> Array:
        """Ask how far predicted pieces are from values, relative to the largest; these are not recorded.

        Args:
            points: shape (n, d).
            predicted: pieces there, shape (n, d + 1).

        Raises:
            Stopped: the oracle can be asked no further.
        """
        values, _ = self.asked.query(points)
        assert values is not None
        off = np.abs(np.einsum("nd,nd->n", predicted, homogeneous(points)) - values)
        return np.asarray(off / max(float(np.abs(values).max(initial=0.0)), TINY))


def with_offsets(transcript: Transcript, far: Fit, lines: Lines) -> Fit | None:
    """Return the fit with every unit's offset and the constant, or None where values do not fit it.

    Beyond all kinks f(u) - slope . u is the constant and the offsets of the units that are on. D being
    independent, levels D . u of random signs are chosen for all units at once.

    Args:
        transcript: whom to ask.
        far: jumps D, sides and base.
        lines: what draws.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    for reach in MEAN_GRADIENTS.reaches:
        found = offsets_at(transcript, far, lines, reach)
        if found is None:
            continue
        kinks = np.abs(found.units.jumps[:, -1])
        nearer = MEAN_GRADIENTS.beyond * max(float(kinks.max(initial=0.0)), MEAN_GRADIENTS.near)
        sharper = offsets_at(transcript, far, lines, nearer) if nearer < reach else None
        return found if sharper is None else sharper
    return None


def offsets_at(transcript: Transcript, far: Fit, lines: Lines, reach: float) -> Fit | None:
    """Return the fit with offsets from values at levels of one reach, or None where these do not fit."""
    jumps, sides = far.units.jumps[:, :-1], far.units.sides
    count = len(jumps) + 1 + MEAN_GRADIENTS.surplus
    signs = np.sign(lines.rng.standard_normal((count, len(jumps))))
    sizes = reach * lines.rng.uniform(1.0, 2.0, signs.shape)
    rows = transcript.ask((signs * sizes) @ np.linalg.pinv(jumps).T)
    points = transcript.points[rows, :-1]
    on = (points @ jumps.T) * sides > 0
    slopes = far.base[:-1] + on @ jumps
    right = transcript.told(rows) - np.einsum("nd,nd->n", slopes, points)
    system = np.column_stack([np.ones(count), on])
    solution, _, rank, _ = np.linalg.lstsq(system, right, rcond=None)
    terms = np.abs(slopes * points).sum(axis=1).max()
    allowed = (
        transcript.tolerances.missing * max(float(np.abs(solution).max()), TINY) + transcript.noise * terms
    )
    if rank < system.shape[1] or np.abs(system @ solution - right).max() > allowed:
        return None
    units = Units(np.column_stack([jumps, solution[1:]]), sides)
    return Fit(units, np.append(far.base[:-1], solution[0]), 0.0)
