"""The size of filters, from patches seen at two places; of which known ones are parts."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.convolutional.kernel_size import holds_any, repeated_size, unclipped_size
from divulge.reconstruction.convolutional.patches import box_of
from divulge.reconstruction.convolutional.walk import Kink

SHAPE = (2, 12, 12)


def shown(patch, row, column):
    """A kink that shows a patch (C, rows, columns) at a place, and what it covers."""
    image = np.zeros(SHAPE)
    image[:, row : row + patch.shape[1], column : column + patch.shape[2]] = patch
    kink = Kink(np.zeros(image.size), image.ravel(), 0.0, np.zeros((2, image.size)))
    return kink, box_of(kink, SHAPE)


@pytest.mark.parametrize("seed", range(3))
def test_a_patch_seen_at_two_places_away_from_edges_has_the_size_of_filters(seed):
    patch = np.random.default_rng(seed).standard_normal((2, 4, 3))
    kinks = [shown(patch, 2, 3), shown(-2.0 * patch, 5, 1), shown(patch[:, 1:], 0, 2)]
    assert repeated_size(kinks, SHAPE, 1e-7, edges=False) == (4, 3)
    assert repeated_size(kinks[1:], SHAPE, 1e-7, edges=False) is None


@pytest.mark.parametrize("seed", range(3))
def test_larger_filters_are_those_of_which_known_ones_are_parts(seed):
    rng = np.random.default_rng(seed)
    filters, other = rng.standard_normal((2, 2, 4, 4)), rng.standard_normal((2, 6, 6))
    parts = np.stack([-3.0 * each[:, 1:] for each in filters])  # as the upper edge clips them
    of_deeper = [shown(other, 1, 2), shown(other, 4, 4), shown(other, 2, 1)]
    assert unclipped_size(parts, of_deeper, SHAPE, 1e-6) is None
    both = [*of_deeper, shown(filters[1], 3, 2), shown(filters[1], 6, 5)]
    assert unclipped_size(parts, both, SHAPE, 1e-6) == (4, 4)
    assert not holds_any(parts[0][:, 1:], parts, 1e-6)
