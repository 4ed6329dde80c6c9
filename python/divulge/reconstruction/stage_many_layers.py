"""Many hidden layers: the attack, the refit, and what is left to say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session


def attack_many_layers(session: Session) -> Reconstruction:
    """Search for more hidden layers than one; what was asked before counts as answered."""

    def report(model: DeepModel) -> None:
        session.tell(
            "hidden layers", sum(model.hidden_sizes), lambda: model.module(session.dtype, with_slope=True)
        )

    attack = DeepAttack(session.probe, session.outputs, session.lines.anew(), session.book, report)
    found = attack.run()
    if found.stopped:
        session.stopped("hidden layers", found.stopped)
    else:
        found = refitted(session, attack, found)
    note_what_is_open(session, found)
    model = DeepModel(found.model.prefix, session.in_order(found.model.layer, found.outputs))
    return session.result(
        model.module(session.dtype, found.slope),
        model.hidden_sizes,
        found.certificate,
        found.solved and found.decided,
    )


def refitted(session: Session, attack: DeepAttack, found: DeepResult) -> DeepResult:
    """Make the copy as exact as the answers can; where that is stopped it stays, unchecked."""
    probes = [session.probe(output) for output in found.outputs]
    refit = until_stopped(
        lambda: session.approach.refitted(attack, found, probes),
        lambda why: replace(found, solved=False, certificate=np.inf, stopped=why),
    )
    if refit.stopped:
        session.stopped("what the copy may lack", refit.stopped)
    return refit


def note_what_is_open(session: Session, found: DeepResult) -> None:
    """Say what the copy leaves open."""
    if found.solved and not found.decided:
        session.note(
            NoteKind.AFFINE_PART,
            "a linear part remains beside the last hidden layer: a skip connection, or a unit that was "
            "seen to switch nowhere",
        )
    if found.solved and found.unseen:
        session.note(
            NoteKind.UNSEEN_WEIGHTS,
            f"{found.unseen} weights between hidden layers show at no input found, and are given as 0: "
            "the two units were never seen active together",
        )
    if not found.solved and found.unturned is not None:
        session.note(
            NoteKind.SIDES,
            f"it could not be told on which side the units of hidden layer {found.unturned} are active: "
            "nothing behind that layer was looked for",
        )
    if not found.solved and not found.stopped:
        session.note(NoteKind.UNEXPLAINED, "fresh answers are not explained by the layers that were found")
