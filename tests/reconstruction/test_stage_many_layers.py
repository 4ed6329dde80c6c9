"""How much is asked about finished copies: behind wide first layers, and where a linear part is kept."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from deep_networks import parameters, prefix_of, random_deep, victim_of

from divulge import GradientOracle, Victim
from divulge.reconstruction.approach import approach_to
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.reconstruction.deep.attack import DeepResult
from divulge.reconstruction.falsification.extreme_rays import drawn_rays, has_rays
from divulge.reconstruction.falsification.judge import Judgement
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.session import Session
from divulge.reconstruction.stage_many_layers import first_is_wide, in_every_way, result_of

UNITS = 34


def with_a_unit_on_at_one_vertex(rng: np.random.Generator) -> tuple[Dense, Layer]:
    """Two layers of three inputs, the last unit on in a tiny region far from the origin alone."""
    rows = rng.standard_normal((UNITS, 3))
    first = Dense(rows, rng.standard_normal(UNITS) - rows @ (30 * rng.standard_normal(3)))
    sets = np.array(list(combinations(range(UNITS), 3)))
    vertices = np.linalg.solve(first.rows[sets], -first.offsets[sets][:, :, None])[:, :, 0]
    drawn = rng.uniform(0.5, 1.5, (50, UNITS))  # convex, hence least at a vertex
    least, next_one = np.sort(Prefix(3, [first]).features(vertices) @ drawn.T, axis=0)[:2]
    best = np.argmax(next_one - least)  # a region that is not too small for points beside vertices
    falling, border = drawn[best], 0.1 * least[best] + 0.9 * next_one[best]
    size = np.linalg.norm(falling)
    rows = np.column_stack([rng.standard_normal((5, UNITS)), 30 * rng.standard_normal(5)])
    rows = np.vstack([rows, np.append(-falling, border)])
    rows /= np.linalg.norm(rows[:, :-1], axis=1, keepdims=True)
    weights = rng.standard_normal((1, 6))
    weights[0, -1] = size
    return first, Layer(rows, weights, np.zeros((1, UNITS + 1)))


def module_of(first: Dense, second: Layer) -> torch.nn.Sequential:
    module = torch.nn.Sequential(
        torch.nn.Linear(3, UNITS),
        torch.nn.ReLU(),
        torch.nn.Linear(UNITS, 6),
        torch.nn.ReLU(),
        torch.nn.Linear(6, 1),
    ).double()
    numbers = first.rows, first.offsets, second.rows[:, :-1], second.rows[:, -1], second.weights, np.zeros(1)
    with torch.no_grad():
        for parameter, values in zip(module.parameters(), numbers, strict=True):
            parameter.copy_(torch.from_numpy(values))
    return module


@pytest.mark.parametrize("seed", range(5))
def test_a_unit_at_one_vertex_is_not_missed_for_what_judging_took(seed):
    rng = np.random.default_rng(seed)
    first, second = with_a_unit_on_at_one_vertex(rng)
    oracle = GradientOracle(Victim(module_of(first, second), (3,)))
    session = Session(oracle, approach_to(oracle), seed, None)
    session.transcript(0).ask(rng.standard_normal((60_000, 3)))  # as judging of earlier copies did
    missing = Layer(second.rows[:-1], second.weights[:, :-1], second.base)
    copies = [DeepModel(Prefix(3, [first]), layer) for layer in (missing, second)]
    wrong, right = (
        in_every_way(session, DeepResult(model, [0], 0.0, True, False, True), True, 2_000) for model in copies
    )
    assert wrong.counterexample is not None
    assert right.counterexample is None


def hardly_ever_off(seed: int, off: float) -> tuple[GradientOracle, DeepModel]:
    """A network whose last unit is off far out in one narrow cone, and a copy to which it is linear.

    Args:
        off: size of the cone, 0 for none.
    """
    network, rng = random_deep(20, 8, 7, 5, 1, seed=seed), np.random.default_rng(seed)
    prefix = prefix_of(network, 2)
    features = prefix.features(1e6 * drawn_rays(prefix, rng) @ np.linalg.pinv(prefix.layers[0].rows).T)
    total = features.sum(axis=1, keepdims=True)
    features = (features / np.maximum(total, 1e-300))[total[:, 0] > 1e-9 * total.max()]
    row = rng.standard_normal(7)
    shares = features @ row
    row += off * np.ptp(shares) - shares.min()
    (rows, offsets), (weights, base) = parameters(network)[2:]
    with torch.no_grad():
        network[4].weight[0] = torch.from_numpy(row)
        network[4].bias[0] = 1.0
    rows, offsets = (each.copy() for each in (rows, offsets))
    size = np.linalg.norm(rows[1:], axis=1)
    layer = Layer(
        np.column_stack([rows[1:], offsets[1:]]) / size[:, None],
        weights[:, 1:] * size,
        np.append(weights[0, 0] * row, weights[0, 0] + base[0])[None],
    )
    return GradientOracle(victim_of(network)), DeepModel(prefix, layer)


def kept_linear(model: DeepModel) -> DeepResult:
    return DeepResult(model, [0], 0.0, True, True, False)


@pytest.mark.parametrize("seed", range(4))
def test_a_unit_off_in_one_narrow_cone_is_not_taken_for_a_linear_part(seed):
    oracle, model = hardly_ever_off(seed, off=-0.02)
    session = Session(oracle, approach_to(oracle), seed, None)
    assert has_rays(model.prefix, session.lines)
    assert in_every_way(session, kept_linear(model), False, 2_000).counterexample is not None


def test_a_copy_with_weights_that_nothing_shows_is_asked_about_more():
    network = random_deep(20, 8, 7, 1, seed=0)
    (rows, offsets), (weights, base) = parameters(network)[1:]
    layer = Layer(np.column_stack([rows, offsets]), weights, np.append(np.zeros(8), base)[None])
    asked = []
    for unseen in (0, 1):
        oracle = GradientOracle(victim_of(network))
        session = Session(oracle, approach_to(oracle), 0, None)
        found = DeepResult(
            DeepModel(prefix_of(network, 1), layer), [0], 0.0, True, False, True, unseen=unseen
        )
        assert in_every_way(session, found, False, 2_000).counterexample is None
        asked.append(session.queries)
    assert asked[1] > 4 * asked[0]


@pytest.mark.parametrize("inputs", [6, 10])
def test_copies_behind_a_first_layer_wider_than_its_input_are_asked_about_at_its_vertices(inputs):
    network = random_deep(inputs, 8, 7, 1, seed=0)
    (rows, offsets), (weights, base) = parameters(network)[1:]
    layer = Layer(np.column_stack([rows, offsets]), weights, np.append(np.zeros(8), base)[None])
    oracle = GradientOracle(victim_of(network))
    session = Session(oracle, approach_to(oracle), 0, None)
    found = DeepResult(DeepModel(prefix_of(network, 1), layer), [0], 0.0, True, False, True)
    told = in_every_way(session, found, False, 2_000).certificate
    assert ("hyperplanes meet" in str(told)) == (inputs < 8)


def found_of(network: torch.nn.Sequential, beside_axes: float | None = None) -> tuple[Session, DeepResult]:
    """What an attack would find of a network of two hidden layers, and the session it asks in."""
    (rows, offsets), (weights, base) = parameters(network)[1:]
    layer = Layer(np.column_stack([rows, offsets]), weights, np.append(np.zeros(rows.shape[1]), base)[None])
    oracle = GradientOracle(victim_of(network))
    model = DeepModel(prefix_of(network, 1), layer)
    found = DeepResult(model, [0], 0.0, True, False, True, beside_axes=beside_axes)
    return Session(oracle, approach_to(oracle), 0, None), found


@pytest.mark.parametrize(("rank", "wide"), [(6, True), (7, True), (8, False)])
def test_a_first_layer_is_wide_where_its_units_outnumber_what_its_rows_tell_apart(rank, wide):
    network, rng = random_deep(20, 8, 7, 1, seed=rank), np.random.default_rng(rank)
    with torch.no_grad():
        rows = rng.standard_normal((8, rank)) @ rng.standard_normal((rank, 20))
        network[0].weight.copy_(torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    session, found = found_of(network)
    assert first_is_wide(session, found) == wide
    judgement = in_every_way(session, found, False, 2_000)
    assert judgement.counterexample is None
    assert ("hyperplanes meet" in str(judgement.certificate)) == wide


def test_a_clipped_unit_is_one_of_the_first_layer():
    network = random_deep(8, 8, 7, 1, seed=0)
    with torch.no_grad():
        network[0].weight[4:] = network[0].weight[:4]
    assert not first_is_wide(*found_of(network))


@pytest.mark.parametrize(("off", "said"), [(5e-8, 5e-8), (None, 0.0)])
def test_what_a_copy_is_off_by_beside_axes_is_said_in_its_certificate(off, said):
    session, found = found_of(random_deep(10, 8, 7, 1, seed=0), beside_axes=off)
    told = Judgement(Certificate((Sample("standard normal", 100, 1e-13),)))
    certificate = result_of(session, found, told).certificate
    assert certificate.beside_axes == said
    assert certificate.error == max(said, 1e-13)
    assert ("off by up to 5.0e-08" in str(certificate)) == (said > 0)
