"""No front of counterfactuals passes the bound on hypervolumes that the benchmark prints."""

import numpy as np
import pytest

from divulge.explanations import counterfactuals
from divulge.explanations.archive import Archive
from explanations import volume
from volume_bound import most_volume

SMALL = {"population": 10, "generations": 10}


def found_in(data, points, **options):
    """Counterfactuals of a model that gives every row but the points what is wanted."""

    def predict(rows):
        return (np.abs(rows[:, None] - points).max(axis=2) > 1e-9).all(axis=1).astype(float)

    return counterfactuals(predict, points, data=data, target=(1.0, 1.0), **SMALL, **options)


def blended(found):
    """Volume of all rows between the points and training rows, the columns that differ most changed first."""
    wanted = found._wanted
    archive = Archive(len(wanted.x))
    apart = np.where(wanted.free, wanted.gower.differences(wanted.train[None], wanted.x[:, None]), -1.0)
    rank = np.argsort(np.argsort(-apart, axis=2), axis=2)
    for changes in range(1, int(wanted.free.sum())):
        for share in np.linspace(0.05, 1.0, 20):
            changed = wanted.x[:, None] + share * (wanted.train[None] - wanted.x[:, None])
            rows = np.where((rank < changes) & wanted.free, changed, wanted.x[:, None])
            predictions = wanted.predictions(rows)
            archive.add(rows, predictions, wanted.objectives(rows, predictions))
    return volume(archive.fronts(), found.reference())


@pytest.mark.parametrize("seed", range(6))
def test_no_front_passes_it_and_some_come_near(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 6))
    data = rng.normal(size=(int(rng.integers(4, 30)), d)) * rng.uniform(0.1, 10, d)
    points = data[:2] + 0.02 * np.ptp(data, axis=0) * (seed % 2)
    options = {"k": 1 + seed % 2} | ({"fixed": [0]} if seed > 3 else {})
    found = found_in(data, points, **options)
    most = most_volume(found)
    reached = blended(found)
    assert max(volume(found.fronts, found.reference()), reached) <= most
    if options["k"] == 1:
        assert reached > 0.9 * most


def test_opposite_corners_of_a_square():
    # One column of two is changed by t of the mean distance: then the other corner is 1 - min(t, 1/2) away.
    data = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert most_volume(found_in(data, data[:1])) == pytest.approx(3 / 16, abs=2e-3)


def test_points_in_the_interval_are_refused():
    data = np.random.default_rng(0).normal(size=(9, 2))
    found = counterfactuals(lambda rows: rows[:, 0], data[:1], data=data, target=(-9.0, 9.0), **SMALL)
    with pytest.raises(ValueError, match="point 0 is in the interval already"):
        most_volume(found)
