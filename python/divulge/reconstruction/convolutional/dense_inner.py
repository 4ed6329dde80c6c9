"""Units of a dense layer, behind which there is another one, that walks have not met."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.convolutional.dense_layer import DenseLayer
from divulge.reconstruction.convolutional.dense_sides import DenseSides, sides_of_inner
from divulge.reconstruction.convolutional.extreme import few_alone
from divulge.reconstruction.convolutional.feature_sides import weights_of
from divulge.reconstruction.convolutional.layers import Prefix
from divulge.reconstruction.convolutional.walk import Answer
from divulge.reconstruction.settings import CONV_DENSE, CONV_REST


def rarer_of_inner(search: DenseLayer, sides: DenseSides | None) -> DenseSides | None:
    """Look for units where few features are up alone, from answers that known rows do not make up.

    Returns:
        The sides of all of them, None where these are not told, or no longer.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    walk = search.walk
    prefix = Prefix(walk.known.shape, walk.known.layers[: search.depth])
    for _ in range(CONV_DENSE.misses if sides is not None else 0):
        answers = walk.ask(few_alone(prefix, walk.lines, CONV_REST.answers))
        strange = [answer for answer in answers if not _made_up(search, answer)]
        if not strange:
            break
        for answer in strange[: CONV_DENSE.misses]:
            search.walk_from(answer)
        search.complete()
        search.recount()
        search.found.drop_open()
        sides = sides_of_inner(search)
        if sides is None:
            break
    return sides


def _made_up(search: DenseLayer, answer: Answer) -> bool:
    """Whether slopes at an answer are a combination of known rows, or too few features are on to tell."""
    piece = search.back.piece(answer)
    if piece is None:
        return True
    rows = np.stack([row.weights for row in search.found.rows])
    known = np.stack([row.known for row in search.found.rows])[:, :-1].all(axis=0)
    used = piece.on & known
    if used.sum() < len(rows) + CONV_DENSE.overlap:
        return True
    parts = weights_of(rows[:, :-1][:, used].T, piece.slopes[used], search.walk.tolerances.alike)
    return parts is not None
