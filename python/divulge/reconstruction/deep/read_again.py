"""Rows of the second layer that one output showed, read again behind another, and which are one unit's."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import POSITIVE


def read_again(
    transcript: Transcript, rows: Array, offsets: Array, places: Array, beside: float
) -> tuple[Array, Array, Mask]:
    """Ask on both sides of hyperplanes; replace what the jumps there show to be off by more than rounding.

    Args:
        transcript: whom to ask about features.
        rows: shape (c, h), of length 1.
        offsets: shape (c,).
        places: a point on the hyperplane of each, shape (c, h), where no other is near.
        beside: from there to each question, relative to a place's length.

    Returns:
        Rows and offsets as they are now (c, h + 1), weights of the units (c,), and which are not 0 (c,).

    Raises:
        Stopped: the oracle can be asked no further.
    """
    away, rounding = beside * np.linalg.norm(places, axis=1), rounding_of(transcript)
    step = away[:, None] * rows
    asked = transcript.ask(np.concatenate([places - step, places + step]))
    before, after = np.split(transcript.pieces[asked, :-1], 2)
    jumps, weights = after - before, np.einsum("nd,nd->n", after - before, rows)
    size, off = np.abs(weights), np.linalg.norm(jumps - weights[:, None] * rows, axis=1)
    used = (size > rounding) & (off <= np.maximum(rounding, POSITIVE.twins * size))
    blunt = used & (off > rounding)
    rows, offsets = rows.copy(), offsets.copy()
    weights[blunt] = (np.sign(weights) * np.linalg.norm(jumps, axis=1))[blunt]
    rows[blunt] = jumps[blunt] / weights[blunt, None]
    levels = np.einsum("nd,nd->n", rows, places) + offsets
    moved = blunt | (used & (np.abs(levels) > away))  # the kink is nearer
    offsets[moved] -= levels[moved]
    return np.column_stack([rows, offsets]), weights, used


def is_twin(known: Units, at: Array, met: Units, places: Array, rounding: float) -> Mask:
    """Whether each is a unit that is known: a weak one looks like two by what rounding leaves of it.

    Their jumps differ by rounding alone then, and their offsets by no more than that does, or the step by
    which a kink's place is known: parallel units further apart are two.

    Args:
        known: among features, c of them.
        at: a place on the hyperplane of each, shape (c, h).
        met: units, n of them.
        places: on their hyperplanes, shape (n, h).
        rounding: what jumps differ by that is rounding.
    """
    if not len(known):
        return np.zeros(len(met), bool)
    old, new = known.jumps, met.jumps
    size = np.linalg.norm(new[:, :-1], axis=1)[:, None]
    reach = np.linalg.norm(places, axis=1)[:, None] + np.linalg.norm(at, axis=1)
    most = np.minimum(POSITIVE.twins * size, rounding + POSITIVE.beside * reach * size)
    twin = np.zeros((len(new), len(old)), bool)
    for sign in (-1.0, 1.0):
        jumps = np.linalg.norm(new[:, None, :-1] - sign * old[:, :-1], axis=2)
        alike = (jumps <= rounding) & (jumps <= POSITIVE.twins * size)
        twin |= alike & (np.abs(new[:, None, -1] - sign * old[:, -1]) <= most)
    return np.asarray(twin.any(axis=1))


def rounding_of(transcript: Transcript) -> float:
    """Return what jumps differ by that is rounding."""
    return transcript.tolerances.same * transcript.scale
