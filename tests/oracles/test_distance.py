"""Weighted p-norms: the shortest moves to a plane, and the planes that such moves end at."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from divulge import Victim
from divulge.oracles import CounterfactualOracle, Distance, oracle_by_name

NORMS = (1, 1.2, 2, 3.7, np.inf)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", NORMS)
def test_no_other_move_to_the_plane_is_shorter(norm, seed):
    rng = np.random.default_rng(seed)
    distance, normal = Distance(norm, rng.uniform(0.2, 5, 6)), rng.normal(size=6)
    step = distance.step(normal)
    assert normal @ step == pytest.approx(1)
    others = step + rng.normal(size=(5000, 6)) * 10.0 ** rng.uniform(-4, 1, (5000, 1)) * np.abs(step).max()
    along = others @ normal
    lengths = distance.length(others[along > 0]) / along[along > 0]
    assert lengths.min() >= distance.length(step) * (1 - 1e-12)


@pytest.mark.parametrize("norm", [1.2, 2, 3.7])
def test_a_shortest_move_tells_the_plane(norm):
    rng = np.random.default_rng(1)
    distance, normal = Distance(norm, rng.uniform(0.2, 5, 6)), rng.normal(size=6)
    told = distance.normal(3 * distance.step(normal))
    np.testing.assert_allclose(told / np.linalg.norm(told), normal / np.linalg.norm(normal), rtol=1e-9)


def test_where_nothing_changes_there_is_no_step():
    for norm in NORMS:
        np.testing.assert_array_equal(Distance(norm).step(np.zeros((2, 3))), 0)


@pytest.mark.parametrize("norm", NORMS)
def test_counterfactuals_end_behind_the_nearest_border(norm):
    rng = np.random.default_rng(2)
    module = nn.Linear(5, 3).double()
    oracle = oracle_by_name(f"counterfactual:nearest=true,norm={norm}", Victim(module, (5,)))
    told = oracle.explain(rng.normal(size=(20, 5)))
    points, others = told.points[:20], told.points[20:]
    assert (told.labels[:20] != told.labels[20:]).all()
    lengths = oracle.distance.length(others - points)
    nearer = points + (others - points) * 0.999
    np.testing.assert_array_equal(oracle.victim.classes(nearer), told.labels[:20])
    around = rng.normal(size=(400, 1, 5))
    around = points + around / oracle.distance.length(around)[..., None] * lengths[:, None] * 0.999
    named = oracle.victim.classes(around.reshape(-1, 5)).reshape(400, 20)
    np.testing.assert_array_equal(named, np.broadcast_to(told.labels[:20], (400, 20)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 0.5}, "the p of a norm, 1 or more, got 0.5"),
        ({"norm": np.nan}, "the p of a norm"),
        ({"weights": [1.0, 0.0]}, "weights of a distance above 0"),
        ({"weights": [1.0, 2.0]}, "expected 3 weights of a distance"),
        ({"norm": 1.0, "nearest": False}, "the Euclidean distance without nearest=True"),
    ],
)
def test_senseless_distances(options, message):
    with pytest.raises(ValueError, match=message):
        CounterfactualOracle(Victim(nn.Linear(3, 2), (3,)), **{"nearest": True, **options})


def test_other_distances_of_trees_are_refused():
    x = np.random.default_rng(3).normal(size=(50, 2))
    tree = Victim(DecisionTreeClassifier(max_depth=2).fit(x, x[:, 0] > 0))
    with pytest.raises(ValueError, match="of trees"):
        CounterfactualOracle(tree, nearest=True, norm=1)
