"""Two hidden layers and three, the first wider than its input, from the oracle to the copy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from deep_networks import sizes_of, victim_of
from random_victims import function_error
from torch import nn

from divulge import CallableOracle, GradientOracle, compare, reconstruct
from divulge.reconstruction.notes import NoteKind


def as_started(*sizes: int, seed: int) -> nn.Sequential:
    """A network as PyTorch starts it."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=torch.float64), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("sizes", [(8, 32, 32, 1), (14, 32, 32, 14), (6, 24, 12, 2)])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_first_layer_is_found_with_its_sides(sizes, seed):
    victim = victim_of(as_started(*sizes, seed=seed))
    oracle = GradientOracle(victim, budget=100_000)
    result = reconstruct(oracle, seed=seed)
    assert result.complete, result.notes
    assert result.hidden_sizes == sizes[1:-1]
    assert result.queries == oracle.ledger.total
    for scale in (0.3, 1.0, 3.0, 10.0):
        points = scale * np.random.default_rng(3).standard_normal((4000, sizes[0]))
        assert function_error(result.module, victim, points) < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_entries_that_show_at_few_inputs_are_told_before_a_copy_is_given_back(seed):
    victim = victim_of(as_started(8, 32, 32, 1, seed=seed))
    result = reconstruct(GradientOracle(victim, budget=100_000), seed=seed)
    assert result.complete, result.notes
    points = 10.0 * np.random.default_rng(12345).standard_normal((200_000, 8))
    off = np.abs(result.module(torch.from_numpy(points)).detach().numpy() - victim.values(points))
    assert (off > 1e-8).sum() <= 2  # one in 100,000


@pytest.mark.parametrize("budget", [6_000, 9_000])
def test_a_budget_that_ends_while_units_are_followed_leaves_what_was_found(budget):
    victim = victim_of(as_started(8, 32, 32, 1, seed=0))
    result = reconstruct(GradientOracle(victim, budget=budget), seed=0)
    assert not result.complete
    assert result.queries == budget
    assert any("budget" in note.sentence for note in result.notes)
    assert sizes_of(result.module)[0] == 32


def test_three_hidden_layers_are_never_taken_for_two():
    victim = victim_of(as_started(5, 12, 10, 8, 1, seed=1))
    result = reconstruct(GradientOracle(victim, budget=20_000), seed=1)
    if result.complete:
        points = np.random.default_rng(3).standard_normal((4000, 5))
        assert function_error(result.module, victim, points) < 1e-8
    else:
        assert result.notes
        assert result.hidden_sizes[:2] == (12, 10)


@pytest.mark.parametrize("sizes", [(4, 10, 8, 6, 1), (5, 12, 10, 8, 1)])
def test_three_wide_layers_are_found_with_their_sides(sizes):
    victim = victim_of(as_started(*sizes, seed=0))
    result = reconstruct(GradientOracle(victim, budget=60_000), seed=0)
    assert result.complete, result.notes
    assert len(result.hidden_sizes) == 3
    assert result.hidden_sizes[0] == sizes[1]
    for scale in (0.3, 1.0, 3.0, 10.0):
        points = scale * np.random.default_rng(3).standard_normal((4000, sizes[0]))
        assert function_error(result.module, victim, points) < 1e-8


def interrupted_at(victim, count):
    """A way to ask a victim that is interrupted by its user after so many inputs."""
    oracle, asked = GradientOracle(victim), 0

    def ask(points):
        nonlocal asked
        asked += len(points)
        if asked > count:
            raise KeyboardInterrupt
        return oracle.query(points)

    return CallableOracle(ask, input_size=victim.input_size, output_size=victim.output_size)


def test_ctrl_c_behind_the_second_layer_leaves_both_layers():
    victim = victim_of(as_started(5, 12, 10, 8, 1, seed=0))
    result = reconstruct(interrupted_at(victim, 10_000), seed=0)
    assert not result.complete
    assert [note.kind for note in result.notes if note.kind is NoteKind.INTERRUPTED]
    assert result.hidden_sizes[0] == 12
    assert len(result.hidden_sizes) > 1
    matched = [layer.units_matched for layer in compare(result, victim).layers[:2]]
    assert matched[0] == 12
    assert matched[1] >= 8


@pytest.mark.parametrize("sizes", [(1, 16, 16, 1), (1, 32, 32, 32, 1)])
def test_with_one_input_the_function_is_all_there_is_to_know(sizes):
    victim = victim_of(as_started(*sizes, seed=0))
    result = reconstruct(GradientOracle(victim, budget=100_000), seed=0)
    assert result.complete, result.notes
    for scale in (1.0, 10.0, 100.0):
        points = scale * np.random.default_rng(3).standard_normal((4000, 1))
        assert function_error(result.module, victim, points) < 1e-8


def controller(*sizes: int, seed: int) -> nn.Sequential:
    """A network that imitates a clipped linear law of inputs of unlike scales."""
    module = as_started(*sizes, seed=seed)
    rng = np.random.default_rng(seed)
    gain = torch.from_numpy(rng.standard_normal((sizes[0], sizes[-1])))
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(600):
        states = torch.from_numpy(rng.standard_normal((64, sizes[0])) * np.linspace(0.5, 2.0, sizes[0]))
        optimizer.zero_grad()
        nn.functional.mse_loss(module(states), torch.clamp(states @ gain, -1.0, 1.0)).backward()
        optimizer.step()
    return module


@pytest.mark.parametrize("seed", range(2))
def test_what_a_controller_of_few_inputs_computes_is_found_though_entries_stay_open(seed):
    sizes = (3, 16, 16, 2)
    victim = victim_of(controller(*sizes, seed=seed))
    result = reconstruct(GradientOracle(victim, budget=150_000), seed=seed)
    assert result.complete, result.notes
    assert result.hidden_sizes[0] == sizes[1]
    for scale in (0.3, 1.0, 3.0, 10.0, 100.0):
        points = scale * np.random.default_rng(3).standard_normal((10_000, sizes[0]))
        assert function_error(result.module, victim, points) < 1e-8


@pytest.mark.parametrize("seed", range(2))
def test_what_is_wrong_in_a_narrow_cone_alone_is_found(seed):
    sizes = (3, 12, 10, 2)
    module, rng = as_started(*sizes, seed=seed), np.random.default_rng(seed)
    gain = torch.from_numpy(rng.standard_normal((sizes[0], sizes[-1])))
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.0)
    for _ in range(800):
        points = torch.from_numpy(rng.standard_normal((64, sizes[0])))
        optimizer.zero_grad()
        nn.functional.mse_loss(module(points), (points @ gain).abs()).backward()
        optimizer.step()
    victim = victim_of(module)
    result = reconstruct(GradientOracle(victim, budget=150_000), seed=seed)
    assert result.complete, result.notes
    for scale in (1.0, 1e2, 1e4):
        points = scale * np.random.default_rng(99).standard_normal((200_000, sizes[0]))
        assert function_error(result.module, victim, points) < 1e-8
