"""A copy that is refuted, or of which something is open, is kept where the oracle ends meanwhile."""

from __future__ import annotations

import numpy as np
from conv_networks import EndsAfter, conv, conv_net, error_of, kinds, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct
from divulge.reconstruction import NoteKind, stage_convolutional
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.convolutional.ending import Ending
from divulge.reconstruction.convolutional.layers import ConvLayer, Prefix
from divulge.reconstruction.convolutional.unfinished import words
from divulge.reconstruction.falsification.judge import Counterexample, Judgement

SHAPE = (1, 10, 10)
PARTS = [conv(1, 3, 4, stride=2, padding=1), nn.ReLU, nn.Flatten, lambda: nn.Linear(75, 6), nn.ReLU]


def test_a_refuted_copy_is_kept_where_the_oracle_ends(monkeypatch):
    net = conv_net(SHAPE, *PARTS, outputs=1)
    ending = EndsAfter(victim_of(net, SHAPE), 10**6, KeyboardInterrupt())

    def refuted(session, network, *_):
        ending.after = ending.asked
        point = np.random.default_rng(0).standard_normal(network.prefix.size)
        return Judgement(Certificate(), Counterexample(0, point, 0.1, "here", point[None][:0]))

    monkeypatch.setattr(stage_convolutional, "judged", refuted)
    result = reconstruct(ending.oracle, input_shape=SHAPE)
    assert not result.complete
    assert {note.kind for note in result.notes} == {NoteKind.INTERRUPTED, NoteKind.UNEXPLAINED}
    assert kinds(result.module) == kinds(net)
    assert error_of(result, net, SHAPE) < 1e-8


def test_what_judging_took_does_not_count_as_searched(monkeypatch):
    net = conv_net(SHAPE, *PARTS, outputs=1)
    counts = []

    def refuted(session, network, outputs, searched):
        counts.append((searched, session.queries))
        rng = np.random.default_rng(len(counts))
        session.transcript(outputs[0]).ask(rng.standard_normal((50, network.prefix.size)))
        wrong = Counterexample(0, rng.standard_normal(network.prefix.size), 0.1, "here", np.empty((0, 1)))
        return Judgement(Certificate(), wrong if len(counts) < 3 else None)

    monkeypatch.setattr(stage_convolutional, "judged", refuted)
    reconstruct(GradientOracle(victim_of(net, SHAPE)), input_shape=SHAPE)
    assert len(counts) == 3
    assert [asked - searched for searched, asked in counts] == [0, 50, 100]


def test_a_copy_of_which_something_is_open_is_kept_where_the_oracle_ends(monkeypatch):
    net = conv_net(SHAPE, conv(1, 3, 3, stride=2), nn.ReLU, conv(3, 4, 3), nn.ReLU, outputs=1)
    ending = EndsAfter(victim_of(net, SHAPE), 10**6, KeyboardInterrupt())

    def something(*_):
        ending.after = ending.asked
        return "something is open"

    monkeypatch.setattr(Ending, "_what_is_open", something)
    result = reconstruct(ending.oracle, input_shape=SHAPE)
    assert not result.complete
    assert {note.kind for note in result.notes} == {NoteKind.INTERRUPTED, NoteKind.UNEXPLAINED}
    assert kinds(result.module) == kinds(net)
    assert error_of(result, net, SHAPE) < 1e-8


def test_a_layer_of_open_sides_behind_another_is_not_said_to_be_whole():
    first = ConvLayer(np.ones((2, 1, 3, 3)), np.zeros(2), signs=np.ones(2))
    known = Prefix(SHAPE, [first, ConvLayer(np.ones((3, 2, 3, 3)), np.zeros(3))])
    assert words(known, 2, [0]).startswith(
        "the first layer is whole, of layer 2 3 channels are known, perhaps"
    )
    known.layers[-1].signs = np.ones(3)
    assert words(known, 2, [0]).startswith("the first 2 layers are whole; outputs")
