"""From a known hidden layer to the result: orientation, a last fit, and what is left open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.orientation import Orientation, orient
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.one_layer.average_noise import averaged
from divulge.reconstruction.one_layer.refit import polish, slope_error
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FINISH, FRESH, ONE_LAYER
from divulge.reconstruction.stage_one_layer import OneLayer


def finish(session: Session, known: OneLayer) -> Reconstruction:
    """Orient the units, refit, check, and put the network together."""
    orientation = oriented(session, known) if known.solved else orient(known.layer, known.tolerance)
    certificate, solved = checked(session, known, orientation.layer)
    solved = solved and explained(session, known, certificate)
    note_what_is_open(session, solved, orientation)
    layer = session.in_order(orientation.layer, list(session.transcripts))
    module = layer.module(session.dtype, orientation.slope)
    complete = solved and orientation.decided and not session.drowned
    return session.result(module, [len(layer)], certificate, complete)


def checked(session: Session, known: OneLayer, layer: Layer) -> tuple[float, bool]:
    """Return the certificate and whether the layer is solved; where answers are noisy ask fresh points."""
    if not known.solved or not session.noisy:
        return known.certificate, known.solved

    def end(why: str) -> tuple[float, bool]:
        session.stopped("its errors", why)
        return np.inf, False

    return until_stopped(lambda: (fresh_error(session, layer), True), end)


def fresh_error(session: Session, layer: Layer) -> float:
    """Return the largest relative residual of a finished layer on fresh queries about every output.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    worst = 0.0
    for place, transcript in enumerate(session.transcripts.values()):
        rows = transcript.ask(session.lines.samples(ONE_LAYER.checks))
        worst = max(worst, layer.fit(place).residual(transcript, rows))
    return worst


def explained(session: Session, known: OneLayer, certificate: float) -> bool:
    """Whether noise or rounding explains the certificate; if not, note it."""
    allowed = known.tolerance if session.noisy else session.tolerances.alike
    if certificate <= allowed:
        return True
    session.note(
        NoteKind.UNEXPLAINED,
        f"the copy is off by {certificate:.2g} at fresh inputs, and noise explains {allowed:.2g}",
    )
    return False


def oriented(session: Session, known: OneLayer) -> Orientation:
    """Turn the units so that no affine part remains, if every answer is explained as well without one."""
    layer, transcripts = known.layer, known.transcripts
    if len(transcripts) != len(layer.weights) or not session.approach.tells_both or not len(layer):
        return orient(layer, known.tolerance)
    if session.noisy:
        orientation = orient(layer, known.tolerance)
        if orientation.slope:
            return orientation
        return replace(orientation, layer=averaged(orientation.layer, transcripts))
    for looser in (1.0, FINISH.blunt_rows):
        orientation = orient(layer, looser * known.tolerance)
        if not orientation.slope:
            polished = polish(orientation.layer, transcripts)
            enough = FINISH.as_good * max(slope_error(layer, transcripts), known.tolerance)
            if looser == 1.0 or slope_error(polished, transcripts) <= enough:
                return Orientation(polished, slope=False, decided=orientation.decided)
    return orient(layer, known.tolerance)


def note_what_is_open(session: Session, solved: bool, orientation: Orientation) -> None:
    """Say what the copy leaves open."""
    if not solved:
        if not session.noted(NoteKind.STOPPED, NoteKind.UNEXPLAINED):
            session.note(
                NoteKind.UNEXPLAINED,
                "fresh answers are not explained by one hidden layer of the units that were found"
                + ("; under noise no more layers are searched for" if session.noisy else ""),
            )
    elif not orientation.decided:
        session.note(
            NoteKind.SIDES,
            "the function is known, but not on which side some units are active: more than one choice "
            "may explain every answer",
        )
    elif orientation.slope:
        session.note(
            NoteKind.AFFINE_PART,
            "an affine part remains (a skip connection, or units that never switch where queries may "
            "go); with it a unit turned over, w max(z, 0) = w z + w max(-z, 0), is the same function",
        )
    if solved and session.drowned:
        session.note(
            NoteKind.NOISE,
            "every answer is explained, but noise drowns single answers: units too small to be told from it "
            "may be missing, and sums of units may have been taken for one",
        )
    note_what_cannot_be_seen(session)


def note_what_cannot_be_seen(session: Session) -> None:
    """Say what such an oracle never shows."""
    if session.domain is not None:
        session.note(
            NoteKind.DOMAIN,
            "queries stay in a box: units that switch nowhere in it are folded into the affine part, answers "
            "from inside do not show how many there are, and one that is on at fewer than 1 in "
            f"{FRESH.rare} of its vertices may be missing",
        )
    if not session.approach.tells_values:
        session.note(
            NoteKind.OUTPUT_BIASES, "gradients alone do not show the output biases: they are set to 0"
        )
