"""The span test accepts exactly the jumps of single units."""

from __future__ import annotations

import numpy as np
from random_victims import random_network

from divulge import GradientOracle, Victim
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.one_layer.decoding import Residual, Span, span_test


def walked(inputs: int, hidden: int, nodes: int, seed: int = 0):
    """Two lines walked with evenly spaced queries."""
    network = random_network(inputs, hidden, seed=seed)
    transcript = Transcript(AskedOutput(GradientOracle(Victim(network, input_shape=(inputs,))), 0))
    lines = Lines(inputs, None, np.random.default_rng(seed))
    for _ in range(2):
        line = lines.add_line()
        s = np.linspace(*lines.span(), nodes)
        where = np.full(nodes, line)
        lines.record(transcript.ask(lines.points(where, s)), where, s)
    span = Span(inputs)
    span.update(transcript)
    return network, transcript, lines, span


def test_rank_counts_the_units_once_all_have_switched():
    _, _, _, span = walked(50, 12, 40)
    assert span.rank == 12


def test_accepted_jumps_are_single_units():
    network, transcript, lines, span = walked(50, 12, 24)
    residual = Residual(transcript, lines.edges())
    complete = span_test(residual, span.complement(transcript), span.rank, set())
    assert complete
    weight = (network[0].weight * network[2].weight.T).detach().numpy()
    found = residual.units.jumps[:, :-1]
    gap = np.minimum(
        np.linalg.norm(found[:, None] - weight, axis=2), np.linalg.norm(found[:, None] + weight, axis=2)
    )
    assert len(found) >= 8
    assert gap.min(axis=1).max() < 1e-12


def test_nothing_is_left_when_every_unit_is_alone_on_some_edge():
    _, transcript, lines, span = walked(60, 6, 200)
    residual = Residual(transcript, lines.edges())
    assert span_test(residual, span.complement(transcript), span.rank, set())
    assert len(residual.units) == 6
    assert not len(residual.live())
