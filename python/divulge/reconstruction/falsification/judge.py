"""Asks about a finished copy where it might be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.stopped import Stopped, until_stopped
from divulge.reconstruction.certificate import Certificate, Sample
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.deep.vertices import at_ends, at_vertices
from divulge.reconstruction.falsification.at_vertices import beside_on_edges
from divulge.reconstruction.falsification.samples import Drawn, in_corners, samples, scattered
from divulge.reconstruction.falsification.unsaturated import unsaturated
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.record import homogeneous
from divulge.reconstruction.settings import FALSIFYING, FIT, VERTICES

Predicted = Callable[[Array, int], Array]
Clear = Callable[[Array], Mask]
UNCHECKED = "every fresh input lies so near a hyperplane of the copy that rounding hides its side"


@dataclass(frozen=True)
class Counterexample:
    """An input at which a copy is wrong.

    Attributes:
        output: place of the output among those asked.
        point: shape (d,).
        error: relative error there.
        drawn: how the input was drawn.
        others: more inputs of that kind at which it is wrong, the worst first, shape (n, d).
    """

    output: int
    point: Array
    error: float
    drawn: str
    others: Array


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
    """Ask fresh points about every output of a finished dense copy, until one shows it wrong.

    Points so close to a hyperplane of the copy that rounding may put them on either side are not counted.

    Args:
        model: the copy; its outputs are in the order of the transcripts.
        transcripts: whom to ask.
        lines: the domain, and what draws.
        asked: queries that the search took: some tests grow with them.
    """
    single = transcripts[0].tolerances.single
    return compared(
        unsaturated(samples(model, lines, asked, single), model, lines, single),
        model.pieces,
        lambda points: clear_of(model, points, transcripts[0]),
        transcripts,
        (FALSIFYING.single_distances if single else FALSIFYING.distances)[0],
        shared_out=bool(model.prefix.layers),
    )


def judge_at_vertices(
    model: DeepModel, transcripts: Sequence[Transcript], lines: Lines, asked: int, before: Judgement
) -> Judgement:
    """Ask where hyperplanes of the first layer meet: units that are hardly ever on, or off, show there.

    Args:
        model: the copy, of two hidden layers or more.
        transcripts: whom to ask.
        lines: the domain, all of R^d, and what draws.
        asked: queries that the search took.
        before: what was said of the copy so far.
    """
    count = vertices_for(asked)
    first = model.prefix.layers[0]
    drawn = [Drawn("where hyperplanes meet", at_vertices(first, lines, count))]
    if len(model.prefix.layers) == 1:  # what is between shows the second layer alone
        drawn.append(Drawn("far out along their edges", at_ends(first, lines, count)))
        drawn.append(Drawn("beside kinks on their edges", beside_on_edges(model, lines, count)))
    return judged_more(drawn, model, transcripts, lines, before)


def judge_far_out(
    model: DeepModel, transcripts: Sequence[Transcript], lines: Lines, before: Judgement
) -> Judgement:
    """Ask at many points far out about a copy that hands on its input: clipped units have many corners there.

    Args:
        model: the copy, of two hidden layers or more.
        transcripts: whom to ask.
        lines: the domain, all of R^d, and what draws.
        before: what was said of the copy so far.
    """
    drawn = [
        Drawn("up to 1,000 times as far", scattered(lines, FALSIFYING.passed_on // 4)),
        Drawn("in corners of cells", in_corners(model.prefix.layers[0], lines, FALSIFYING.passed_on)),
    ]
    return judged_more(drawn, model, transcripts, lines, before)


def judged_more(
    drawn: list[Drawn], model: DeepModel, transcripts: Sequence[Transcript], lines: Lines, before: Judgement
) -> Judgement:
    """Ask at more points about a copy of many layers; return that with what was said of it before."""
    found = compared(
        unsaturated(drawn, model, lines, transcripts[0].tolerances.single),
        model.pieces,
        lambda points: clear_of(model, points, transcripts[0]),
        transcripts,
        before.certificate.apart,
        shared_out=True,
    )
    return replace(found, certificate=before.certificate.and_more(found.certificate))


def vertices_for(asked: int) -> int:
    """Return at how many vertices a copy is asked about whose search took so many queries."""
    return max(VERTICES.least, asked // VERTICES.share)


def compared(
    drawn: Iterable[Drawn],
    predicted: Predicted,
    clear: Clear,
    transcripts: Sequence[Transcript],
    apart: float,
    shared_out: bool = False,
) -> Judgement:
    """Ask at points that were drawn, until an answer is off by more than rounding explains.

    Args:
        drawn: the usual points first.
        predicted: the copy's pieces (n, d + 1) at points (n, d), of one output.
        clear: which points (n, d) are not too near to a hyperplane to count, shape (n,).
        transcripts: whom to ask, in the order of the copy's outputs.
        apart: distance of hyperplanes that was looked for, see `Certificate`.
        shared_out: whether each point is asked of one of the other outputs, too: behind several layers
            nothing but these points shows a unit that the first output hides.
    """
    told: list[Sample] = []

    def work() -> Counterexample | None:
        for each in drawn:
            points = transcripts[0].asked.representable(each.points)
            errors = errors_at(points, predicted, transcripts, shared_out)
            counted = clear(points) | ~np.isfinite(errors).all(axis=0)
            errors = np.where(counted, np.nan_to_num(errors, nan=np.inf), 0.0)
            if not (told or counted.any()):
                raise Stopped(UNCHECKED)
            worst = float(errors.max(initial=0.0))
            told.append(Sample(each.how, int(counted.sum()), worst))
            if worst > transcripts[0].tolerances.missing:
                of_any = errors.max(axis=0)
                order = np.argsort(-of_any, kind="stable")
                row, *others = order[of_any[order] > transcripts[0].tolerances.missing]
                place = int(np.argmax(errors[:, row]))
                return Counterexample(place, points[row], worst, each.how, points[others])
        return None

    return until_stopped(
        lambda: Judgement(counterexample=work(), certificate=Certificate(tuple(told), apart)),
        lambda why: Judgement(Certificate(tuple(told), apart), stopped=why),
    )


def errors_at(
    points: Array, predicted: Predicted, transcripts: Sequence[Transcript], shared_out: bool = False
) -> Array:
    """Return errors (outputs, n) at points (n, d); what is not a number is as wrong as can be.

    All points are asked of the first output; of others, whose units are known by then, one in a few, or all
    points shared out among them.
    """
    errors = np.zeros((len(transcripts), len(points)))
    few = max(FALSIFYING.other_outputs, len(points) // FALSIFYING.of_others)
    for place, transcript in enumerate(transcripts):
        asked = slice(place - 1, None, len(transcripts) - 1) if shared_out and place else slice(0, None, few)
        if place == 0 or transcript.asked.all_at_once:
            asked = slice(None)
        if len(points[asked]):
            errors[place, asked] = transcript.misses(points[asked], predicted(points[asked], place))
    return errors


def clear_of(model: DeepModel, points: Array, transcript: Transcript) -> Mask:
    """Whether points are so far from the copy's hyperplanes that their sides are certain, shape (n,).

    Under noise the hyperplanes of units with small weights are known less well than those of others; those
    of an only hidden layer as well as the output tells that weighs each most.
    """
    clear = clear_of_hyperplanes(model.prefix, model.layer, points, transcript.tolerances.rounding)
    if not transcript.noisy:
        return clear
    ends = homogeneous(points)
    blur = FIT.blur * transcript.noise * transcript.scale * np.linalg.norm(ends, axis=1)
    weights = np.abs(model.layer.weights)
    weights = weights[0] if model.prefix.layers else weights.max(axis=0)
    near = np.abs(ends @ model.layer.rows.T) * weights <= blur[:, None]
    return np.asarray(clear & ~near[:, weights > 0].any(axis=1))
