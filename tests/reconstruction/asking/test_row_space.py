"""Victims of few combinations of their inputs."""

import numpy as np
import pytest
import torch
from deep_networks import random_deep, victim_of

from divulge import CallableOracle, GradientOracle, reconstruct
from divulge.reconstruction import stage_many_layers
from divulge.reconstruction.approach import approach_to
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.row_space import OutsideRowSpace, RowSpace, RowSpaceOutput
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.falsification.judge import Counterexample, Judgement
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import RANK
from divulge.reconstruction.within_row_space import Within, row_space_of


def off_by(network, module, scale=1.0):
    x = scale * torch.from_numpy(np.random.default_rng(9).standard_normal((4000, network[0].in_features)))
    with torch.no_grad():
        return float((network(x) - module(x)).abs().max() / (network(x).max() - network(x).min()))


@pytest.mark.parametrize("rank", [1, 4])
def test_the_span_of_gradients_is_read_and_grown(rank):
    rng = np.random.default_rng(rank)
    rows = rng.standard_normal((rank, 30))
    space = RowSpace.of(rng.standard_normal((20, rank)) @ rows, RANK)
    assert space.basis.shape == (rank, 30)
    np.testing.assert_allclose(space.basis @ space.basis.T, np.eye(rank), atol=1e-12)
    space.check(rows, 1.0)
    more = rng.standard_normal((2, 30))
    with pytest.raises(OutsideRowSpace) as met:
        space.check(np.vstack([rows, more]), 1.0)
    np.testing.assert_array_equal(met.value.gradients, more)
    grown = space.grown(more)
    assert len(grown) == rank + 2
    grown.check(np.vstack([rows, more]), 1.0)


def test_answers_are_those_of_a_network_of_fewer_inputs():
    network = random_deep(40, 5, 4, 2, seed=0)
    asked = AskedOutput(GradientOracle(victim_of(network)), 1)
    transcript = Transcript(asked)
    transcript.ask(np.random.default_rng(0).standard_normal((30, 40)))
    space = RowSpace.of(transcript.pieces[:, :-1], RANK)
    inner = random_deep(5, 5, 4, 2, seed=0)
    inner.load_state_dict(
        network.state_dict() | {"0.weight": network[0].weight @ torch.from_numpy(space.basis.T)}
    )
    points = np.random.default_rng(1).standard_normal((50, 5))
    values, gradients = RowSpaceOutput(asked, space, transcript.scale).query(points)
    expected = AskedOutput(GradientOracle(victim_of(inner)), 1).query(points)
    np.testing.assert_allclose(values, expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gradients, expected[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("sizes", "seed"),
    [((300, 6, 5, 1), 0), ((300, 6, 5, 1), 1), ((200, 8, 8, 6, 3), 1), ((200, 8, 8, 6, 3), 2)],
)
def test_narrow_networks_of_many_inputs_come_out_whole(sizes, seed):
    network = random_deep(*sizes, seed=seed)
    oracle = GradientOracle(victim_of(network), budget=20_000)
    result = reconstruct(oracle, seed=seed)
    assert {note.kind for note in result.notes} <= {NoteKind.AFFINE_PART}  # of a unit that is always on
    assert result.module[0].in_features == sizes[0]
    assert off_by(network, result.module) < 1e-9
    assert off_by(network, result.module, 10.0) < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_unit_that_is_seldom_on_is_found_outside_the_span(seed):
    network = random_deep(60, 6, 5, 1, seed=seed)
    with torch.no_grad():
        network[0].bias[2] = -2.7 * network[0].weight[2].norm()  # on at 1 in 300 points
    result = reconstruct(GradientOracle(victim_of(network), budget=40_000), seed=seed)
    wrong = off_by(network, result.module, 3.0) > 1e-9
    assert result.complete or wrong
    assert not (result.complete and wrong)


def test_ctrl_c_while_a_refuted_copy_is_looked_at_ends_the_search(monkeypatch):
    victim = victim_of(random_deep(60, 6, 5, 1, seed=1))
    refuted, interrupted = False, 0

    def answer(points):
        nonlocal interrupted
        if refuted:
            interrupted += 1
            raise KeyboardInterrupt
        return victim.values_and_gradients(points, 0)

    def judged(session, found, searched):
        nonlocal refuted
        refuted = True
        return Judgement(Certificate(), Counterexample(0, np.ones(60), 1.0, "here", np.empty((0, 60))))

    monkeypatch.setattr(stage_many_layers, "judged", judged)
    result = reconstruct(CallableOracle(answer, 60))
    assert interrupted == 1
    assert not result.complete
    assert NoteKind.INTERRUPTED in [note.kind for note in result.notes]


def test_a_space_that_grows_beyond_what_pays_is_left():
    oracle = GradientOracle(victim_of(random_deep(12, 4, 3, 1, seed=0)))
    session = Session(oracle, approach_to(oracle), 0, None)
    within = Within(session, row_space_of(session))
    more = np.random.default_rng(0).standard_normal((6, 12))
    assert len(within.space) == 4
    assert len(within.grown(more[:2]).space) == 6
    assert within.grown(more).space is None


def test_a_constant_has_no_space():
    network = random_deep(12, 4, 1, seed=0)
    with torch.no_grad():
        network[2].weight.zero_()
    oracle = GradientOracle(victim_of(network))
    assert row_space_of(Session(oracle, approach_to(oracle), 0, None)) is None


def test_what_was_asked_in_a_space_that_is_too_small_is_kept():
    network = random_deep(40, 8, 4, 1, seed=3)
    oracle = GradientOracle(victim_of(network))
    session = Session(oracle, approach_to(oracle), 0, None)
    transcript = session.transcript(0)
    asked = len(transcript)
    space = RowSpace.of(transcript.pieces[:, :-1], RANK)
    within = Within(session, space)
    with pytest.raises(OutsideRowSpace) as met:
        within.probe(0).pieces(np.random.default_rng(0).standard_normal((9, len(space))) * 50)
    grown = within.grown(met.value.gradients)
    assert len(session.transcript(0)) == asked + 9
    assert oracle.ledger.total == len(session.transcript(0))
    values, gradients = victim_of(network).values_and_gradients(session.transcript(0).points[:, :-1], 0)
    np.testing.assert_allclose(session.transcript(0).values(), values, atol=1e-12)
    np.testing.assert_allclose(session.transcript(0).pieces[:, :-1], gradients, atol=1e-12)
    assert len(grown.probe(0).answered()[0]) == asked + 9


@pytest.mark.parametrize("units", [1, 2, 8])
def test_a_space_is_believed_though_pieces_are_few(units):
    network = random_deep(60, units, 1, seed=units)
    oracle = GradientOracle(victim_of(network), budget=200)
    session = Session(oracle, approach_to(oracle), 0, None)
    space = row_space_of(session)
    assert len(space) == units
    assert oracle.ledger.total < 100


def test_more_of_the_first_line_is_asked_where_the_rank_is_open():
    network = random_deep(100, 30, 10, 1, seed=0)
    oracle = GradientOracle(victim_of(network))
    session = Session(oracle, approach_to(oracle), 0, None)
    transcript, line = session.transcript(0), session.lines.add_line()
    for s in (-1.0, 0.0, 1.0):
        session.lines.record(
            transcript.ask(session.lines.points(np.array([line]), np.array([s]))),
            np.array([line]),
            np.array([s]),
        )
    space = row_space_of(session)
    nodes = session.lines.nodes(0)
    assert len(nodes) > 3
    assert len(Within(session, space).probe(0).shown_once(*within_line(session, space), -9.0, 9.0).t) == len(
        nodes
    )


def within_line(session, space):
    """The first line in a space's coordinates."""
    return space.inside(np.stack([session.lines.origins[0, :-1], session.lines.directions[0, :-1]]))
