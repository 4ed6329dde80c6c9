"""Values asked in the few combinations of inputs that explanations span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from divulge.arrays import Array
from divulge.attributions.methods import IntegratedGradients
from divulge.attributions.of_module import ExactIntegratedGradients
from divulge.oracles import Oracle, SpannedOracle
from divulge.reconstruction.asking.row_space import RowSpace
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Sample
from divulge.reconstruction.explained.span import explained_space, widened
from divulge.reconstruction.notes import NoteKind
from divulge.reconstruction.result import Reconstruction
from divulge.reconstruction.session import Session
from divulge.reconstruction.settings import SPANNED

Attack = Callable[[Oracle, Path | None], Reconstruction]


def spans_rows(oracle: Oracle) -> bool:
    """Whether values come with explanations that lie in the span of a network's first rows."""
    told = oracle.attribution
    sums = told.is_gradient or isinstance(told, IntegratedGradients | ExactIntegratedGradients)
    asked = oracle.has_values and oracle.has_explanations and not oracle.has_gradients
    free = oracle.domain is None and oracle.dtype == torch.float64
    return asked and free and sums and oracle.names_outputs


def attack_within_span(session: Session, oracle: Oracle, attack: Attack) -> Reconstruction:
    """Attack an oracle by values within the span of its explanations, in all inputs where that is no smaller.

    Args:
        session: a conversation with the oracle.
        oracle: which is asked.
        attack: rebuilds what an oracle answers about.
    """
    outputs = [session.asked(output) for output in session.outputs]
    space = until_stopped(lambda: explained_space(outputs, session.lines), str)
    if not isinstance(space, RowSpace):
        # What stopped it here stops it there.
        return with_earlier(session, attack(oracle, None))
    found = attack(SpannedOracle(oracle, space.basis), None)
    module = widened(found.module, space.basis)
    assert isinstance(module, nn.Sequential)
    copy = replace(found, module=module)
    if not found.complete:
        return with_earlier(session, copy)
    told: list[Sample] = []
    why = until_stopped(lambda: compare_outside(session, module, told), str)
    worst = max((sample.error for sample in told), default=np.inf)
    if why:
        session.stopped("its errors", why)
    elif worst > session.tolerances.missing:
        session.note(
            NoteKind.UNEXPLAINED,
            f"the copy is off by {worst:.2g} at fresh inputs beyond the span of {len(space)} explanations",
        )
    certificate = replace(found.certificate, samples=(*told, *found.certificate.samples))
    refuted = bool(why) or worst > session.tolerances.missing
    return with_earlier(session, replace(copy, certificate=certificate, complete=not refuted))


def compare_outside(session: Session, module: nn.Module, told: list[Sample]) -> str:
    """Compare values of a copy with fresh ones in all inputs, near and far out; returns no reason to stop.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    for how, size in (("standard normal", 1.0), ("far out", SPANNED.far)):
        points = size * session.lines.samples(SPANNED.checks)
        with torch.no_grad():
            copied = module(torch.from_numpy(points)).numpy()
        worst = 0.0
        for output in session.outputs:
            values, _ = session.asked(output).query(points)
            assert values is not None
            worst = max(worst, relative_error(copied[:, output], values))
        told.append(Sample(how, len(points), worst))
    return ""


def relative_error(mine: Array, told: Array) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(mine - told).max() / max(float(np.abs(told).max()), np.finfo(float).tiny))


def with_earlier(session: Session, result: Reconstruction) -> Reconstruction:
    """Return a result with all that was asked, and the notes that were taken around it."""
    queries = session.queries
    layers = result.queries_by_layer
    more = queries - result.queries
    return replace(
        result,
        queries=queries,
        numbers_told=queries * session.numbers_per_query,
        queries_by_kind={result.kind: queries},
        queries_by_layer=(layers[0] + more, *layers[1:]) if layers else (),
        notes=(*result.notes, *session.notes),
    )
