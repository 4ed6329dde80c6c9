"""Weak units of the first layer, met and confirmed where all known units are off.

There their gradients are the only ones: a kink as weak as they are, on a line through the dark, is one's, or
that of a deeper unit that switches along their rows.
"""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates, group, merge
from divulge.reconstruction.deep.confirm_together import both_sides, inverse_of, switched_between
from divulge.reconstruction.deep.evidence import explained
from divulge.reconstruction.deep.partial_rows import segments
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.unexplained_gradients import dark_origin
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.settings import LAYERS, TOGETHER, UNEXPLAINED


def met_in_the_dark(pool: Pool, known: Candidates, direction: Array, lines: Lines) -> Candidates | None:
    """Search a line through the dark; return the units met there, None where there is no dark place.

    Args:
        pool: of the lines searched so far.
        known: units of the first layer.
        direction: of the line, shape (d,).
        lines: what draws the places.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    dark = dark_origin(pool.probe, known, lines)
    if dark is None:
        return None
    pool.sweep(dark[None], direction[None])
    sweep = pool.sweeps[-1]
    points, size = sweep.points(sweep.t), np.linalg.norm(sweep.jumps, axis=1)
    layer = Prefix(len(direction), [Dense(known.rows, known.offsets)])
    weak = (size > 0) & (size <= UNEXPLAINED.weak * pool.probe.steepest)
    new = weak & ~explained(layer, points, pool.tolerances.loose)
    found = segments(Prefix(len(direction)), points[new], sweep.jumps[new])
    units = merge(found, group(found, pool.tolerances.alike, LAYERS.overlap))
    return units.take(confirmed_in_the_dark(pool.probe, units, known, lines))


def confirmed_in_the_dark(probe: Probe, units: Candidates, known: Candidates, lines: Lines) -> Mask:
    """Return which candidates are units of the first layer, shape (c,).

    They switch on their hyperplanes wherever they are asked about, and add nothing on one side: a deeper unit
    that switches along the row of the one unit that is on leaves that unit's share on both.
    """
    asked = questions_in_the_dark(probe, units, known, lines)
    found, told, alone = (np.zeros(len(units), np.intp) for _ in range(3))
    for some, _, switched in asked:
        told[some] += 1
        found[some] += switched
    likely = np.flatnonzero((told > 1) & (found >= LAYERS.hit_share * told))
    inverse = inverse_of(np.concatenate([units.rows[likely], known.rows]))[:, : len(likely)]
    for some, gradients, _ in asked:
        less, more = np.sort(np.abs(gradients @ inverse), axis=0)
        alone[likely] += np.isin(likely, some) & (less <= TOGETHER.idle * more)
    sure = np.zeros(len(units), bool)
    sure[likely] = alone[likely] >= LAYERS.hit_share * told[likely]
    return sure


def questions_in_the_dark(
    probe: Probe, units: Candidates, known: Candidates, lines: Lines
) -> list[tuple[Index, Array, Mask]]:
    """Ask on both sides of candidates' hyperplanes, as many at once as fit beside the known units.

    Returns:
        For each question that tells: which candidates, the gradients (2, d), which of these tell them apart.
    """
    room = max(1, int(TOGETHER.few * (probe.input_size - np.linalg.matrix_rank(known.rows))))
    asked = []
    for _ in range(LAYERS.places):
        dark = dark_origin(probe, known, lines)
        if dark is None:
            continue
        order = lines.rng.permutation(len(units))
        for some in (order[start : start + room] for start in range(0, len(order), room)):
            rows = np.concatenate([units.rows[some], known.rows])
            offsets = np.concatenate([units.offsets[some], -known.rows @ dark])  # these stay as they are
            inverse = inverse_of(rows)
            gradients = both_sides(probe, rows, offsets, inverse, len(some), dark, lines)
            switched = switched_between(probe, rows, inverse, len(some), gradients)
            if switched is not None:
                asked.append((some, gradients, switched))
    return asked
