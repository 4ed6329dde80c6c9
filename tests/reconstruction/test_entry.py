"""The whole attack, case by case: what it finds, what it asks, and what it says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_victims import function_error, random_network
from torch import nn

from divulge import (
    CallableOracle,
    GradientOracle,
    NotPiecewiseLinear,
    Progress,
    Victim,
    compare,
    reconstruct,
)

NORMAL = np.random.default_rng(99).normal(size=(2000, 60))


@pytest.mark.parametrize(
    ("sizes", "per_unit"),
    [((784, 32, 1), 3.5), ((784, 128, 1), 2.2), ((60, 30, 1), 4.0), ((20, 16, 1), 5.0), ((60, 20, 4), 5.0)],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_recovers_every_parameter(make_victim, sizes, per_unit, seed):
    victim = make_victim(*sizes, seed=seed)
    result = reconstruct(GradientOracle(victim), seed=seed)
    found = compare(result.module, victim)
    assert result.complete, result.notes
    assert result.hidden_units == sizes[1]
    assert found.max_parameter_error < 1e-9
    assert found.max_output_error < 1e-9 * found.output_range
    assert result.certificate.error < 1e-9
    searching = result.queries - result.certificate.answers
    assert searching <= per_unit * sizes[1] + 4 * (sizes[2] - 1)
    assert result.certificate.answers <= (28 if 2 * sizes[1] <= sizes[0] else 160)


def test_ledger_and_result_agree_and_the_seed_decides(make_victim):
    victim = make_victim(40, 15)
    runs = []
    for _ in range(2):
        oracle = GradientOracle(victim)
        result = reconstruct(oracle, seed=7)
        assert result.queries == oracle.ledger.total == sum(result.queries_by_kind.values())
        runs.append((result.queries, [p.detach().clone() for p in result.module.parameters()]))
    assert runs[0][0] == runs[1][0]
    for one, other in zip(runs[0][1], runs[1][1], strict=True):
        assert torch.equal(one, other)


def test_without_biases(make_victim):
    victim = make_victim(60, 20, 2, bias=False)
    result = reconstruct(GradientOracle(victim))
    assert result.complete
    assert compare(result.module, victim).max_parameter_error < 1e-9


@pytest.mark.parametrize("sizes", [(20, 30, 1), (20, 30, 5), (5, 8, 2), (2, 6, 1)])
def test_more_units_than_inputs(make_victim, sizes):
    victim = make_victim(*sizes)
    result = reconstruct(GradientOracle(victim))
    assert result.hidden_units == sizes[1]
    assert function_error(result.module, victim, NORMAL[:, : sizes[0]]) < 1e-9
    if result.complete:
        assert compare(result.module, victim).max_parameter_error < 1e-8
    else:
        assert "which side" in " ".join(map(str, result.notes))


def test_says_when_the_signs_are_not_unique(make_victim):
    victim = make_victim(20, 80)
    result = reconstruct(GradientOracle(victim))
    assert not result.complete
    assert "which side" in " ".join(map(str, result.notes))
    assert result.hidden_units == 80
    assert function_error(result.module, victim, NORMAL[:, :20]) < 1e-9


class WithSkip(nn.Module):
    """A hidden layer with an affine part beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = random_network(60, 20, 2)
        self.skip = nn.Linear(60, 2).double()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.hidden(inputs) + self.skip(inputs)


def test_affine_skip():
    victim = Victim(WithSkip(), input_shape=(60,))
    result = reconstruct(GradientOracle(victim))
    assert result.complete
    assert result.hidden_units == 20
    assert "affine part" in " ".join(map(str, result.notes))
    assert function_error(result.module, victim, NORMAL) < 1e-9


def test_linear_victim():
    victim = Victim(nn.Sequential(nn.Linear(20, 3)).double(), input_shape=(20,))
    result = reconstruct(GradientOracle(victim))
    assert result.hidden_units == 0
    assert function_error(result.module, victim, NORMAL[:, :20]) < 1e-12


def test_parallel_dead_and_unseen_units():
    network = random_network(60, 20, 2)
    with torch.no_grad():
        network[0].weight[3] = 2 * network[0].weight[4]  # parallel, with another offset
        network[0].weight[5] = 0  # constant
        network[2].weight[0, 7] = 0  # seen by the second output only
        network[2].weight[:, 8] = 0  # seen by none
    victim = Victim(network, input_shape=(60,))
    result = reconstruct(GradientOracle(victim))
    assert result.hidden_units == 18
    assert result.complete
    assert function_error(result.module, victim, NORMAL) < 1e-9


def test_two_units_on_one_hyperplane_facing_each_other():
    network = random_network(60, 20)
    with torch.no_grad():
        network[0].weight[3] = -network[0].weight[4]
        network[0].bias[3] = -network[0].bias[4]
    victim = Victim(network, input_shape=(60,))
    result = reconstruct(GradientOracle(victim))
    assert result.hidden_units == 19
    assert function_error(result.module, victim, NORMAL) < 1e-9


def test_gradients_alone(make_victim):
    victim = make_victim(100, 30)
    oracle = GradientOracle(victim, values=False)
    result = reconstruct(oracle)
    assert result.complete
    rows = victim.module[0]
    true = torch.cat([rows.weight, rows.bias[:, None]], 1).detach().numpy()
    found = torch.cat([result.module[0].weight, result.module[0].bias[:, None]], 1).detach().numpy()
    true, found = (m / np.linalg.norm(m[:, :-1], axis=1)[:, None] for m in (true, found))
    partner = (found[:, :-1] @ true[:, :-1].T).argmax(axis=1)
    assert sorted(partner) == list(range(30))
    assert np.abs(found - true[partner]).max() < 1e-10
    assert "biases" in " ".join(map(str, result.notes))


def test_restricted_domain(make_victim):
    victim = make_victim(40, 12)
    asked = []

    def answer(points, output):
        asked.append(points)
        return victim.values_and_gradients(points, output)

    oracle = CallableOracle(answer, 40, domain=(0.0, 1.0))
    result = reconstruct(oracle)
    queries = np.concatenate(asked)
    assert queries.min() >= 0
    assert queries.max() <= 1
    assert result.certificate.error < 1e-9
    inside = np.random.default_rng(1).uniform(size=(500, 40))
    assert function_error(result.module, victim, inside) < 1e-9
    assert "queries stay in a box" in " ".join(map(str, result.notes))


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 9])
def test_units_that_switch_in_corners_of_a_box(make_victim, seed):
    victim = make_victim(60, 20, seed=seed)
    result = reconstruct(GradientOracle(victim, domain=(0.0, 1.0)), seed=seed)
    vertices = np.random.default_rng(1).integers(0, 2, (5000, 60)).astype(float)
    assert result.complete
    assert function_error(result.module, victim, vertices) < 1e-9


def test_few_units_in_a_box_are_decoded(make_victim):
    result = reconstruct(GradientOracle(make_victim(12, 5, 2), domain=([0] * 12, [1] * 12)))
    assert result.complete
    assert result.queries_by_kind["gradient"] < 2000
    assert "queries stay in a box" in " ".join(map(str, result.notes))


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.5, TypeError), ("a", TypeError)])
def test_a_seed_is_a_whole_number(oracle, seed, error):
    with pytest.raises(error, match=f"a seed .*got {seed!r}"):
        reconstruct(oracle, seed=seed)


@pytest.mark.parametrize("seed", [3, 6, 8])
def test_units_that_only_aligned_vertices_reach(make_victim, seed):
    victim = make_victim(60, 30, seed=seed)
    rows = victim.module[0].weight.detach().numpy()
    result = reconstruct(GradientOracle(victim, domain=(0.0, 1.0)))
    assert result.complete
    assert result.hidden_units == 30
    assert compare(result, victim, domain=(0.0, 1.0)).units_folded == 0
    aligned = np.concatenate([rows > 0, rows < 0]).astype(float)
    assert function_error(result.module, victim, aligned) < 1e-9


@pytest.mark.parametrize("sizes", [(100, 30, 1), (784, 64, 3)])
def test_single_precision(make_victim, sizes):
    victim = make_victim(*sizes, dtype=torch.float32)
    result = reconstruct(GradientOracle(victim))
    found = compare(result.module, victim)
    assert result.complete
    assert result.hidden_units == sizes[1]
    assert found.max_output_error < 1e-4 * found.output_range
    assert result.module[0].weight.dtype == torch.float32


@pytest.mark.parametrize("budget", [0, 1, 10, 40, 55, 58])
def test_budget_that_runs_out_keeps_what_is_known(make_victim, budget):
    oracle = GradientOracle(make_victim(60, 25, 3), budget=budget)
    result = reconstruct(oracle)
    assert not result.complete
    assert result.queries == budget
    assert f"budget of {budget} queries" in result.notes[0].sentence
    assert result.certificate.error == np.inf
    assert result.module(torch.zeros(2, 60, dtype=torch.float64)).shape == (2, 3)


class Failing:
    """Answers for a while, then does something else."""

    def __init__(self, victim: Victim, after: int, failure) -> None:
        self.victim, self.left, self.failure = victim, after, failure

    def __call__(self, points, output):
        self.left -= len(points)
        if self.left < 0:
            return self.failure(points)
        return self.victim.values_and_gradients(points, output)


def interrupt(points):
    raise KeyboardInterrupt


def broken(points):
    raise ConnectionError("connection reset")


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (interrupt, "interrupted"),
        (broken, "connection reset"),
        (lambda points: (np.full(len(points), np.nan), np.zeros(points.shape)), "nan"),
        (lambda points: (np.zeros(len(points)), np.full(points.shape, np.inf)), "inf"),
    ],
)
@pytest.mark.parametrize("after", [0, 50])
def test_an_oracle_that_fails_keeps_what_is_known(make_victim, failure, words, after):
    oracle = CallableOracle(Failing(make_victim(60, 40), after, failure), 60)
    result = reconstruct(oracle)
    assert not result.complete
    assert words in result.notes[0].sentence


def test_not_piecewise_linear():
    smooth = nn.Sequential(nn.Linear(20, 10), nn.GELU(), nn.Linear(10, 3)).double()
    with pytest.raises(NotPiecewiseLinear, match="gradient changes by"):
        reconstruct(GradientOracle(Victim(smooth, input_shape=(20,))))


def test_deeper_network_is_found():
    torch.manual_seed(0)
    deep = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)).double()
    result = reconstruct(GradientOracle(Victim(deep, input_shape=(20,)), budget=4000))
    assert result.complete
    assert result.certificate.error < 1e-9
    points = torch.from_numpy(np.random.default_rng(0).standard_normal((1000, 20)))
    assert (result.module(points) - deep(points)).abs().max() < 1e-9


def test_progress_offers_a_copy(oracle):
    seen: list[Progress] = []
    reconstruct(oracle, progress=seen.append)
    assert seen[-1].queries >= seen[0].queries > 0
    copy = seen[-1].copy()
    assert copy is not None
    assert copy(torch.zeros(1, 30, dtype=torch.float64)).shape == (1, 1)


def test_wants_an_oracle(make_victim):
    with pytest.raises(TypeError, match=r"expected an oracle.*Victim"):
        reconstruct(make_victim(4, 3))
