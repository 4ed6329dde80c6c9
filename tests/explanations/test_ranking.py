"""Fronts, crowding, archives and volumes against definitions written out."""

import numpy as np
import pytest

from divulge.explanations.archive import Archive, undominated
from divulge.explanations.hypervolume import hypervolume
from divulge.explanations.ranking import best, crowding, fronts, penalised, repeats

RNG = np.random.default_rng(0)


def beats(a, b):
    return (a <= b).all() and (a < b).any()


def test_fronts_are_those_of_the_definition():
    objectives = RNG.integers(0, 4, (3, 12, 3)).astype(float)
    found = fronts(objectives)
    for points, numbers in zip(objectives, found, strict=True):
        left, number = list(range(12)), 0
        while left:
            front = [i for i in left if not any(beats(points[j], points[i]) for j in left)]
            assert sorted(np.flatnonzero(numbers == number)) == front
            left, number = [i for i in left if i not in front], number + 1


def test_misses_come_after_all_fronts_by_their_size_and_repeats_last():
    place = penalised(
        np.array([[0, 0, 1, 0]]),
        np.array([[0.3, 0.0, 0.0, 0.1]]),
        0.05,
        np.array([[False, False, True, False]]),
    )
    assert np.argsort(place[0]).tolist() == [1, 3, 0, 2]
    rows = np.array([[[1.0, 2.0], [0.0, 2.0], [1.0, 2.0]]])
    assert repeats(rows).tolist() == [[False, False, True]]


def test_ends_of_a_front_are_most_alone():
    line = np.array([0.0, 0.1, 0.2, 1.0])
    objectives = np.stack([line, 1 - line], axis=1)[None]
    alone = crowding(objectives, line[None, :, None], np.zeros((1, 4), int))
    assert alone[0, 3] > alone[0, 2] > alone[0, 1]
    assert set(best(np.zeros((1, 4), int), alone, 2)[0]) == {0, 3}


@pytest.mark.parametrize("m", [2, 3, 4])
def test_volumes_are_those_that_points_drawn_at_random_say(m):
    objectives = RNG.random((15, m))
    drawn = RNG.random((60_000, m))
    inside = (objectives[None] <= drawn[:, None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(objectives, np.ones(m)) == pytest.approx(inside, abs=0.01)


def test_volumes_of_one_of_none_and_of_repeated_candidates():
    assert hypervolume(np.array([[0.5, 0.25]]), np.ones(2)) == pytest.approx(0.375)
    assert hypervolume(np.array([[1.5, 0.25]]), np.ones(2)) == 0
    twice = np.repeat([[0.5, 0.25, 0.5]], 2, axis=0)
    assert hypervolume(twice, np.ones(3)) == pytest.approx(0.1875)
    with pytest.raises(ValueError, match=r"objectives \(n, m\) and \(m,\)"):
        hypervolume(twice, np.ones(2))


def test_an_archive_keeps_what_nothing_dominates_in_order():
    objectives = RNG.integers(0, 5, (40, 2, 20, 4)).astype(float)
    archive = Archive(2)
    for batch in objectives:
        archive.add(batch[..., :1], batch[..., 0], batch)
    for point, front in enumerate(archive.fronts()):
        every = np.unique(objectives[:, point].reshape(-1, 4), axis=0)
        kept = [row for row in every if not any(beats(other, row) for other in every)]
        assert {tuple(row) for row in front.objectives} == {tuple(row) for row in kept}
        assert (np.diff(front.objectives[:, 0]) >= 0).all()
    assert len(undominated(np.zeros((5, 3)))) == 1
