"""Finished copies are judged: right ones pass, each kind of wrong one is caught, and where."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from random_victims import random_network

from divulge import GradientOracle, JacobianOracle, ValueOracle, Victim
from divulge.reconstruction.approach import approach_to
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.deep.vertices import at_vertices
from divulge.reconstruction.falsification.judge import Judgement, compared, judge, judge_at_vertices
from divulge.reconstruction.falsification.samples import Drawn
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix
from divulge.reconstruction.session import Session


def weights_of(module: torch.nn.Module) -> list[tuple[np.ndarray, np.ndarray]]:
    linear = [layer for layer in module if isinstance(layer, torch.nn.Linear)]
    return [
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()) for layer in linear
    ]


def exact(module: torch.nn.Module) -> DeepModel:
    """The victim's own weights as a copy, rows of the last hidden layer of length 1."""
    *inner, (rows, offsets), (weights, biases) = weights_of(module)
    size = np.linalg.norm(rows, axis=1)
    base = np.zeros((len(weights), rows.shape[1] + 1))
    base[:, -1] = biases
    prefix = Prefix(module[0].in_features, [Dense(*layer) for layer in inner])
    return DeepModel(prefix, Layer(np.column_stack([rows, offsets]) / size[:, None], weights * size, base))


def judged(model: DeepModel, module: torch.nn.Module, oracle: type = GradientOracle, **options) -> Judgement:
    asked = oracle(Victim(module, (module[0].in_features,)), **options)
    session = Session(asked, approach_to(asked), 0, None)
    transcripts = [session.transcript(output) for output in session.outputs]
    transcripts[0].scale = 1.0
    return judge(model, transcripts, session.lines, 100)


@pytest.mark.parametrize("sizes", [(20, 8, 1), (6, 12, 3), (12, 8, 6, 2), (1, 4, 1)])
@pytest.mark.parametrize("oracle", [GradientOracle, JacobianOracle, ValueOracle])
@pytest.mark.parametrize("domain", [None, (-1.0, 1.0)])
def test_the_victim_itself_passes(sizes, oracle, domain):
    module = random_network(*sizes, seed=1) if len(sizes) < 4 else deep(sizes)
    found = judged(exact(module), module, oracle, domain=domain)
    assert found.counterexample is None
    assert found.certificate.error < 1e-9
    assert found.certificate.answers >= 20


def deep(sizes: tuple[int, ...]) -> torch.nn.Sequential:
    torch.manual_seed(2)
    layers = [(torch.nn.Linear(a, b), torch.nn.ReLU()) for a, b in pairwise(sizes)]
    return torch.nn.Sequential(*[part for pair in layers for part in pair][:-1]).double()


def test_single_precision_passes_too():
    module = random_network(20, 10, 2, dtype=torch.float32)
    found = judged(exact(module), module)
    assert found.counterexample is None
    assert 1e-9 < found.certificate.error < 1e-4


def without_a_unit(layer: Layer) -> Layer:
    return Layer(layer.rows[1:], layer.weights[:, 1:], layer.base)


@pytest.mark.parametrize("outputs", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_unit_of_the_second_layer_that_only_the_last_output_shows_is_noticed(outputs, seed):
    module = deep((6, 5, 4, outputs))
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        module[2].weight.normal_(generator=drawn)
        module[2].bias[0] -= 3.0  # seldom on
        module[4].weight[:-1, 0] = 0.0
    model = exact(module)
    found = judged(replace(model, layer=without_a_unit(model.layer)), module)
    assert found.counterexample is not None
    assert found.counterexample.output == outputs - 1


def shifted(layer: Layer) -> Layer:
    rows = layer.rows.copy()
    rows[0, -1] += 1e-4
    return Layer(rows, layer.weights, layer.base)


def other_weight(layer: Layer) -> Layer:
    weights = layer.weights.copy()
    weights[-1, 0] *= 1.001
    return Layer(layer.rows, weights, layer.base)


def other_bias(layer: Layer) -> Layer:
    base = layer.base.copy()
    base[-1, -1] += 1e-3
    return Layer(layer.rows, layer.weights, base)


@pytest.mark.parametrize("spoil", [without_a_unit, shifted, other_weight, other_bias])
@pytest.mark.parametrize("sizes", [(20, 8, 1), (6, 12, 2)])
@pytest.mark.parametrize("oracle", [GradientOracle, ValueOracle])
def test_a_wrong_copy_is_caught(spoil, sizes, oracle):
    module = random_network(*sizes, seed=1)
    model = exact(module)
    wrong = judged(replace(model, layer=spoil(model.layer)), module, oracle).counterexample
    assert wrong is not None
    assert wrong.error > 1e-7
    assert wrong.point.shape == (sizes[0],)


@pytest.mark.parametrize("gap", [1e-4, 1e-2])
def test_two_units_taken_for_one_are_caught_beside_their_hyperplane(gap):
    module = random_network(20, 8, 1, seed=3)
    with torch.no_grad():
        module[0].weight[1] = module[0].weight[0]
        module[0].bias[1] = module[0].bias[0] + gap
    model = exact(module)
    (a, b), size = model.layer.weights[0, :2], len(model.layer)
    weights = np.append(a + b, model.layer.weights[0, 2:])[None]
    rows = np.delete(model.layer.rows, 1, axis=0)
    rows[0, -1] = (a * model.layer.rows[0, -1] + b * model.layer.rows[1, -1]) / (a + b)
    wrong = judged(replace(model, layer=Layer(rows, weights, model.layer.base)), module).counterexample
    assert size == 8
    assert wrong is not None
    assert wrong.drawn == "beside hyperplanes"


def test_a_budget_that_ends_is_said():
    module = random_network(20, 8, 1)
    found = judged(exact(module), module, budget=20)
    assert "budget of 20" in found.stopped
    assert found.counterexample is None
    assert found.certificate.answers < 20


def test_answers_for_the_judge_are_not_used_for_the_fit():
    module = random_network(20, 8, 1)
    oracle = GradientOracle(Victim(module, (20,)))
    session = Session(oracle, approach_to(oracle), 0, None)
    transcript = session.transcript(0)
    before = len(transcript)
    found = judge(exact(module), [transcript], session.lines, 100)
    assert len(transcript) == before
    assert oracle.ledger.total - before >= found.certificate.answers > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_unit_that_one_output_alone_has_is_missed_at_few_vertices(seed):
    torch.manual_seed(seed)
    module = deep((3, 12, 6, 3))
    first = exact(module).prefix.layers[0]
    points = at_vertices(first, Lines(3, None, np.random.default_rng(0)), 1000)
    with torch.no_grad():
        module[4].weight[:2, 0] = 0.0  # of the last output alone
        levels = torch.relu(module[0](torch.from_numpy(points))) @ module[2].weight[0]
        module[2].bias[0] = -levels.quantile(0.9)  # on at one vertex in ten
    model = exact(module)
    asked = GradientOracle(Victim(module, (3,)))
    session = Session(asked, approach_to(asked), seed, None)
    transcripts = [session.transcript(output) for output in session.outputs]
    transcripts[0].scale = 1.0

    def at(model: DeepModel) -> Judgement:
        return judge_at_vertices(model, transcripts, session.lines, 2200, Judgement(Certificate()))

    assert at(model).counterexample is None
    wrong = at(replace(model, layer=without_a_unit(model.layer))).counterexample
    assert wrong is not None
    assert wrong.output == 2
    assert wrong.drawn == "where hyperplanes meet"


def test_a_copy_about_which_no_usual_answer_counts_is_not_judged():
    """Under noise units with weights as small as it leave no point whose sides are certain."""
    module = random_network(12, 4, 1, seed=0)
    asked = GradientOracle(Victim(module, (12,)))
    transcript = Session(asked, approach_to(asked), 0, None).transcript(0)
    model, points = exact(module), np.random.default_rng(0).standard_normal((20, 12))
    drawn = [Drawn("standard normal", points), Drawn("far out", 10 * points)]
    nowhere = compared(drawn, model.pieces, lambda at: np.zeros(len(at), bool), [transcript], 0.0)
    assert "rounding" in nowhere.stopped
    assert not nowhere.certificate.samples
    anywhere = compared(drawn, model.pieces, lambda at: np.ones(len(at), bool), [transcript], 0.0)
    assert not anywhere.stopped
    assert anywhere.certificate.answers == 40
