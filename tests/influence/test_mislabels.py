from __future__ import annotations

import numpy as np
import pytest

from divulge.influence import fix_curve, flip_labels


def test_the_share_is_flipped_and_seeded():
    targets = np.random.default_rng(0).integers(0, 5, 400)
    flipped = flip_labels(targets, 0.1, seed=2)
    assert (flipped != targets).sum() == 40
    assert set(np.unique(flipped)) == set(range(5))
    np.testing.assert_array_equal(flipped, flip_labels(targets, 0.1, seed=2))
    assert (flipped != flip_labels(targets, 0.1, seed=3)).any()


def test_checked_labels_are_set_right():
    true, given = np.zeros(10, int), np.zeros(10, int)
    given[[2, 7]] = 1
    seen = []
    curve = fix_curve(
        lambda labels: 1 - labels.mean(),
        given,
        true,
        -np.arange(10.0),
        shares=(0, 0.3, 1),
        progress=lambda done, total: seen.append((done, total)),
    )
    np.testing.assert_allclose(curve.accuracy, [0.8, 0.9, 1])
    np.testing.assert_allclose(curve.fixed, [0, 0.5, 1])
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_bad_input():
    y = np.array([0, 1, 1])
    with pytest.raises(ValueError, match="share between 0 and 1, got 0"):
        flip_labels(y, 0)
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        flip_labels(np.zeros(4, int), 0.5)
    with pytest.raises(ValueError, match="at least one wrong label"):
        fix_curve(float, y, y, y)
    with pytest.raises(ValueError, match=r"one shape \(n,\), got \(3,\), \(3,\) and \(2,\)"):
        fix_curve(float, y, y, y[:2])
    with pytest.raises(ValueError, match="shares from 0 to 1, got 2"):
        fix_curve(float, y, 1 - y, y, shares=[2])


def test_labels_of_several_positions_are_not_flipped():
    with pytest.raises(ValueError, match=r"expected targets of shape \(n,\), got \(4, 3\)"):
        flip_labels(np.ones((4, 3), int), 0.5)
