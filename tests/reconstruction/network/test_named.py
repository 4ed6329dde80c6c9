"""What units are called, from how they are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.network.named import named, named_copy, settled, shares

EXACT = 1e-9


def passing(slopes: np.ndarray, seed: int = 0, turned: bool = True) -> DeepModel:
    """7 inputs, 5 units with slopes held as ReLUs and a passage, some turned, 6 plain units, 2 outputs."""
    rng = np.random.default_rng(seed)
    rows, offsets = rng.standard_normal((5, 7)), rng.standard_normal(5)
    after, constants = rng.standard_normal((6, 5)), rng.standard_normal(6)
    sign = np.where(rng.uniform(size=5) < 0.5, -1.0, 1.0) if turned else np.ones(5)
    a = after * (1 - slopes)
    kappa = np.where(sign > 0, slopes / (1 - slopes), -1 / (1 - slopes))
    rows, offsets = rows * sign[:, None], offsets * sign
    dense = Dense(rows, offsets).with_passage()
    beside = a @ (kappa[:, None] * rows)
    last = np.column_stack([a, beside, constants + a @ (kappa * offsets)])
    base = np.zeros((2, 13))
    base[:, -1] = rng.standard_normal(2)
    return DeepModel(Prefix(7, [dense]), Layer(last, rng.standard_normal((2, 6)), base))


def outputs(model: DeepModel, points: np.ndarray) -> np.ndarray:
    """Outputs of a copy at points (n, d)."""
    features = np.column_stack([model.prefix.features(points), np.ones(len(points))])
    return np.column_stack([model.layer.values(features, k) for k in range(len(model.layer.weights))])


@pytest.mark.parametrize(
    ("slopes", "kind", "unit"),
    [
        (np.full(5, 0.1), "LeakyReLU(0.1)", nn.LeakyReLU),
        (np.full(5, -0.25), "LeakyReLU(-0.25)", nn.LeakyReLU),
        (np.zeros(5), "ReLU", nn.ReLU),
        (np.full(5, -1.0), "abs", nn.Module),
        (np.array([0.1, -0.7, 0.0, 0.99, -1.0]), "PReLU", nn.PReLU),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_read_from_what_is_handed_on(slopes, kind, unit, seed):
    model = passing(slopes, seed)
    module, found = named_copy(model, False, torch.float64, EXACT)
    assert found.kinds == (kind, "ReLU")
    assert isinstance(module[1], unit)
    assert not any("WithInput" in type(layer).__name__ for layer in module)
    points = 10 * np.random.default_rng(1).standard_normal((500, 7))
    np.testing.assert_allclose(module(torch.from_numpy(points)).detach(), outputs(model, points), atol=1e-10)


def test_a_skip_connection_stays_what_it_is():
    model = passing(np.full(5, 0.1))
    model.layer.rows[2, 6] += 1e-3
    module, found = named_copy(model, False, torch.float64, EXACT)
    assert found.kinds == ("ReLU beside its input", "ReLU")
    points = np.random.default_rng(1).standard_normal((500, 7))
    np.testing.assert_allclose(module(torch.from_numpy(points)).detach(), outputs(model, points), atol=1e-12)


def test_nothing_is_named_without_tolerance_and_plain_networks_are_left_alone():
    model = passing(np.full(5, 0.1))
    assert named(model, False, 0.0).kinds == ("ReLU beside its input", "ReLU")
    plain = DeepModel(
        Prefix(7, [Dense(np.eye(7), np.zeros(7))]), Layer(np.ones((2, 8)), np.ones((1, 2)), np.zeros((1, 8)))
    )
    module, found = named_copy(plain, False, torch.float32, EXACT)
    assert found.kinds == ("ReLU", "ReLU")
    assert [type(layer) for layer in module] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert module[0].weight.dtype == torch.float32


def test_a_network_without_units_has_no_kinds_to_name():
    empty = DeepModel(Prefix(3), Layer(np.zeros((0, 4)), np.zeros((1, 0)), np.ones((1, 4))))
    module, _ = named_copy(empty, True, torch.float64, EXACT)
    assert module(torch.ones(1, 3, dtype=torch.float64)).item() == 4


def test_slopes_that_few_equations_allow_are_no_evidence():
    rng = np.random.default_rng(0)
    rows, read = rng.standard_normal((5, 5)), rng.standard_normal((1, 5))
    assert shares(rows, read, rng.standard_normal((1, 5)), EXACT) is None  # five equations, five slopes
    kappa = shares(rows, read, (read * 0.25) @ rows, EXACT)  # but they agree
    assert kappa is not None
    np.testing.assert_allclose(settled(kappa, EXACT), 0.2, rtol=1e-12)
    assert shares(np.ones((2, 5)), np.ones((3, 2)), np.ones((3, 5)), EXACT) is None  # two units alike


def test_part_of_the_inputs_may_be_handed_on():
    rng = np.random.default_rng(0)
    row = rng.standard_normal((1, 7))
    dense = Dense(np.vstack([rng.standard_normal((3, 7)), row]), rng.standard_normal(4), passage=1)
    inner = Dense(rng.standard_normal((4, 4)), rng.standard_normal(4))
    model = DeepModel(
        Prefix(7, [dense, inner]), Layer(rng.standard_normal((2, 5)), np.ones((1, 2)), np.zeros((1, 5)))
    )
    points = rng.standard_normal((200, 7))
    whole = model.with_whole_inputs()
    np.testing.assert_allclose(outputs(whole, points), outputs(model, points), atol=1e-12)
    assert whole.hidden_sizes == model.hidden_sizes == [3, 4, 2]
    module = model.module(torch.float64, with_slope=False)
    np.testing.assert_allclose(module(torch.from_numpy(points)).detach(), outputs(model, points), atol=1e-12)


@pytest.mark.parametrize("turned", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_clipped_units_are_pairs(turned):
    """max(z, 0) - max(z - 2, 0), its two units held either way, then 3 plain units of it."""
    rng = np.random.default_rng(0)
    rows, offsets = rng.standard_normal((4, 6)), rng.standard_normal(4)
    after, constants = rng.standard_normal((3, 4)), rng.standard_normal(3)
    low, high = turned
    held = Dense(
        np.concatenate([low * rows, high * rows]), np.concatenate([low * offsets, high * (offsets - 2)])
    ).with_passage()
    shift = (after * ((low < 0) * 1.0 - (high < 0) * 1.0)) @ np.column_stack([rows, offsets])
    shift[:, -1] += (high < 0) * 2.0 * after.sum(axis=1)
    last = np.column_stack([after, -after, shift[:, :-1], constants + shift[:, -1]])
    model = DeepModel(Prefix(6, [held]), Layer(last, rng.standard_normal((1, 3)), np.zeros((1, 15))))
    points = 3 * rng.standard_normal((300, 6))
    clipped = np.clip(points @ rows.T + offsets, 0, 2) @ after.T + constants
    np.testing.assert_allclose(
        outputs(model, points), np.maximum(clipped, 0) @ model.layer.weights.T, atol=1e-12
    )
    module, found = named_copy(model, False, torch.float64, EXACT)
    assert found.kinds == ("ReLU in pairs, as ReLU6 or Hardtanh", "ReLU")
    assert isinstance(module[1], nn.ReLU)
    np.testing.assert_allclose(module(torch.from_numpy(points)).detach(), outputs(model, points), atol=1e-11)
