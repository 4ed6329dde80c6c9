"""Fresh queries that a copy is checked on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from divulge.reconstruct.lines import Lines
from divulge.reconstruct.transcript import Transcript

Array = NDArray[np.float64]
Index = NDArray[np.intp]

QUERIES = 8  # in all of R^d
INSIDE = 32  # inside a box
VERTICES = 96  # random vertices of a box
AIMED = 16  # answers whose gradients name further vertices
STEPS = 2  # from vertex to vertex


def ask_fresh(transcript: Transcript, lines: Lines) -> Index:
    """Ask random points to check a copy on and return the rows of the answers; in a box most are vertices.

    A unit that is on in a small part of a box is on at many more of its vertices: on a random vertex a unit's
    input spreads 1.7 times as far as on a point inside. The vertices furthest along a gradient, and against
    it, reach units that no random one does.
    """
    if lines.domain is None:
        return transcript.ask(lines.samples(QUERIES))
    low, high = lines.domain
    random = low + (high - low) * lines.rng.integers(0, 2, (VERTICES, lines.input_size))
    rows = [transcript.ask(np.concatenate([lines.samples(INSIDE), random]))]
    up, down = rows[0][-AIMED:], rows[0][-AIMED:]
    for _ in range(STEPS):
        slopes = np.concatenate([transcript.pieces[up, :-1], -transcript.pieces[down, :-1]])
        rows.append(transcript.ask(low + (high - low) * (slopes > 0)))
        up, down = np.split(rows[-1], 2)
    return np.concatenate(rows)
