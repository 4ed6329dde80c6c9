import numpy as np
import pytest
import torch

from divulge.backdoors import Trigger, square
from divulge.backdoors.verdict import (
    anomaly_index,
    extent,
    outliers,
    published_verdict,
    verdict,
    weakened_verdict,
)

SHAPE = (1, 28, 28)
PIXELS = 784


def spread(size):
    """A trigger of so many pixels all over the image."""
    mask = torch.full(SHAPE[1:], size / PIXELS)
    return Trigger(mask, torch.zeros(SHAPE))


def dots(*places):
    mask = torch.zeros(SHAPE[1:])
    for row, column in places:
        mask[row, column] = 1
    return Trigger(mask, torch.zeros(SHAPE))


def flagged(triggers, *, on_data=True, success=0.98, sizes=None):
    sizes = np.array([t.size for t in triggers]) if sizes is None else np.array(sizes)
    index = anomaly_index(sizes, PIXELS)
    return list(verdict(sizes, index, np.full(len(sizes), success), triggers, on_data=on_data))


usual = [spread(s) for s in (60, 70, 80, 75, 90, 65, 72, 85, 78)]


def test_how_far_a_trigger_reaches():
    assert extent(square(SHAPE, 5, -5, -5)) == (23 / 784, 25 / 784)
    assert extent(dots((0, 0), (27, 27))) == (2 / 784, 1)
    assert extent(spread(50))[1] == pytest.approx(1, abs=0.2)
    assert extent(dots()) == (1, 1)


def test_the_index_and_the_published_verdict():
    sizes = np.array([100.0, 90, 110, 10])
    index = anomaly_index(sizes, PIXELS, logarithmic=False)
    np.testing.assert_allclose(index, np.array([5, 5, 15, 85]) / (1.4826 * 10))
    assert published_verdict(sizes, index, PIXELS) == [3]
    assert outliers(sizes, anomaly_index(sizes, PIXELS), PIXELS) == [3]
    sizes = np.array([100.0, 101, 99, 60])
    assert outliers(sizes, anomaly_index(sizes, PIXELS), PIXELS) == []  # an outlier, but not small
    sizes = np.array([100.0, 90, 110, np.inf])
    assert anomaly_index(sizes, PIXELS)[3] > 2
    assert outliers(sizes, anomaly_index(sizes, PIXELS), PIXELS) == []
    assert anomaly_index(np.array([5.0, 5, 5]), PIXELS).tolist() == [0, 0, 0]
    index = anomaly_index(np.array([5.0, 5, 1]), PIXELS)
    assert index.tolist() == [0, 0, np.inf]


def test_a_class_that_was_not_reached_is_not_flagged():
    assert flagged([*usual, spread(100)], sizes=[*(t.size for t in usual), np.inf]) == []


def test_a_patch_is_flagged_with_data_and_without():
    for on_data in (True, False):
        assert flagged([*usual, square(SHAPE, 4, 2, 3)], on_data=on_data) == [9]


@pytest.mark.parametrize("size", [34, 24])
def test_an_outlier_that_covers_the_image_is_no_patch(size):
    triggers = [*usual, spread(size)]
    assert anomaly_index(np.array([t.size for t in triggers]), PIXELS)[9] > 2
    assert flagged(triggers, on_data=False) == []


def test_what_is_spread_must_be_a_far_outlier_of_data():
    triggers = [*(spread(s) for s in (20, 30, 80, 120, 150, 200, 60, 40, 90)), spread(12)]
    assert flagged(triggers) == []  # sizes that differ anyway
    triggers[-1] = spread(9)  # faint, and less than half of the next one
    assert flagged(triggers) == [9]
    assert flagged(triggers, on_data=False) == []
    wider = [spread(2 * t.size) for t in triggers[:-1]]
    opaque = dots(*((3 * k, (5 * k) % 28) for k in range(9)), *((1, 3 * k) for k in range(9)))
    assert flagged([*wider, spread(18)]) == [9]
    assert flagged([*wider, opaque]) == []
    assert flagged([*usual, spread(20)]) == [9]  # a far outlier


def test_six_classes_of_ten_are_flagged_though_the_median_is_theirs():
    for on_data in (True, False):
        patches = [square(SHAPE, 3, 1 + 4 * k, 1 + 4 * k) for k in range(6)]
        assert flagged([*patches, *usual[:4]], on_data=on_data) == list(range(6))


def test_all_classes_may_have_one():
    assert flagged([square(SHAPE, 3, 1 + 2 * k, 2) for k in range(10)]) == list(range(10))


def test_a_few_dots_are_flagged_wherever_they_lie():
    corners = dots((0, 0), (0, 27), (27, 0), (27, 27))
    assert flagged([*usual, corners]) == [9]
    assert flagged([*usual, corners], on_data=False) == []


@pytest.mark.parametrize("success", [np.nan, 0.5])
def test_a_trigger_that_does_not_work_says_nothing(success):
    assert flagged([*usual, square(SHAPE, 4, 2, 3)], success=success) == []


def test_the_reason_tells_size_and_kind():
    triggers = [*usual, square(SHAPE, 4, 2, 3)]
    sizes = np.array([t.size for t in triggers])
    found = verdict(sizes, anomaly_index(sizes, PIXELS), np.full(10, 1.0), triggers, on_data=True)
    assert found == {9: "a patch of 16.0 pixels, 0.22 of the median"}


@pytest.mark.parametrize(("side", "found"), [(3, [9]), (6, [])])
def test_from_one_class_a_patch_must_be_of_few_pixels(side, found):
    triggers = [*(spread(s) for s in (60, 70, 80, 20, 30, 40, 100, 120, 90)), square(SHAPE, side, 2, 3)]
    sizes = np.array([t.size for t in triggers])
    index = anomaly_index(sizes, PIXELS)
    told = verdict(sizes, index, np.full(10, 1.0), triggers, on_data=True, one_source=True)
    assert list(told) == found
    corners = [*triggers[:9], dots((0, 0), (0, 27), (27, 0), (27, 27))]
    assert not verdict(sizes, index, np.full(10, 1.0), corners, on_data=True, one_source=True)


@pytest.mark.parametrize(
    ("size", "suspects", "success", "expected"),
    [
        (5, [9], 0.75, [9]),
        (5, [9], 0.5, []),  # found for too few samples
        (5, [0, 1], 0.75, []),  # not suspected before
        (7, [9], 0.75, []),  # over half the median
        (None, [9], 0.75, []),  # spread
    ],
)
def test_a_weakened_trigger_is_a_small_patch(size, suspects, success, expected):
    triggers = [*usual, spread(20) if size is None else square(SHAPE, size, 3, 3)]
    sizes = np.array([t.size for t in triggers])
    index = anomaly_index(sizes, PIXELS)
    found = weakened_verdict(sizes, index, np.full(10, success), triggers, suspects, 0.75)
    assert list(found) == expected
    if expected:
        assert found[9] == "a patch of 25.0 pixels, 0.34 of the median, that moves 75% of the samples"
