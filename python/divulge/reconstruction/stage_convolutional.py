"""Convolutions: whether the first jumps are theirs, the attack, and what is left to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.convolutional.attack import ConvolutionalAttack
from divulge.reconstruction.convolutional.ending import ConvResult
from divulge.reconstruction.convolutional.judge import certain
from divulge.reconstruction.convolutional.network import ConvNetwork
from divulge.reconstruction.convolutional.unfinished import unfinished, words
from divulge.reconstruction.falsification.judge import Judgement, compared
from divulge.reconstruction.fresh_convolutional import Fresh
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import CONV_ATTACK, LINE, VALUE_PROBE

NONE_COUNTS = "no fresh answer ({}) counts: everywhere there some unit is too near 0 to tell its side"

ENDLESS = "{count} channels of layer {depth} were not seen to be cut off above: the copy has them as ReLUs"


def attack_convolutions(session: Session) -> Reconstruction | None:
    """Take a network of convolutions apart; None where inputs are no images, or the first jumps are dense."""
    shape = image_shape(session.input_shape)
    if shape is None or not session.approach.tells_values:
        return None
    attack = until_stopped(lambda: recognised(session, shape), str)
    if attack is None:
        return None
    if isinstance(attack, str):
        session.stopped("convolutions", attack)
        return session.result(constant(session), [], Certificate(), False)
    found = attack.run()
    searched = session.queries  # without what judging takes, which would make judging dearer each time
    judgement = judgement_of(session, found, searched)
    for _ in range(CONV_ATTACK.refutations):
        if judgement.counterexample is None:
            break
        before = session.queries
        better = attack.go_on(judgement.counterexample.point)
        searched += session.queries - before
        if better is None:
            break
        if better.network is None:  # it ended before a better copy was made: the refuted one is all there is
            found = replace(found, stopped=better.stopped, open=better.open)
            break
        found, judgement = better, judgement_of(session, better, searched)
    if found.network is None:
        return as_far_as_known(session, attack, found)
    say_why(session, found)
    return result(session, found, judgement)


def say_why(session: Session, found: ConvResult, left: str = "") -> None:
    """Note where a search ended that was not to the end, and what it leaves."""
    if found.stopped:
        session.stopped("convolutions", found.stopped, left)
    if found.open:
        session.note(NoteKind.UNEXPLAINED, found.open + left)


def as_far_as_known(session: Session, attack: ConvolutionalAttack, found: ConvResult) -> Reconstruction:
    """Return the layers that are whole, or a constant where none is."""
    places, size = session.output_places(session.outputs)
    network = unfinished(attack.known, attack.whole, len(places))
    if network is None:
        say_why(session, found)
        return session.result(constant(session), [], Certificate(), False)
    say_why(session, found, f"; {words(attack.known, len(network.prefix.layers), places)}")
    module = network.in_order(places, size).module(session.dtype)
    return session.result(module, network.hidden_sizes, Certificate(), False)


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (C, H, W), or None where inputs are no images."""
    if len(shape) not in (2, 3):
        return None
    channels, height, width = (1, *shape)[-3:]
    return (channels, height, width) if min(height, width) > 1 else None


def recognised(session: Session, shape: tuple[int, int, int]) -> ConvolutionalAttack | None:
    """Return an attack, if the first jumps are of a convolution.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    session.keep_unsaturated()
    transcript = session.transcript(session.outputs[0])
    if transcript.noisy:
        return None
    if transcript.asked.all_at_once:
        transcript.beside = [session.transcript(output) for output in session.outputs[1:]]
    measured = transcript.noise
    if isinstance(transcript, ValueTranscript):
        transcript.noise = transcript.values_of.relative * VALUE_PROBE.lost  # of gradients by differences
    rng = np.random.default_rng([session.seed, session.input_size])
    lines = Lines(session.input_size, session.domain, rng, LINE.reach)
    attack = ConvolutionalAttack(
        session.transcript,
        session.outputs,
        lines,
        shape,
        session.book,
        lambda units: session.tell("convolutions", units, lambda: None),
    )
    if attack.recognised():
        return attack
    transcript.beside, transcript.noise = session.few_beside(), measured
    return None


def judgement_of(session: Session, found: ConvResult, searched: int) -> Judgement:
    """Judge a copy of which nothing is open."""
    if found.network is None or found.open or found.stopped:
        return Judgement(Certificate())
    return judged(session, found.network, found.outputs, searched)


def result(session: Session, found: ConvResult, judgement: Judgement) -> Reconstruction:
    """Return a copy with its certificate."""
    assert found.network is not None
    if judgement.counterexample is not None:
        session.note_refuted(judgement.counterexample)
    if judgement.stopped:
        session.stopped("its errors", judgement.stopped)
    places, size = session.output_places(found.outputs)
    network: ConvNetwork = found.network.in_order(places, size)
    samples = judgement.certificate.samples
    for sample in samples:
        if not sample.answers:
            session.note(NoteKind.UNEXPLAINED, NONE_COUNTS.format(sample.drawn))
    for depth, count in enumerate(network.endless, 1):
        if count:
            session.note(NoteKind.UNSEEN_WEIGHTS, ENDLESS.format(count=count, depth=depth))
    certified = bool(samples) and all(sample.answers for sample in samples) and not judgement.stopped
    complete = certified and judgement.counterexample is None
    return session.result(
        network.module(session.dtype), network.hidden_sizes, judgement.certificate, complete
    )


def judged(session: Session, network: ConvNetwork, outputs: Sequence[int], searched: int) -> Judgement:
    """Ask the first output about fresh points, images of every grain, at all distances and far out.

    All outputs are looked at where one answer holds all. In a box on its faces and vertices too. Before a
    last dense layer where few features are far up, and of each kind at one for 20 queries searched. Other
    outputs are weights of the same units, and solved from several times the equations they need.
    """

    def predicted(points: Array, place: int) -> Array:
        values, gradients = network.answers(points, place)
        return np.column_stack([gradients, values - np.einsum("nd,nd->n", gradients, points)])

    def counts(points: Array) -> Mask:
        return certain(network.prefix, points, session.tolerances)

    fresh = Fresh(network.prefix, session.lines, session.tolerances, searched)
    transcripts = [session.transcript(output) for output in outputs]
    told = transcripts if transcripts[0].asked.all_at_once else transcripts[:1]
    found = compared(fresh.everywhere(), predicted, counts, told, 0.0)
    if found.counterexample is not None or found.stopped or len(outputs) == len(told):
        return found
    others = compared([fresh.one()], lambda x, place: predicted(x, place + 1), counts, transcripts[1:], 0.0)
    wrong = others.counterexample
    return Judgement(
        Certificate((*found.certificate.samples, *others.certificate.samples)),
        wrong if wrong is None else replace(wrong, output=wrong.output + 1),
        others.stopped,
    )


def constant(session: Session) -> nn.Sequential:
    """A network of no layer, zero everywhere."""
    _, size = session.output_places(session.outputs)
    layer = nn.Linear(session.input_size, size, dtype=session.dtype)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return nn.Sequential(nn.Flatten(), layer)
