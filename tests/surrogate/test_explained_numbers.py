"""What a forest of few explained answers reads of an input."""

import numpy as np
import pytest

from divulge.surrogate.explained_numbers import ExplainedNumbers


@pytest.mark.parametrize("seed", range(3))
def test_two_classes_share_one_direction(seed):
    rng = np.random.default_rng(seed)
    slope, width = rng.normal(size=20), rng.uniform(0.5, 2, 20)
    outputs = rng.integers(0, 2, 40)
    told = np.where(outputs[:, None] == 1, 1, -1) * slope * width
    read = ExplainedNumbers.of(told, outputs, width, 2)
    points = rng.normal(size=(5, 20))
    np.testing.assert_allclose(read(points)[:, -1], points @ slope)
    assert set(read.which) == set(np.argsort(-np.abs(slope * width))[: len(read.which)])
    alone = ExplainedNumbers.of(told[outputs == 1], np.zeros((outputs == 1).sum(), int), width, 1)
    np.testing.assert_allclose(alone.slopes, read.slopes)


def test_each_of_many_classes_has_its_own():
    told = np.array([[1.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 4.0, 0, 0]])
    read = ExplainedNumbers.of(told, np.array([0, 2, 2]), np.ones(4), 3)
    assert read.slopes.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    assert read(np.ones((2, 4))).shape == (2, 3 + 3)
