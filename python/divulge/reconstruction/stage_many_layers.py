"""Between the attack on many hidden layers and the session it runs in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.pieces import Stopped
from divulge.reconstruction.asking.pieces_from_values import ValueTranscript
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.asking.value_probe import ValueProbe
from divulge.reconstruction.deep.attack import DeepAttack, DeepResult
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.refit.refit_and_check import mended
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session


def attack_many_layers(session: Session) -> Reconstruction:
    """Search for more hidden layers than one; what was asked before counts as answered."""

    def probe(output: int) -> Probe:
        known = session.transcript(output)
        return ValueProbe(known) if isinstance(known, ValueTranscript) else GradientProbe(known)

    def report(model: DeepModel) -> None:
        session.tell(
            "hidden layers",
            sum(model.hidden_sizes),
            lambda: model.module(session.oracle.dtype, with_slope=True),
        )

    outputs = [session.oracle.output, *session.other_outputs()]
    attack = DeepAttack(probe, outputs, session.new_lines(), session.tally, report)
    try:
        found = attack.run()
    except (Stopped, KeyboardInterrupt) as stop:
        found = attack.known()
        session.stopped("hidden layers", stop)
        return deep_result(session, found)
    return deep_result(session, refitted_to_values(session, attack, found))


def refitted_to_values(session: Session, attack: DeepAttack, found: DeepResult) -> DeepResult:
    """Make exact what was found from differences of values; what was found from gradients stays."""
    answers = [session.transcript(output) for output in found.outputs]
    values = [answer.values_of for answer in answers if isinstance(answer, ValueTranscript)]
    if not values:
        return found
    try:
        return mended(attack, found, values)
    except (Stopped, KeyboardInterrupt) as stop:
        session.stopped("what the copy may lack", stop)
        return replace(found, solved=False, certificate=np.inf)


def deep_result(session: Session, found: DeepResult) -> Reconstruction:
    """Return what a search through many layers came to."""
    model = DeepModel(found.model.prefix, session.in_order(found.model.layer, found.outputs))
    if found.solved and not found.decided:
        session.notes.append(
            "a linear part remains beside the last hidden layer: a skip connection, or a unit that was "
            "seen to switch nowhere"
        )
    if found.solved and found.unseen:
        session.notes.append(
            f"{found.unseen} weights between hidden layers show at no input found, and are given as 0: "
            "the two units were never seen active together"
        )
    if not found.solved and found.unturned is not None:
        session.notes.append(
            f"it could not be told on which side the units of hidden layer {found.unturned} are active: "
            "nothing behind that layer was looked for"
        )
    if not found.solved and not session.was_stopped():
        session.notes.append("fresh answers are not explained by the layers that were found")
    return session.result(
        model.module(session.oracle.dtype, found.slope),
        model.hidden_sizes,
        found.certificate,
        found.solved and found.decided,
    )
