"""Layers of units that have a slope below 0: the slope is read, and what follows is searched behind it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinds_of_units import Around, chain, prelu
from random_victims import function_error
from torch import nn

from divulge import GradientOracle, Victim, reconstruct
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.slopes_below import with_slopes
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix


def random_model(rng, sloped=(True, True)):
    """Three hidden layers, the first two with slopes below 0 where asked."""
    sizes, layers = (6, 5, 4), []
    for before, after, has in zip(sizes, (5, 4), sloped, strict=False):
        slopes = rng.uniform(-1.0, 1.0, after) if has else None
        layers.append(Dense(rng.standard_normal((after, before)), rng.standard_normal(after), slopes=slopes))
    last = Layer(rng.standard_normal((3, 5)), rng.standard_normal((2, 3)), rng.standard_normal((2, 5)))
    return DeepModel(Prefix(6, layers), last)


@pytest.mark.parametrize("sloped", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_as_relus_beside_their_input(seed, sloped):
    rng = np.random.default_rng(seed)
    model, points = random_model(rng, sloped), 3 * rng.standard_normal((50, 6))
    other = model.without_slopes()
    assert all(layer.slopes is None for layer in other.prefix.layers)
    for output in range(2):
        np.testing.assert_allclose(
            other.pieces(points, output), model.pieces(points, output), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_of_differences(seed):
    rng = np.random.default_rng(seed)
    prefix, points, step = random_model(rng).prefix, rng.standard_normal((20, 6)), 1e-6
    jacobians = prefix.jacobians(points)
    for k in range(6):
        ahead, behind = (prefix.features(points + way * step * np.eye(6)[k]) for way in (1, -1))
        np.testing.assert_allclose(jacobians[:, :, k], (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-7)
    rows = rng.standard_normal((20, 4))
    np.testing.assert_allclose(prefix.gradients(points, rows), np.einsum("nk,nkd->nd", rows, jacobians))
    np.testing.assert_allclose(prefix.along(points, np.broadcast_to(np.eye(6), (20, 6, 6))), jacobians)


def of_first_layer(module, inputs):
    """What asks about a victim, the units of its first layer, sides open, and lines."""
    victim = Victim(module.double(), (inputs,))
    lines = Lines(inputs, None, np.random.default_rng(0))
    probe = GradientProbe(Transcript(AskedOutput(GradientOracle(victim), 0)))
    first = next(part for part in module.modules() if isinstance(part, nn.Linear))
    rows, offsets = first.weight.detach().numpy(), first.bias.detach().numpy()
    size = np.linalg.norm(rows, axis=1) * np.random.default_rng(1).choice([-1.0, 1.0], len(rows))
    rows, offsets = rows / size[:, None], offsets / size
    feet = -offsets[:, None] * rows
    known, members = np.ones(rows.shape, bool), np.ones(len(rows), np.intp)
    return probe, Candidates(rows, known, offsets, members, feet), lines


@pytest.mark.parametrize("slope", [0.01, 0.3, -0.4, -1.0])
def test_the_slope_of_every_unit_is_read_whichever_way_round_it_is_held(slope):
    torch.manual_seed(3)
    module = chain(12, 7, 6, 1, unit=lambda n: nn.LeakyReLU(slope))
    probe, units, lines = of_first_layer(module, 12)
    layer = with_slopes(probe, Prefix(12), units, lines)
    np.testing.assert_allclose(layer.slopes, slope, rtol=1e-9)
    if abs(slope) < 1:
        signs = np.sign(np.sum(layer.rows * module[0].weight.detach().numpy(), axis=1))
        assert (signs == 1).all()


def test_other_layers_have_no_slopes():
    torch.manual_seed(4)
    plain = chain(12, 7, 6, 1, unit=lambda n: nn.ReLU())
    skip = nn.Sequential(
        Around(nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 12)), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 1)
    )
    probe, units, lines = of_first_layer(plain, 12)
    layer = with_slopes(probe, Prefix(12), units, lines)
    assert layer.slopes is None
    assert (np.sum(layer.rows * plain[0].weight.detach().numpy(), axis=1) > 0).all()
    probe, units, lines = of_first_layer(skip, 12)
    assert with_slopes(probe, Prefix(12), units, lines) is None


SIZES = [(20, 12, 8, 1), (24, 10, 14, 2), (30, 10, 10, 10, 2), (25, 12, 6, 9, 1)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["0.01", "0.2", "PReLU"])
def test_networks_of_such_layers_come_apart(sizes, kind):
    torch.manual_seed(5)
    module = chain(*sizes, unit=prelu if kind == "PReLU" else lambda n: nn.LeakyReLU(float(kind))).double()
    victim = Victim(module, sizes[:1])
    result = reconstruct(GradientOracle(victim, budget=20_000), seed=1)
    assert result.complete
    assert result.hidden_sizes == sizes[1:-1]
    points = np.random.default_rng(7).standard_normal((2000, sizes[0]))
    assert max(function_error(result.module, victim, scale * points) for scale in (0.3, 1, 10, 100)) < 1e-8
    if kind != "PReLU":
        for unit in result.unit_kinds[:-1]:
            slope = float(unit.removeprefix("LeakyReLU(").removesuffix(")"))
            assert slope == pytest.approx(float(kind), rel=1e-8)
    assert result.queries < 16_000
