"""The second layer read as whole rows through positive features, and the first layer that this takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from deep_networks import of_all_strengths, parameters, prefix_of, probe_of, random_deep, units_of, victim_of

from divulge import GradientOracle, ProbabilityOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.deep import attack
from divulge.reconstruction.deep.confirm_together import confirmed_together
from divulge.reconstruction.deep.positive_features import FeatureOutput, PositiveLines
from divulge.reconstruction.deep.regions import FreeLayer
from divulge.reconstruction.deep.unexplained_gradients import far_origin, unexplained
from divulge.reconstruction.deep.whole_rows import whole_rows
from divulge.reconstruction.falsification.samples import Drawn
from divulge.reconstruction.falsification.unsaturated import unsaturated
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix


def hardly_on(*sizes: int, seed: int, lowered: float) -> torch.nn.Sequential:
    """A random network whose second layer's biases are lowered, in deviations of its pre-activations."""
    network = random_deep(*sizes, seed=seed)
    points = torch.from_numpy(np.random.default_rng(99).standard_normal((5000, sizes[0])))
    with torch.no_grad():
        network[2].bias -= lowered * network[:3](points).std(dim=0)
    return network


def found_rows(network, seed=0):
    """What is found of the second layer once the first is known, how many queries it took, and the truth."""
    probe, lines = probe_of(network), Lines(network[0].in_features, None, np.random.default_rng(seed))
    free = FreeLayer.of(prefix_of(network, 1), None, lines.samples(32))
    assert free is not None
    return whole_rows(probe, free, lines), len(probe.transcript), units_of(network, 1)


def assert_same(found, truth):
    """Every unit once, its whole row and offset, up to sign."""
    assert len(found) == len(truth)
    assert found.known.all()
    cosines = found.rows @ truth.rows.T
    order = np.abs(cosines).argmax(axis=1)
    assert sorted(order) == list(range(len(truth)))
    sign = np.sign(cosines[np.arange(len(order)), order])
    np.testing.assert_allclose(found.rows, sign[:, None] * truth.rows[order], atol=1e-9)
    np.testing.assert_allclose(found.offsets, sign * truth.offsets[order], atol=1e-8)


@pytest.mark.parametrize("sizes", [(40, 24, 24, 3), (80, 40, 20, 1), (9, 9, 5, 1)])
@pytest.mark.parametrize("lowered", [0.0, 2.5])
def test_all_rows_are_whole_for_a_few_queries_a_unit(sizes, lowered):
    found, queries, truth = found_rows(hardly_on(*sizes, seed=3, lowered=lowered))
    assert found is not None
    assert_same(found, truth)
    assert queries <= sizes[1] + 8 + 6 * sizes[2] + 16


def test_more_units_than_features():
    found, _, truth = found_rows(random_deep(40, 12, 24, 1, seed=1))
    assert found is not None
    assert_same(found, truth)


def test_deeper_layers_are_noticed():
    for seed in range(3):
        found, queries, _ = found_rows(random_deep(40, 20, 10, 10, 1, seed=seed))
        assert found is None
        assert queries < 400


def test_features_are_those_asked_for_and_their_gradient_is_over_all_of_them():
    network = random_deep(12, 8, 6, 1, seed=2)
    probe, rng = probe_of(network), np.random.default_rng(0)
    free = FreeLayer.of(prefix_of(network, 1), None, rng.standard_normal((50, 12)))
    lines = PositiveLines(free, rng)
    features = np.concatenate([lines.samples(20), lines.axes()])
    np.testing.assert_allclose(
        prefix_of(network, 1).features(free.points(features)), features, rtol=1e-9, atol=1e-9
    )
    transcript = Transcript(FeatureOutput(probe, free))
    rows = transcript.ask(features)
    pieces = transcript.pieces[rows]
    tail = network[2:]
    x = torch.from_numpy(features).requires_grad_()
    values = tail(x).sum()
    values.backward()
    np.testing.assert_allclose(pieces[:, :-1], x.grad.numpy(), atol=1e-9)


def test_lines_between_positive_features_reach_both_ends():
    network = random_deep(12, 8, 6, 1)
    free = FreeLayer.of(prefix_of(network, 1), None, np.random.default_rng(0).standard_normal((50, 12)))
    lines = PositiveLines(free, np.random.default_rng(1))
    line = np.full(5, lines.add_line())
    assert (lines.points(line, np.linspace(*lines.span(), 5)) > 0).all()
    s = np.array([-3.0, 0.0, 2.0])
    np.testing.assert_allclose(lines.to_s(lines.to_t(s)), s, atol=1e-12)
    assert np.isfinite(lines.to_s(np.array([0.0, 1.0]))).all()
    assert np.isnan(lines.to_s(np.array([-0.5, 1.5]))).all()


def test_first_layer_units_are_told_from_deeper_ones_together():
    network = random_deep(30, 12, 10, 1, seed=4)
    first, rng = units_of(network, 0), np.random.default_rng(0)
    prefix, points = prefix_of(network, 1), rng.standard_normal((10, 30))
    rows = prefix.gradients(points, units_of(network, 1).rows)
    size = np.linalg.norm(rows, axis=1)
    deeper = first.take(np.arange(10))
    deeper = type(deeper)(
        rows / size[:, None],
        np.ones(rows.shape, bool),
        rng.standard_normal(10),
        deeper.members,
        deeper.points,
    )
    probe, lines = probe_of(network), Lines(30, None, rng)
    np.testing.assert_array_equal(confirmed_together(probe, first, lines, None), True)
    np.testing.assert_array_equal(confirmed_together(probe, deeper, lines, first), False)
    assert len(probe.transcript) < 12 * 4 + 200


def test_what_known_rows_leave_of_a_gradient_shows_a_missing_unit():
    network = random_deep(20, 8, 6, 1, seed=5)
    probe, first = probe_of(network), units_of(network, 0)
    probe.pieces(np.random.default_rng(0).standard_normal((40, 20)))
    assert unexplained(probe, first.rows) is None
    known = first.take(np.arange(7))
    left = unexplained(probe, known.rows)
    assert left is not None
    strength, direction = left
    assert 0.01 < strength <= 1
    assert np.abs(known.rows @ direction).max() < 1e-9 * np.linalg.norm(direction)
    assert abs(first.rows[7] @ direction) > 0.1


def test_where_nothing_is_known_a_line_starts_at_a_usual_point():
    lines = Lines(6, None, np.random.default_rng(0))
    none = units_of(random_deep(6, 4, 3, 1), 0).take(np.empty(0, np.intp))
    assert np.linalg.norm(far_origin(probe_of(random_deep(6, 5, 4, 1)), none, lines)) < 10


@pytest.mark.parametrize("sizes", [(40, 24, 24, 3), (100, 48, 48, 5)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lowered", [2.0, 2.5])
def test_a_second_layer_that_is_hardly_ever_on_comes_out_whole(sizes, seed, lowered):
    network = hardly_on(*sizes, seed=seed, lowered=lowered)
    result = reconstruct(GradientOracle(victim_of(network)), seed=seed)
    assert result.complete
    assert result.hidden_sizes == sizes[1:3]
    assert result.queries < 2000
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, sizes[0])))
    with torch.no_grad():
        assert (result.module(points) - network(points)).abs().max() < 1e-9


def test_rounding_is_no_miss_where_the_gradient_is_0():
    network = hardly_on(40, 24, 24, 3, seed=0, lowered=2.5)
    probe = probe_of(network)
    points = np.random.default_rng(0).standard_normal((400, 40))
    pieces = probe.pieces(points)
    flat = ~pieces[:, :-1].any(axis=1)
    assert flat.sum() > 5
    assert probe.misses(points[flat], pieces[flat] + 1e-16).max() < 1e-12


@pytest.mark.parametrize("seed", [2, 3])
def test_weights_that_decayed_to_a_hundred_thousandth(seed):
    network = of_all_strengths(30, 12, 12, 3, seed=seed, least=1e-5)
    result = reconstruct(GradientOracle(victim_of(network), budget=6000), seed=seed)
    assert result.complete
    assert result.hidden_sizes == (12, 12)
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, 30)))
    with torch.no_grad():
        off = (result.module(points) - network(points)).abs().max() / network(points).abs().max()
    assert off < 1e-8


def test_units_that_one_output_weighs_alike_are_told_apart_behind_another():
    network = random_deep(30, 12, 8, 2, seed=6)
    with torch.no_grad():  # of the last unit the first output shows nothing
        network[4].weight[0, -1] = 0.0
    result = reconstruct(GradientOracle(victim_of(network), budget=6000), seed=0)
    assert result.complete
    assert result.hidden_sizes == (12, 8)
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, 30)))
    with torch.no_grad():
        assert (result.module(points) - network(points)).abs().max() < 1e-9


def used_far_out_alone(seed: int, shown: float) -> torch.nn.Sequential:
    """Units of all strengths; the second output uses one that is on where one feature exceeds all others."""
    network = random_deep(30, 12, 8, 2, seed=seed)
    with torch.no_grad():
        network[4].weight[0, 0] *= 1e-7
        network[4].weight[0, -1] = shown
        network[2].weight[-1] = -network[2].weight[-1].abs()
        network[2].weight[-1, 3] *= -1.0
        network[2].bias[-1] = -20.0
    return network


@pytest.mark.parametrize("shown", [0.0, 1e-8])
@pytest.mark.parametrize("seed", range(3))
def test_a_unit_that_another_output_uses_far_out_alone_is_found(seed, shown):
    network = used_far_out_alone(seed, shown)
    result = reconstruct(GradientOracle(victim_of(network), budget=9000), seed=0)
    assert result.complete
    assert result.hidden_sizes == (12, 8)
    features = np.full((1, 12), 0.01)
    features[0, 3] = 1e3
    weight, bias = (part.detach().numpy() for part in (network[0].weight, network[0].bias))
    points = torch.from_numpy((features - bias) @ np.linalg.pinv(weight).T)
    with torch.no_grad():
        assert network[:3](points)[0, -1] > 0
        assert (result.module(points) - network(points)).abs().max() < 1e-7 * network(points).abs().max()


def test_a_copy_that_lacks_a_unit_beside_an_axis_is_not_called_complete(monkeypatch):
    monkeypatch.setattr(attack, "seen_behind", lambda search, probe, fit: None)
    result = reconstruct(GradientOracle(victim_of(used_far_out_alone(0, 0.0)), budget=9000), seed=0)
    assert not result.complete


def rounded_free(network, rng):
    """The first layer of a network as single precision shows it: rows and offsets known to 1e-6."""
    layer = prefix_of(network, 1).layers[0]
    rows = layer.rows * (1 + 1e-6 * rng.standard_normal(layer.rows.shape))
    blunt = Dense(rows, layer.offsets + 1e-6 * rng.standard_normal(len(rows)))
    return FreeLayer.of(Prefix(rows.shape[1], [blunt]), None, rng.standard_normal((32, rows.shape[1])))


@pytest.mark.parametrize("seed", range(3))
def test_single_precision_shows_whole_rows_behind_a_layer_that_is_known_roughly(seed):
    rng, network = np.random.default_rng(seed), random_deep(60, 32, 24, 1, seed=seed)
    truth, free = units_of(network, 1), rounded_free(network, rng)
    probe, lines = probe_of(network.float()), Lines(60, None, rng)
    found = whole_rows(probe, free, lines)
    assert found is not None
    assert len(found) == 24
    cosines = np.abs(found.rows @ truth.rows.T)
    assert sorted(cosines.argmax(axis=1)) == list(range(24))
    assert cosines.max(axis=1).min() > 1 - 1e-4
    assert len(probe.transcript) <= 33 + 8 + 6 * 24 + 16


def test_lines_among_features_keep_rounding_off_the_least_of_them():
    rng = np.random.default_rng(0)
    free = rounded_free(random_deep(60, 32, 24, 1, seed=1), rng)
    for rounded, ratio in ((False, 1e5), (True, 1e3)):
        features = PositiveLines(free, rng, rounded).samples(200) / free.spread
        largest = (features.max(axis=1) / features.min(axis=1)).max()
        assert (largest > ratio) == (not rounded)


@pytest.mark.parametrize("seed", [3, 7, 8])
def test_networks_of_single_precision_are_complete_to_its_rounding(seed):
    torch.manual_seed(seed)  # of these seeds the first output shows some unit too weakly to place it
    network = torch.nn.Sequential(
        torch.nn.Linear(100, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 5),
    )
    result = reconstruct(GradientOracle(victim_of(network), budget=20_000), seed=seed)
    assert result.complete
    assert result.hidden_sizes == (32, 32)
    for scale in (0.3, 1.0, 10.0, 100.0):
        points = scale * torch.from_numpy(np.random.default_rng(1).standard_normal((1000, 100))).float()
        with torch.no_grad():
            true, copy = network(points), result.module(points)
        assert float((copy - true).abs().max()) <= 1e-4 * float(true.max() - true.min())


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_that_come_out_worse_when_measured_again_are_kept_as_they_were(monkeypatch, seed):
    """The first output need not show it: here it is fitted as well, and the others are not."""
    measured = attack.sharpened

    def spoilt(search, probe_at, fit):
        again = measured(search, probe_at, fit)
        rows = again.layer.rows.copy()
        rows[0, 0] += 0.05  # too near to be met as another unit
        search.confirmed[1] = replace(search.confirmed[1], rows=rows[:, :-1], offsets=rows[:, -1])
        return replace(again, layer=replace(again.layer, rows=rows))

    network = random_deep(60, 16, 10, 4, seed=seed).float()
    monkeypatch.setattr(attack, "sharpened", spoilt)
    result = reconstruct(GradientOracle(victim_of(network), budget=20_000), seed=seed)
    assert result.complete, result.notes
    assert result.hidden_sizes == (16, 10)


def steep(*sizes, seed):
    """A network whose probabilities are 0 from some hundred times as far out as usual on."""
    network = random_deep(*sizes, seed=seed)
    with torch.no_grad():
        for parameter in network[4].parameters():
            parameter *= 5.0
    return network


@pytest.mark.parametrize("seed", range(3))
def test_probabilities_show_whole_rows_where_none_is_zero(seed):
    network = steep(60, 24, 24, 4, seed=seed)
    victim = victim_of(network)
    result = reconstruct(ProbabilityOracle(victim, gradients=True, budget=20_000), seed=seed)
    assert result.complete, result.notes
    assert result.hidden_sizes == (24, 24)
    for scale in (0.3, 1.0, 10.0):
        points = scale * torch.from_numpy(np.random.default_rng(1).standard_normal((1000, 60)))
        with torch.no_grad():
            true, copy = network(points), result.module(points)
        true, copy = true - true[:, :1], copy - copy[:, :1]
        assert float((copy - true).abs().max()) <= 1e-8 * float(true.abs().max())


def test_features_keep_to_where_answers_do_not_saturate():
    rng = np.random.default_rng(0)
    free = FreeLayer.of(prefix_of(random_deep(60, 24, 8, 1), 1), None, rng.standard_normal((32, 60)))
    lines = PositiveLines(free, rng, farthest=40.0)
    for features in (lines.samples(50), lines.axes()):
        assert (features > 0).all()
        assert np.linalg.norm(free.points(features), axis=1).max() <= 2 * 40.0


def test_points_at_which_a_copy_saturates_are_moved_inwards():
    network = steep(20, 12, 8, 3, seed=0)
    model = DeepModel(prefix_of(network, 1), last_of(network))
    lines = Lines(20, None, np.random.default_rng(0), reach=50.0)
    far = Drawn("far out", 1e4 * lines.samples(40))
    moved = next(unsaturated([far], model, lines, single=False)).points
    with torch.no_grad():
        odds = network(torch.from_numpy(moved)).numpy()
    spread = np.maximum(odds.max(axis=1), 0) - np.minimum(odds.min(axis=1), 0)
    assert spread.max() <= 1.01 * 708 / 1.5
    assert np.linalg.norm(moved, axis=1).min() > 20
    anywhere = Lines(20, None, np.random.default_rng(0))
    assert next(unsaturated([far], model, anywhere, single=False)) is far


def last_of(network):
    """The last hidden layer of a network of two, with its outputs."""
    (rows, offsets), (weights, biases) = parameters(network)[1:]
    base = np.column_stack([np.zeros((len(biases), rows.shape[1])), biases])
    return Layer(np.column_stack([rows, offsets]), weights, base)
