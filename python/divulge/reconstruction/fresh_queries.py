"""Fresh queries that a copy is checked on."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Index
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.settings import FRESH


def fresh_residual(fit: Fit, transcript: Transcript, lines: Lines, tolerance: float) -> float:
    """Return the largest relative residual of a copy at fresh queries, in a box the far corners too.

    Args:
        fit: the copy.
        transcript: whom to ask.
        lines: where to ask.
        tolerance: residual from which on the far corners are not asked about any more.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    worst = fit.residual(transcript, ask_fresh(transcript, lines))
    if lines.domain is None or worst > tolerance:
        return worst
    return max(worst, fit.residual(transcript, ask_corners(transcript, lines, fit)))


def ask_fresh(transcript: Transcript, lines: Lines) -> Index:
    """Ask random points to check a copy on and return the rows of the answers; in a box most are vertices.

    A unit that is on in a small part of a box is on at many more of its vertices: on a random vertex a unit's
    input spreads 1.7 times as far as on a point inside. The vertices furthest along a gradient, and against
    it, reach units that no random one does.
    """
    if lines.domain is None:
        return transcript.ask(lines.samples(FRESH.queries))
    low, high = lines.domain
    random = low + (high - low) * lines.rng.integers(0, 2, (FRESH.vertices, lines.input_size))
    rows = [transcript.ask(np.concatenate([lines.samples(FRESH.inside), random]))]
    up, down = rows[0][-FRESH.aimed :], rows[0][-FRESH.aimed :]
    for _ in range(FRESH.steps):
        slopes = np.concatenate([transcript.pieces[up, :-1], -transcript.pieces[down, :-1]])
        rows.append(transcript.ask(low + (high - low) * (slopes > 0)))
        up, down = np.split(rows[-1], 2)
    return np.concatenate(rows)


def ask_corners(transcript: Transcript, lines: Lines, fit: Fit) -> Index:
    """Ask vertices of the box where a unit may switch that is constant nearly everywhere else; return rows.

    A unit that is on nearly everywhere hides in the affine part: the vertices along it and against it switch
    the unit off. One that is off nearly everywhere leaves no trace; the vertices furthest along a found row
    reach those that resemble it, random ones those that are on at one in FRESH.corners.
    """
    assert lines.domain is not None
    low, high = lines.domain
    rows = fit.units.jumps[:, :-1]
    slope = hidden_slope(fit)
    noise = lines.rng.standard_normal((FRESH.around, len(slope))) * FRESH.spread * np.abs(slope).mean()
    noise[0] = 0.0
    directions = [rows, -rows, lines.rng.standard_normal((FRESH.corners, len(slope)))]
    if np.linalg.norm(slope) > transcript.tolerances.rounding * transcript.scale:
        directions += [slope + noise, noise - slope]
    return transcript.ask(low + (high - low) * (np.concatenate(directions) > 0))


def hidden_slope(fit: Fit) -> Array:
    """Return the affine part's gradient (d,) with the units turned so that it is small."""
    jumps, slope = fit.units.jumps[:, :-1], fit.base[:-1]
    turned = np.linalg.lstsq(jumps.T, -slope, rcond=None)[0] > 0.5
    return np.asarray(slope + turned @ jumps)
