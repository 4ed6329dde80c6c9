"""One hidden layer behind means of gradients, from far out inwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divulge.arrays import Array
from divulge.attributions.methods import SmoothGrad
from divulge.oracles import Oracle
from divulge.oracles.mean_gradients import MEANS
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Certificate
from divulge.reconstruction.explained import copy
from divulge.reconstruction.explained.far_jumps import far_units
from divulge.reconstruction.explained.levels import with_levels
from divulge.reconstruction.explained.offsets import with_offsets
from divulge.reconstruction.explained.way import Way
from divulge.reconstruction.falsification.judge import Judgement, compared
from divulge.reconstruction.falsification.samples import samples
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Prefix
from divulge.reconstruction.network.orientation import Orientation, orient
from divulge.reconstruction.notes import Note, NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import FALSIFYING


def attack_mean_gradients(session: Session, way: Way | None, baseline: Array) -> Reconstruction:
    """Rebuild one hidden layer with independent rows; anything else is said to be unexplained.

    Args:
        session: the conversation with a `MeanGradientOracle`.
        way: over which the mean is said to be taken; None of SmoothGrad.
        baseline: shape (d,).
    """
    known = [Layer.from_fit(Fit.nothing(session.input_size))]
    taken = [way]

    def search() -> bool:
        found = first_output(session, way)
        if found is None:
            return False
        known[0], taken[0] = Layer.from_fit(found[0]), found[1]
        session.tell("hidden units", len(known[0]), lambda: None)
        for output in session.outputs[1:]:
            known[0] = copy.other_output(known[0], session.transcript(output))
        return True

    def stopped(why: str) -> bool:
        session.stopped("hidden units", why)
        return False

    solved = until_stopped(search, stopped)
    orientation = orient(known[0], session.tolerances.rounding)
    if solved:
        layer = copy.with_constants(orientation.layer, list(session.transcripts.values()))
        orientation = Orientation(layer, orientation.slope, orientation.decided)
    judgement = judged(session, orientation.layer, taken[0]) if solved else Judgement(Certificate())
    placed = not (solved and len(known[0])) or is_placed(session, way, taken[0])
    return result_of(session, orientation, judgement, baseline, solved=solved, placed=placed)


def first_output(session: Session, way: Way | None) -> tuple[Fit, Way | None] | None:
    """Return the units behind the first output, and the way; None unless they are one layer of free rows.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    transcript = session.transcript(session.outputs[0])
    far = far_units(session.asked(session.outputs[0]), session.lines, transcript.noise)
    if far is None:
        return None
    if way is not None:
        return with_levels(transcript, far, way, session.lines)
    found = with_offsets(transcript, far, session.lines)
    return None if found is None else (found, None)


def judged(session: Session, layer: Layer, way: Way | None) -> Judgement:
    """Ask fresh answers about the copy."""
    model = DeepModel(Prefix(session.input_size), layer)
    transcripts = list(session.transcripts.values())
    single = transcripts[0].tolerances.single
    rounding = transcripts[0].tolerances.rounding
    return compared(
        samples(model, session.lines, session.queries, single),
        lambda points, output: copy.predicted(layer, way, points, output),
        lambda points: (way or Way(np.ones(1))).clear(layer.rows, points, rounding),
        transcripts,
        (FALSIFYING.single_distances if single else FALSIFYING.distances)[0],
    )


def is_placed(session: Session, said: Way | None, taken: Way | None) -> bool:
    """Whether it is known where steps lie; of a single one that was read only values beside show it.

    Gradients at another share of the way, or half of them at the baseline, are those of another network.
    """
    if said is None or taken is None or len(taken.alphas) != 1 or len(said.alphas) == 1:
        return True
    if not session.first.tells_values:
        session.note(
            NoteKind.UNEXPLAINED,
            "explanations fit one step and not those that are said: alone they do not show where it lies",
        )
    return session.first.tells_values


def result_of(
    session: Session,
    orientation: Orientation,
    judgement: Judgement,
    baseline: Array,
    *,
    solved: bool,
    placed: bool,
) -> Reconstruction:
    """Say what is left open and put the network together, over inputs in place of ways from the baseline."""
    if judgement.counterexample is not None:
        session.note_refuted(judgement.counterexample)
    elif judgement.stopped:
        session.stopped("its errors", judgement.stopped)
    elif not solved and not session.noted(NoteKind.STOPPED, NoteKind.INTERRUPTED):
        session.note(
            NoteKind.UNEXPLAINED,
            "the mean gradients are not those of one hidden layer whose rows are independent",
        )
    if solved and not session.first.tells_values:
        session.note(
            NoteKind.OUTPUT_BIASES, "explanations alone do not show output biases: they are given as 0"
        )
    layer = orientation.layer
    rows, base = layer.rows.copy(), layer.base.copy()
    rows[:, -1] -= rows[:, :-1] @ baseline
    base[:, -1] -= base[:, :-1] @ baseline
    moved = session.in_order(
        Layer(rows, layer.weights, base), list(session.transcripts) or session.outputs[:1]
    )
    explained = solved and placed and not judgement.stopped and judgement.counterexample is None
    complete = explained and orientation.decided
    module = moved.module(session.dtype, orientation.slope)
    return session.result(module, [len(layer)], judgement.certificate, complete)


def tells_mean_gradients(oracle: Oracle) -> bool:
    """Whether an oracle tells integrated gradients, or SmoothGrad beside values, of all of R^d."""
    if not oracle.has_explanations or oracle.has_gradients or oracle.domain is not None:
        return False
    told = oracle.attribution
    return isinstance(told, MEANS) and (oracle.has_values or not isinstance(told, SmoothGrad))


def ended(result: Reconstruction) -> bool:
    """Whether the oracle could be asked no further."""
    return any(note.kind in (NoteKind.STOPPED, NoteKind.INTERRUPTED) for note in result.notes)


def after(first: Reconstruction, result: Reconstruction) -> Reconstruction:
    """Return the result of another attack, with what the first had asked."""
    sentence = f"{first.queries} queries were asked about explanations before, without a complete result"
    kinds = set(first.queries_by_kind) | set(result.queries_by_kind)
    by_kind = {
        kind: first.queries_by_kind.get(kind, 0) + result.queries_by_kind.get(kind, 0) for kind in kinds
    }
    layers = result.queries_by_layer
    return replace(
        result,
        queries=first.queries + result.queries,
        numbers_told=first.numbers_told + result.numbers_told,
        queries_by_kind=dict(by_kind),
        queries_by_layer=(layers[0] + first.queries, *layers[1:]) if layers else (),
        replayed=first.replayed + result.replayed,
        notes=(*result.notes, Note(NoteKind.EARLIER_QUERIES, sentence)),
    )
