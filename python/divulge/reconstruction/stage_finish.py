"""From a known hidden layer to the result: orientation, a last fit, and what is left open."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.reconstruction.falsification.judge import Judgement, judge
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.network.named import Named, named_copy
from divulge.reconstruction.network.orientation import Orientation, orient
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.one_layer.average_noise import averaged
from divulge.reconstruction.one_layer.refit import polish, slope_error
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FINISH, FRESH, ONE_LAYER
from divulge.reconstruction.stage_one_layer import OneLayer


@dataclass(frozen=True)
class Copy:
    """A copy of one hidden layer, finished and judged.

    Attributes:
        orientation: the layer with its units turned.
        solved: whether every answer of the search is explained.
        judgement: what fresh answers say.
    """

    orientation: Orientation
    solved: bool
    judgement: Judgement


def finished(session: Session, known: OneLayer) -> Copy:
    """Orient the units, refit, and judge what has come of it."""
    if not known.solved:
        return Copy(orient(known.layer, known.tolerance), False, Judgement(Certificate()))
    orientation = oriented(session, known)
    judgement = (
        judged_in_noise(session, orientation.layer)
        if session.drowned
        else judge(
            DeepModel(Prefix(session.input_size), orientation.layer),
            known.transcripts,
            session.lines,
            session.queries,
        )
    )
    return Copy(orientation, True, judgement)


def result_of(session: Session, known: OneLayer, copy: Copy) -> Reconstruction:
    """Say what is left open and put the network together."""
    judgement, orientation = copy.judgement, copy.orientation
    if judgement.stopped:
        session.stopped("its errors", judgement.stopped)
    solved = copy.solved and not judgement.stopped and explained(session, known, judgement)
    layer = session.in_order(orientation.layer, list(session.transcripts))
    model = DeepModel(Prefix(session.input_size), layer)
    tolerance = session.tolerances.rounding if solved and session.names_units else 0.0
    module, units = named_copy(model, orientation.slope, session.dtype, tolerance)
    note_what_is_open(session, solved, orientation, units)
    # of one input kinks and slopes are all there is; sides of which several choices leave no affine part show
    # in no answer, as those of max(z, 0) - max(z - 6, 0)
    told = orientation.decided or not orientation.slope or session.input_size == 1
    complete = solved and told and not session.drowned
    return session.result(module, [len(layer)], judgement.certificate, complete, units.kinds)


def judged_in_noise(session: Session, layer: Layer) -> Judgement:
    """Ask a few fresh points about every output of a finished layer: noise hides what others would show."""
    told: list[Sample] = []

    def work() -> Judgement:
        drawn = "standard normal" if session.domain is None else "in the box"
        for place, transcript in enumerate(session.transcripts.values()):
            rows = transcript.ask(session.lines.samples(ONE_LAYER.checks))
            told.append(Sample(drawn, len(rows), layer.fit(place).residual(transcript, rows)))
        return Judgement(Certificate(tuple(told)))

    return until_stopped(work, lambda why: Judgement(Certificate(tuple(told)), stopped=why))


def explained(session: Session, known: OneLayer, judgement: Judgement) -> bool:
    """Whether noise or rounding explains what fresh answers show; if not, note it."""
    wrong, error = judgement.counterexample, judgement.certificate.error
    if wrong is not None and not session.noisy:
        session.note_refuted(wrong)
    elif session.noisy and error > known.tolerance:
        session.note(
            NoteKind.UNEXPLAINED,
            f"the copy is off by {error:.2g} at fresh inputs, and noise explains {known.tolerance:.2g}",
        )
    else:
        return True
    return False


def oriented(session: Session, known: OneLayer) -> Orientation:
    """Turn the units so that no affine part remains, if every answer is explained as well without one."""
    layer, transcripts = known.layer, known.transcripts
    if not session.approach.tells_both or not len(layer):
        return orient(layer, known.tolerance)
    if session.noisy:
        orientation = orient(layer, known.tolerance)
        if orientation.slope or np.linalg.matrix_rank(layer.rows[:, :-1]) < len(layer):
            return orientation  # states are read off coordinates along the rows
        return replace(orientation, layer=averaged(orientation.layer, transcripts))
    for looser in (1.0, FINISH.blunt_rows):
        orientation = orient(layer, looser * known.tolerance)
        if not orientation.slope:
            polished = polish(orientation.layer, transcripts)
            enough = FINISH.as_good * max(slope_error(layer, transcripts), known.tolerance)
            if looser == 1.0 or slope_error(polished, transcripts) <= enough:
                return Orientation(polished, slope=False, decided=orientation.decided)
    return orient(layer, known.tolerance)


def note_what_is_open(session: Session, solved: bool, orientation: Orientation, units: Named) -> None:
    """Say what the copy leaves open."""
    if not solved:
        if not session.noted(NoteKind.STOPPED, NoteKind.INTERRUPTED, NoteKind.UNEXPLAINED):
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
    elif orientation.slope and units.slope:
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
