"""Reconstruction from softmax probabilities, and from input times gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_victims import random_network

from divulge import (
    GradientOracle,
    InputTimesGradientOracle,
    ProbabilityOracle,
    Victim,
    compare,
    reconstruct,
)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(
    ("sizes", "scale"), [((30, 12, 3), 1), ((30, 12, 3), 30), ((30, 12, 1), 4), ((60, 20, 5), 1)]
)
def test_logits_up_to_a_shift(sizes, scale, gradients):
    network = random_network(*sizes)
    with torch.no_grad():
        for parameter in network[2].parameters():
            parameter *= scale
    victim = Victim(network)
    oracle = ProbabilityOracle(victim, gradients=gradients)
    result = reconstruct(oracle)
    found = compare(result, victim)
    assert result.complete, result.notes
    assert result.kind == "probability"
    assert result.queries_by_kind == {"probability": oracle.ledger.total}
    assert result.hidden_units == sizes[1]
    assert found.max_output_error < 1e-8 * found.output_range
    assert found.max_parameter_error < 1e-8 * scale
    assert found.agreement == 1
    points = np.random.default_rng(0).standard_normal((50, sizes[0]))
    logits = result.module(torch.from_numpy(points))
    assert logits.shape == (50, max(2, sizes[2]))
    assert not logits[:, 0].any()
    p = torch.softmax(logits, 1).detach().numpy()
    np.testing.assert_allclose(p, ProbabilityOracle(victim).probabilities(points), atol=1e-8)


def test_in_a_box():
    victim = Victim(random_network(30, 12, 3))
    result = reconstruct(ProbabilityOracle(victim, domain=(0, 1)))
    found = compare(result, victim, np.random.default_rng(1).uniform(size=(2000, 30)))
    assert result.complete, result.notes
    assert found.max_output_error < 1e-8 * found.output_range


@pytest.mark.parametrize("seed", range(3))
def test_units_that_switch_only_where_probabilities_are_0_are_said_to_be_missed(seed):
    """Nothing shows them, so the copy explains all answers; logits alone would have told."""
    network = random_network(30, 12, 3, seed=seed)
    with torch.no_grad():
        network[2].weight *= 30
        network[0].bias[0] = -1e5
    found = reconstruct(ProbabilityOracle(Victim(network), gradients=True), seed=seed)
    assert found.complete
    assert found.hidden_units == 11
    assert "where a probability is 0" in " ".join(map(str, found.notes))
    told = reconstruct(GradientOracle(Victim(network)), seed=seed)
    assert "probability" not in " ".join(map(str, told.notes))


def test_probabilities_that_vanish_are_named():
    network = random_network(10, 6, 3)
    with torch.no_grad():
        network[2].weight *= 1e4
    result = reconstruct(ProbabilityOracle(Victim(network)))
    assert not result.complete
    assert "probabilities are 0" in " ".join(map(str, result.notes))
    assert result.module(torch.zeros(1, 10, dtype=torch.float64)).shape == (1, 3)


def test_input_times_gradient():
    victim = Victim(random_network(30, 12, 2))
    result = reconstruct(InputTimesGradientOracle(victim))
    assert result.complete
    assert result.kind == "input_times_gradient"
    assert compare(result, victim).max_parameter_error < 1e-9
