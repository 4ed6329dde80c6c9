"""From a known hidden layer to the result: orientation, a last fit, and what is left open."""

from __future__ import annotations

import numpy as np

from divulge.reconstruction.asking.pieces import Stopped
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.orientation import Orientation, orient
from divulge.reconstruction.one_layer.average_noise import averaged
from divulge.reconstruction.one_layer.refit import polish, slope_error
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FINISH, FRESH
from divulge.reconstruction.stage_one_layer import OneLayer

OFF = "the copy is off"


def finish(session: Session, known: OneLayer, solved: bool) -> Reconstruction:
    """Orient the units, polish, and put the network together."""
    assert known.layer is not None
    orientation = oriented(known) if solved else orient(known.layer, known.tolerance)
    if solved and noisy(session):
        solved = checked(session, known, orientation.layer)
    if solved:
        solved = explained(session, known)
    explain(session, solved, orientation)
    layer = session.in_order(orientation.layer, list(session.transcripts))
    module = layer.module(session.oracle.dtype, orientation.slope)
    drowned = bool(session.transcripts) and session.first.drowned
    complete = solved and orientation.decided and not drowned
    return session.result(module, [len(layer)], known.certificate, complete)


def checked(session: Session, known: OneLayer, layer: Layer) -> bool:
    """Certify the finished layer where answers are noisy; return whether that came to an end."""
    try:
        known.certificate = known.check(layer)
    except Stopped as stop:
        session.stopped("its errors", stop)
        known.certificate = np.inf
        return False
    return True


def explained(session: Session, known: OneLayer) -> bool:
    """Whether noise or rounding explains the certificate; if not, note it."""
    allowed = known.tolerance if noisy(session) else known.session.tolerances.alike
    if known.certificate <= allowed:
        return True
    session.notes.append(
        f"{OFF} by {known.certificate:.2g} at fresh inputs, and noise explains {allowed:.2g}"
    )
    return False


def oriented(known: OneLayer) -> Orientation:
    """Turn the units so that no affine part remains, if every answer is explained as well without one."""
    layer, transcripts = known.layer, known.transcripts
    assert layer is not None
    if len(transcripts) != len(layer.weights) or not known.session.has_both() or not len(layer):
        return orient(layer, known.tolerance)
    if noisy(known.session):
        orientation = orient(layer, known.tolerance)
        if not orientation.slope:
            orientation.layer = averaged(orientation.layer, transcripts)
        return orientation
    for looser in (1.0, FINISH.blunt_rows):
        orientation = orient(layer, looser * known.tolerance)
        if not orientation.slope:
            polished = polish(orientation.layer, transcripts)
            enough = FINISH.as_good * max(slope_error(layer, transcripts), known.tolerance)
            if looser == 1.0 or slope_error(polished, transcripts) <= enough:
                return Orientation(polished, slope=False, decided=orientation.decided)
    return orient(layer, known.tolerance)


def noisy(session: Session) -> bool:
    """Whether answers about the first output differ by more than rounding."""
    return bool(session.transcripts) and session.first.noisy


def explain(session: Session, solved: bool, orientation: Orientation) -> None:
    """Note what the copy leaves open."""
    if not solved:
        if not session.was_stopped() and not any(note.startswith(OFF) for note in session.notes):
            session.notes.append(
                "fresh answers are not explained by one hidden layer of the units that were found"
                + ("; under noise no more layers are searched for" if noisy(session) else "")
            )
    elif not orientation.decided:
        session.notes.append(
            "the function is known, but not on which side some units are active: more than one choice "
            "may explain every answer"
        )
    elif orientation.slope:
        session.notes.append(
            "an affine part remains (a skip connection, or units that never switch where queries may "
            "go); with it a unit turned over, w max(z, 0) = w z + w max(-z, 0), is the same function"
        )
    if solved and session.first.drowned:
        session.notes.append(
            "every answer is explained, but noise drowns single answers: units too small to be told from it "
            "may be missing, and sums of units may have been taken for one"
        )
    if session.oracle.domain is not None:
        session.notes.append(
            "queries stay in a box: units that switch nowhere in it are folded into the affine part, answers "
            "from inside do not show how many there are, and one that is on at fewer than 1 in "
            f"{FRESH.rare} of its vertices may be missing"
        )
    if not session.oracle.has_values:
        session.notes.append("gradients alone do not show the output biases: they are set to 0")
