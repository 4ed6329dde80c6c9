import numpy as np
import pytest
import torch
from computed_weights import computed_weights

import divulge
from divulge.surrogate.gradient_span import GradientSpan
from divulge.training import cnn, mlp

INPUTS, HIDDEN = 24, 5


@pytest.fixture(scope="module")
def victim():
    return divulge.Victim(mlp((INPUTS,), [HIDDEN, 4], 3, seed=0, dtype=torch.float64), (INPUTS,))


def answers(oracle, n, seed=0):
    return oracle.explain(np.random.default_rng(seed).standard_normal((n, INPUTS)))


@pytest.mark.parametrize("n", [3, 40])
def test_a_copy_in_the_span_reads_nothing_else(victim, n):
    told = answers(divulge.GradientOracle(victim), n)
    copy = mlp((INPUTS,), [7], 3, seed=1, dtype=torch.float64)
    span = GradientSpan.of(told, copy)
    assert span.size == min(n, HIDDEN)
    x = np.random.default_rng(1).standard_normal((9, INPUTS))
    seen = span.centre + (x - span.centre) @ span.basis @ span.basis.T
    expected = copy(torch.from_numpy(seen)).detach()
    small = span.shrunk(copy)
    inside = small(torch.from_numpy((x - span.centre) @ span.basis)).detach()
    torch.testing.assert_close(inside, expected)
    torch.testing.assert_close(span.grown(small)(torch.from_numpy(x)).detach(), expected)
    assert copy[1].weight.shape == (7, INPUTS)


def test_answers_in_the_span_are_those_of_the_victim_there(victim):
    told = answers(divulge.GradientOracle(victim), 40)
    span = GradientSpan.of(told, victim.module)
    inside = span.told(told)
    x = torch.from_numpy(inside.points).requires_grad_()
    values = span.shrunk(victim.module)(x)
    chosen = values.gather(1, torch.from_numpy(told.outputs)[:, None])[:, 0]
    np.testing.assert_allclose(chosen.detach(), told.values, atol=1e-9)
    (gradients,) = torch.autograd.grad(chosen.sum(), x)
    np.testing.assert_allclose(gradients, inside.explanations, atol=1e-9)


def test_there_is_no_span_where_answers_or_copies_show_none(victim):
    dense = mlp((INPUTS,), [7], 3)
    gradients = divulge.GradientOracle(victim)
    assert GradientSpan.of(answers(divulge.LabelOracle(victim), 9), dense) is None
    assert GradientSpan.of(answers(divulge.SaliencyOracle(victim), 9), dense) is None
    assert GradientSpan.of(answers(divulge.SignOnly(gradients), 9), dense) is None
    assert GradientSpan.of(answers(divulge.Noisy(gradients, 0.1), 40), dense) is None
    assert GradientSpan.of(answers(gradients, 9), cnn((6, 2, 2), 3, channels=(2,))) is None


def test_a_copy_comes_back_with_the_victims_inputs(victim):
    data = np.random.default_rng(2).standard_normal((200, INPUTS))
    stolen = divulge.steal(
        divulge.GradientOracle(victim), mlp((INPUTS,), [32], 3), queries=60, data=data, steps=20
    )
    assert stolen.module[1].in_features == INPUTS
    assert np.linalg.matrix_rank(stolen.module[1].weight.detach().double().numpy(), tol=1e-5) <= HIDDEN


@pytest.mark.parametrize(("name", "layer"), list(computed_weights()))
def test_a_first_layer_whose_weight_is_computed_learns_from_few_directions(name, layer):
    torch.manual_seed(0)
    linear = torch.nn.Linear(4, 2)
    with torch.no_grad():
        linear.weight[1] = -linear.weight[0]  # the gradients of both logits span one direction
    start = torch.nn.Sequential(layer, torch.nn.ReLU(), torch.nn.Linear(3, 2))
    oracle = divulge.GradientOracle(divulge.Victim(torch.nn.Sequential(linear, torch.nn.ReLU())))
    stolen = divulge.steal(oracle, start, queries=6, steps=3)
    assert stolen.module(torch.ones(2, 4)).shape == (2, 2)
