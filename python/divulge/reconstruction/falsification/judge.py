"""Asks about a finished copy where it might be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import until_stopped
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.falsification.samples import samples
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.settings import FALSIFYING, FIT


@dataclass(frozen=True)
class Counterexample:
    """An input at which a copy is wrong.

    Attributes:
        output: place of the output among those asked.
        point: shape (d,).
        error: relative error there.
        drawn: how the input was drawn.
    """

    output: int
    point: Array
    error: float
    drawn: str


@dataclass(frozen=True)
class Judgement:
    """What fresh answers say of a copy.

    Attributes:
        certificate: how many, drawn how, the worst error.
        counterexample: one that rounding does not explain, or None.
        stopped: why the oracle could be asked no further, empty where it could.
    """

    certificate: Certificate
    counterexample: Counterexample | None = None
    stopped: str = ""


def judge(model: DeepModel, transcripts: Sequence[Transcript], lines: Lines, asked: int) -> Judgement:
    """Ask fresh points about every output of a finished copy, until one shows it wrong.

    Points so close to a hyperplane of the copy that rounding may put them on either side are not counted.

    Args:
        model: the copy; its outputs are in the order of the transcripts.
        transcripts: whom to ask.
        lines: the domain, and what draws.
        asked: queries that the search took: some tests grow with them.
    """
    first = transcripts[0]
    told: list[Sample] = []

    def work() -> Counterexample | None:
        for drawn in samples(model, lines, asked, first.tolerances.single):
            errors, clear, points = errors_at(drawn.points, model, transcripts)
            worst = float(errors.max(initial=0.0))
            told.append(Sample(drawn.how, int(clear.sum()), worst))
            if worst > first.tolerances.missing:
                place, row = np.unravel_index(np.argmax(errors), errors.shape)
                return Counterexample(int(place), points[row], worst, drawn.how)
        return None

    def certificate() -> Certificate:
        apart = FALSIFYING.single_distances if first.tolerances.single else FALSIFYING.distances
        return Certificate(tuple(told), apart[0])

    return until_stopped(
        lambda: Judgement(counterexample=work(), certificate=certificate()),
        lambda why: Judgement(certificate(), stopped=why),
    )


def errors_at(
    points: Array, model: DeepModel, transcripts: Sequence[Transcript]
) -> tuple[Array, Mask, Array]:
    """Return errors (outputs, n), which points were clear (n,), and the points as they were asked (n, d).

    All points are asked of the first output; of others, whose units are known by then, one in a few.
    """
    points = transcripts[0].asked.representable(points)
    clear = clear_of(model, points, transcripts[0])
    errors = np.zeros((len(transcripts), len(points)))
    for place, transcript in enumerate(transcripts):
        step = 1 if place == 0 or transcript.asked.all_at_once else FALSIFYING.other_outputs
        errors[place, ::step] = transcript.misses(points[::step], model.pieces(points[::step], place))
    return errors * clear, clear, points


def clear_of(model: DeepModel, points: Array, transcript: Transcript) -> Mask:
    """Whether points are so far from the copy's hyperplanes that their sides are certain, shape (n,).

    Under noise the hyperplanes of units with small weights are known less well than those of others.
    """
    clear = clear_of_hyperplanes(model.prefix, model.layer, points, transcript.tolerances.rounding)
    if not transcript.noisy:
        return clear
    ends = homogeneous(points)
    blur = FIT.blur * transcript.noise * transcript.scale * np.linalg.norm(ends, axis=1)
    levels = np.abs(ends @ model.layer.rows.T * model.layer.weights[0])
    return np.asarray(clear & (levels > blur[:, None]).all(axis=1))
