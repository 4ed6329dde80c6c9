"""Many hidden layers: the attack, the refit, and what is left to say."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from torch import nn

from divulge.arrays import Array
from divulge.reconstruction.asking.row_space import OutsideRowSpace
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.deep.vertices import are_all_vertices, in_their_span
from divulge.reconstruction.falsification.judge import (
    Judgement,
    judge,
    judge_at_vertices,
    judge_far_out,
    vertices_for,
)
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.named import Named, named, named_copy, pairs
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FALSIFYING
from divulge.reconstruction.within_row_space import Within, row_space_of


def attack_many_layers(session: Session, refuted_at: Array | None) -> Reconstruction:
    """Search for more hidden layers than one; what was asked before counts as answered.

    Args:
        session: the conversation with the oracle.
        refuted_at: points (n, d) at which copies of one hidden layer were wrong, or None.
    """
    space = until_stopped(lambda: row_space_of(session), str)
    if isinstance(space, str):
        found = replace(attack_on(session, Within(session, None)).known(), stopped=space)
        return result_of(session, found, Judgement(Certificate()))
    within = Within(session, space)
    while True:
        try:
            return attack_within(session, within, refuted_at)
        except OutsideRowSpace as met:
            within = within.grown(met.gradients)


def attack_on(session: Session, within: Within) -> DeepAttack:
    """Return the attack, nothing asked yet."""

    def report(model: DeepModel) -> None:
        def copy() -> nn.Module:
            return within.outwards(model).module(session.dtype, with_slope=True)

        session.tell("hidden layers", sum(model.hidden_sizes), copy)

    return DeepAttack(within.probe, session.outputs, within.lines, session.book, report)


def attack_within(session: Session, within: Within, refuted_at: Array | None) -> Reconstruction:
    """Search to the end; a copy that fresh answers refute is searched on through these.

    Raises:
        OutsideRowSpace: the row space is too small.
    """
    attack = attack_on(session, within)
    found = attack.run() if refuted_at is None else attack.run_on(within.inwards(refuted_at), 0)
    if found.unturned is not None and not found.stopped:
        found = attack.run()  # more lines may show the units that the sides hang on
    judgement, judging = Judgement(Certificate()), 0
    for number in range(FALSIFYING.rounds_followed):
        if number >= FALSIFYING.rounds and attack.wide is None:
            break
        found = refitted(session, attack, within, found)
        if not found.solved or found.stopped:
            break
        searched = session.queries - judging
        outwards = within.outwards_result(found)
        judgement = in_every_way(session, outwards, attack.wide is not None, searched)
        judging = session.queries - searched
        if judgement.counterexample is None:
            break
        wrong = judgement.counterexample
        refuted_at = np.concatenate([wrong.point[None], wrong.others[: attack.more_refuted]])
        stopped = until_stopped(partial(within.check_at, refuted_at), str)
        if stopped is not None:
            found = replace(found, stopped=stopped)
            break
        searched_on = attack.run_on(within.inwards(refuted_at), wrong.output)
        if not searched_on.solved and len(searched_on.outputs) < len(found.outputs):
            found = replace(found, stopped=searched_on.stopped)  # wrong there, but right about more outputs
            break
        found = searched_on
    return result_of(session, within.outwards_result(found), judgement)


def in_every_way(session: Session, found: DeepResult, wide: bool, searched: int) -> Judgement:
    """Ask about a copy wherever one of its kind has been wrong, the cheaper questions first.

    Args:
        session: whom to ask.
        found: the copy.
        wide: whether it was found behind a first layer wider than its input.
        searched: queries that the search took, without those of earlier judgements: these do not make
            judging dearer before a copy stands that other ones were refuted for.
    """
    before = session.queries
    judgement = judged(session, found, searched)
    each = session.queries - before
    asked = searched + (1 + FALSIFYING.again) * each
    if (wide or first_is_wide(session, found)) and holds(judgement):
        judgement = at_vertices(session, found, asked, judgement)
    if holds(judgement) and (wide or leaves_open(session, found)):
        judgement = judged_again(session, found, searched, judgement)
    if holds(judgement) and has_corners(session, found):
        transcripts = [session.transcript(output) for output in found.outputs]
        judgement = judge_far_out(found.model, transcripts, session.lines, judgement)
    left = wide and not are_all_vertices(found.model.prefix.layers[0], vertices_for(asked))
    if left and holds(judgement) and searched < before:
        judgement = at_vertices(session, found, session.queries, judgement)
    return judgement


def judged(session: Session, found: DeepResult, searched: int) -> Judgement:
    """Ask fresh answers about a copy."""
    transcripts = [session.transcript(output) for output in found.outputs]
    return judge(found.model, transcripts, session.lines, searched)


def first_is_wide(session: Session, found: DeepResult) -> bool:
    """Whether a copy has a first layer of more units than inputs, anywhere: small cells may hide a unit.

    Inputs that its rows do not tell apart count once, as do the two units of a clipped one.
    """
    if not found.model.prefix.layers or session.lines.domain is not None:
        return False
    first = found.model.prefix.layers[0]
    units = first.units - len(pairs(first.rows[: first.units])[0])
    return len(first) > session.input_size or units > len(in_their_span(first)[2])


def leaves_open(session: Session, found: DeepResult) -> bool:
    """Whether a copy keeps a linear part, a passage that its units' slopes leave, or weights it chose."""
    return not found.decided or found.unseen > 0 or hands_on(session, found)


def has_corners(session: Session, found: DeepResult) -> bool:
    """Whether another unit may switch in each cell of a first layer: of one that hands on, or is clipped."""
    if not found.model.prefix.layers or session.lines.domain is not None:
        return False
    return hands_on(session, found) or len(pairs(found.model.prefix.layers[0].rows)[0]) > 0


def hands_on(session: Session, found: DeepResult) -> bool:
    """Whether a copy keeps a passage that its units' slopes do not explain."""
    units = named(found.model, found.slope, session.tolerances.rounding)
    return any(layer.passage for layer in units.layers)


def holds(judgement: Judgement) -> bool:
    """Whether a copy stands so far, and there is more to ask."""
    return judgement.counterexample is None and not judgement.stopped


def judged_again(session: Session, found: DeepResult, searched: int, first: Judgement) -> Judgement:
    """Ask more about a copy that keeps a linear part or a passage, perhaps a missed unit's, or chose weights.

    A weight that shows at no input found was chosen as 0 in a copy that is wrong at 1 in 200 points far out.
    """
    judgement = first
    for _ in range(FALSIFYING.again):
        if not holds(judgement):
            break
        fresh = judged(session, found, searched)
        judgement = replace(fresh, certificate=judgement.certificate.and_more(fresh.certificate))
    return judgement


def at_vertices(session: Session, found: DeepResult, asked: int, before: Judgement) -> Judgement:
    """Ask about a copy behind a wide first layer where that layer's hyperplanes meet."""
    transcripts = [session.transcript(output) for output in found.outputs]
    return judge_at_vertices(found.model, transcripts, session.lines, asked, before)


def result_of(session: Session, found: DeepResult, judgement: Judgement) -> Reconstruction:
    """Say what is left open and put the network together."""
    if judgement.counterexample is not None and found.solved:
        session.note_refuted(judgement.counterexample)
    stopped = found.stopped or judgement.stopped
    if stopped:
        session.stopped("hidden layers" if found.stopped else "its errors", stopped)
    model = DeepModel(found.model.prefix, session.in_order(found.model.layer, found.outputs))
    tolerance = session.tolerances.rounding if found.solved and session.names_units else 0.0
    module, units = named_copy(model, found.slope, session.dtype, tolerance)
    note_what_is_open(session, found, units)
    complete = found.solved and not stopped and judgement.counterexample is None
    asked = found.solved and not judgement.stopped  # some of what is asked says less than it seems to
    beside = found.beside_axes or 0.0
    certificate = replace(judgement.certificate, left_out=found.left_out, beside_axes=beside)
    certificate = certificate if asked else Certificate()
    return session.result(module, model.hidden_sizes, certificate, complete, units.kinds)


def refitted(session: Session, attack: DeepAttack, within: Within, found: DeepResult) -> DeepResult:
    """Make the copy as exact as the answers can; where that is stopped it stays, unchecked."""
    if found.stopped:
        return found
    probes = [within.probe(output) for output in found.outputs]
    return until_stopped(
        lambda: session.approach.refitted(attack, found, probes),
        lambda why: replace(found, solved=False, certificate=np.inf, stopped=why),
    )


def note_what_is_open(session: Session, found: DeepResult, units: Named) -> None:
    """Say what the copy leaves open."""
    passed = [depth for depth, layer in enumerate(units.layers, 1) if layer.passage]
    if found.solved and passed:
        which = ", ".join(map(str, passed))
        session.note(
            NoteKind.PASSAGE,
            f"what comes into hidden layer {which} is handed on beside its units, as by a skip connection, "
            "maxima, clipped units or units turned over: the function is the same",
        )
    if found.solved and not found.decided and (units.slope or not found.slope):
        session.note(
            NoteKind.AFFINE_PART,
            "a linear part remains beside the last hidden layer: a skip connection, units that switch "
            "nowhere or units turned over, w max(z, 0) = w z + w max(-z, 0): the function is the same",
        )
    if found.solved and found.unseen:
        session.note(
            NoteKind.UNSEEN_WEIGHTS,
            f"{found.unseen} weights between hidden layers show at no input found, and are chosen, most as "
            "0: the later unit never switches where the other is on",
        )
    if not found.solved and found.unturned is not None:
        session.note(
            NoteKind.SIDES,
            f"it could not be told on which side the units of hidden layer {found.unturned} are active: "
            "nothing behind that layer was looked for",
        )
    if not found.solved and not found.stopped:
        session.note(NoteKind.UNEXPLAINED, "fresh answers are not explained by the layers that were found")
