"""The bridge to the native kink search: whatever it asks goes through a transcript."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge import _core
from divulge.arrays import Array
from divulge.reconstruction.asking.pieces import Transcript

Change = Callable[[Array, Array], Array]  # of points (n, d + 1) and pieces (n, d + 1) to other pieces


def search_lines(
    transcript: Transcript,
    origins: Array,
    directions: Array,
    low: Array | float,
    high: Array | float,
    *,
    change: Change | None = None,
    tolerance: float = 0.0,
) -> _core.KinkSearchResult:
    """Find every kink on lines origins + t directions, (L, d) each, between low and high.

    Args:
        transcript: whom to ask; it keeps every answer.
        origins: shape (L, d).
        directions: shape (L, d).
        low: where each line begins, a number or shape (L,).
        high: where it ends.
        change: what the search is shown in place of an answer's piece.
        tolerance: relative size up to which a jump counts as none.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    native = transcript.asked.native() if change is None else None
    if native is not None:
        return _without_python(transcript, native, origins, directions, low, high, tolerance)
    failures: list[BaseException] = []

    def answer(points: Array) -> tuple[Array, Array]:
        try:
            rows = transcript.ask(points)
        except BaseException as error:
            failures.append(error)
            raise
        asked, pieces = transcript.points[rows], transcript.pieces[rows]
        if change is None:
            return transcript.told(rows), np.ascontiguousarray(pieces[:, :-1])
        pieces = change(asked, pieces)
        return np.einsum("nd,nd->n", pieces, asked), np.ascontiguousarray(pieces[:, :-1])

    oracle = _core.CallbackOracle(answer, transcript.input_size, transcript.tolerances.single)
    found = _core.kink_search(oracle, origins, directions, low, high, tolerance=tolerance)
    if failures:
        raise failures[0]
    return found


def _without_python(
    transcript: Transcript,
    native: _core.RecordingOracle,
    origins: Array,
    directions: Array,
    low: Array | float,
    high: Array | float,
    tolerance: float,
) -> _core.KinkSearchResult:
    """Let the core ask by itself; whatever ends it, the transcript keeps what it asked."""
    try:
        found = _core.kink_search(native, origins, directions, low, high, tolerance=tolerance)
    finally:
        transcript.take(*native.recorded())
    if found.message:
        raise transcript.asked.ended(found.message)
    return found
