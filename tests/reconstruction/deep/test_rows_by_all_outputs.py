"""The second layer's rows from answers that hold all outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import of_all_strengths, random_deep, victim_of

from divulge import GradientOracle, JacobianOracle, reconstruct
from divulge.reconstruction.deep.rows_by_all_outputs import rows_by_all_outputs


def one_layer(seed, units, size, outputs):
    """Answers beside the axes of a hidden layer of features: these, the pieces, rows and offsets."""
    rng = np.random.default_rng(seed)
    rows, offsets = rng.standard_normal((units, size)), rng.standard_normal(units)
    weights, base = rng.standard_normal((outputs, units)), rng.standard_normal((outputs, size + 1))
    features = 1e3 * (np.eye(size + 1, size) + 1e-5 * rng.uniform(1, 2, (size + 1, size)))
    features = np.concatenate([features, rng.lognormal(0, 3, (4, size))])
    on = (features @ rows.T + offsets > 0).astype(float)
    jumps = np.column_stack([rows, offsets])
    pieces = base[:, None] + np.einsum("ni,mi,ih->mnh", on, weights, jumps)
    return features, pieces, jumps


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_found_from_an_answer_a_feature(seed):
    rng = np.random.default_rng(100 + seed)
    size = int(rng.integers(8, 60))
    units, outputs = int(rng.integers(1, size // 2 + 1)), int(rng.integers(2, 11))
    features, pieces, jumps = one_layer(seed, units, size, outputs)
    found = rows_by_all_outputs(features, pieces, np.random.default_rng(0))
    assert found is not None
    assert len(found) == units
    got = found.jumps / np.linalg.norm(found.jumps, axis=1, keepdims=True)
    true = jumps / np.linalg.norm(jumps, axis=1, keepdims=True)
    cosines = got @ true.T
    order = np.abs(cosines).argmax(axis=1)
    assert sorted(order) == list(range(units))
    sign = np.sign(cosines[np.arange(units), order])
    np.testing.assert_allclose(got, sign[:, None] * true[order], atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_more_units_than_features_and_what_is_no_layer_are_refused(seed):
    features, pieces, _ = one_layer(seed, 30, 12, 5)
    assert rows_by_all_outputs(features, pieces, np.random.default_rng(0)) is None
    features, pieces, _ = one_layer(seed, 6, 20, 5)
    wrong = pieces + 1e-3 * np.random.default_rng(seed).standard_normal(pieces.shape)
    assert rows_by_all_outputs(features, wrong, np.random.default_rng(0)) is None
    assert rows_by_all_outputs(features, np.zeros_like(pieces), np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(4))
def test_changes_that_no_combination_of_outputs_inverts_are_refused(seed):
    rng = np.random.default_rng(seed)
    one, two, three = rng.permutation(8)[:3]
    features, pieces = rng.lognormal(0, 3, (9, 8)), np.zeros((3, 9, 9))
    for output, (a, b) in enumerate([(one, two), (one, three), (two, three)]):
        pieces[output, 1 + a, b], pieces[output, 1 + b, a] = 1.0, -1.0  # skew, of odd size: singular
    assert rows_by_all_outputs(features, pieces, np.random.default_rng(seed)) is None


@pytest.mark.parametrize("sizes", [(40, 16, 16, 10), (60, 24, 20, 3), (30, 20, 12, 2), (20, 20, 30, 4)])
@pytest.mark.parametrize("seed", range(2))
def test_all_outputs_at_once_take_fewer_queries_than_one(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    copies = [reconstruct(of(victim_of(network)), seed=seed) for of in (GradientOracle, JacobianOracle)]
    assert all(copy.complete for copy in copies)
    assert copies[1].queries < copies[0].queries
    points = torch.from_numpy(10 * np.random.default_rng(9).standard_normal((4000, sizes[0])))
    with torch.no_grad():
        true = network(points)
        assert (copies[1].module(points) - true).abs().max() <= 1e-8 * (true.max() - true.min())


@pytest.mark.parametrize("seed", range(2))
def test_units_of_all_strengths_are_left_to_the_search(seed):
    network = of_all_strengths(40, 20, 16, 5, seed=seed, least=1e-6)
    assert reconstruct(JacobianOracle(victim_of(network)), seed=seed).complete
