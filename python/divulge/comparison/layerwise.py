"""Two networks of hidden layers in a row, compared layer by layer from the input on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.comparison.canonical import (
    CanonicalForm,
    canonical_form,
    match,
    parameter_error,
    same_hyperplane,
)
from divulge.victims.affine import HiddenLayers, OneHiddenLayer


@dataclass(frozen=True)
class LayerComparison:
    """One hidden layer of a copy against the victim's.

    Attributes:
        units_true: the victim's units in this layer, dead and doubled ones too.
        units_found: the copy's units in this layer.
        units_matched: how many of these have the hyperplane of a unit of the victim, to the tolerance asked
            for, on whichever side they are active.
        max_row_error: max|(a, b) - (a^, b^)| over the entries of these, with |a| = |a^| = 1 in the units of
            the layer before as they were matched; None where none is matched.
        form: what kind of layer the victim's is, with what comes behind it. A convolution's channel counts as
            many units as it has places.
    """

    units_true: int
    units_found: int
    units_matched: int
    max_row_error: float | None
    form: str = "dense"


@dataclass(frozen=True)
class Match:
    """The units of one layer, paired.

    Attributes:
        row_error: max|(a, b) - (a^, b^)| over the pairs, with |a| = |a^| = 1; None where there is no pair.
        mine: units of the copy that have a partner with the same hyperplane.
        theirs: their partners in the victim.
        error: max|theta - theta^| of the layer's parameters with their signs; None where an inner layer has
            units without a partner.
    """

    row_error: float | None
    mine: Index
    theirs: Index
    error: float | None


def match_layers(
    copy: HiddenLayers, victim: HiddenLayers, tolerance: float, merge: float
) -> tuple[Match, ...]:
    """Match two networks layer by layer, as many layers as both have.

    Units behind the first layer that no input makes active go away, as what they are given is never negative.
    Rows are scaled to norm 1 and the factors moved outwards. The columns of a layer are put in the order in
    which the units of the layer before were matched; one without a partner is compared with zeros. Units of
    inner layers are paired by the Hungarian method on (row, offset), those of the last one, where both
    networks are equally deep, on their output weights too.

    Args:
        copy: the copy.
        victim: the victim, of as many inputs and outputs.
        tolerance: how near two hyperplanes count as the same.
        merge: how near two hyperplanes of the last layer of one network are one.
    """
    ours, truth = _normalised(copy), _normalised(victim)
    mine = theirs = np.arange(truth[0].rows.shape[1])
    matches = []
    for k, (layer, true) in enumerate(zip(ours, truth, strict=False)):
        if k:  # the first layers are given the inputs, in one order
            layer, true = _aligned(layer, true, mine, theirs)
        last = len(ours) == len(truth) == k + 1
        matches.append(_last(layer, true, tolerance, merge) if last else _inner(layer, true, tolerance))
        mine, theirs = matches[-1].mine, matches[-1].theirs
    return tuple(matches)


def effective_units(net: HiddenLayers, merge: float) -> int:
    """Count the units that a network's function shows: in the last layer dead and doubled ones do not."""
    *inner, last = _normalised(net)
    return sum(len(layer.offsets) for layer in inner) + len(canonical_form(last, merge).units)


def _normalised(net: HiddenLayers) -> list[OneHiddenLayer]:
    """The layers without dead units, inner rows of norm 1, each factor moved to the layer behind."""
    layers: list[OneHiddenLayer] = []
    live, factors = np.ones(net.input_size, dtype=bool), np.ones(net.input_size)
    for rows, offsets in net.inner:
        rows = rows[:, live] * factors
        live = ever_active(rows, offsets) if layers else np.ones(len(rows), dtype=bool)
        rows, offsets = rows[live], offsets[live]
        factors = np.linalg.norm(rows, axis=1)
        factors[factors == 0] = 1.0
        nothing = np.zeros((0, rows.shape[1]))
        unit = rows / factors[:, None], offsets / factors
        layers.append(OneHiddenLayer(*unit, np.zeros((0, len(rows))), nothing, np.zeros(0)))
    rows, affine = (part[:, live] * factors for part in (net.last.rows, net.last.affine))
    seen = ever_active(rows, net.last.offsets) if layers else np.ones(len(rows), dtype=bool)
    outputs = net.last.outputs * seen
    return [*layers, OneHiddenLayer(rows, net.last.offsets, outputs, affine, net.last.bias)]


def ever_active(rows: Array, offsets: Array) -> Mask:
    """Which units may be active on features that are not negative."""
    active: Mask = (rows > 0).any(axis=1) | (offsets > 0)
    return active


def _aligned(
    copy: OneHiddenLayer, victim: OneHiddenLayer, mine: Index, theirs: Index
) -> tuple[OneHiddenLayer, OneHiddenLayer]:
    """Put the columns of two layers in one order: the pairs, the copy's others, the victim's others."""
    alone = np.setdiff1d(np.arange(copy.rows.shape[1]), mine)
    missed = np.setdiff1d(np.arange(victim.rows.shape[1]), theirs)
    zeros, none = np.full(len(alone), -1), np.full(len(missed), -1)  # -1: a column of zeros
    return (
        _columns(copy, np.concatenate([mine, alone, none])),
        _columns(victim, np.concatenate([theirs, zeros, missed])),
    )


def _columns(net: OneHiddenLayer, order: Index) -> OneHiddenLayer:
    """Put the features that a layer is given in another order; -1 stands for one that it does not see."""
    rows, affine = (np.pad(part, ((0, 0), (0, 1)))[:, order] for part in (net.rows, net.affine))
    return replace(net, rows=rows, affine=affine)


def _inner(copy: OneHiddenLayer, victim: OneHiddenLayer, tolerance: float) -> Match:
    """Match the units of a layer by their hyperplanes alone."""
    ours, truth = _hyperplanes(copy), _hyperplanes(victim)
    mine, theirs, turned = match(ours, truth)
    same = same_hyperplane(turned, truth, mine, theirs, tolerance)
    whole = same.sum() == len(ours.units) == len(truth.units)
    error = parameter_error(ours, truth, mine, theirs) if whole else None
    mine, theirs = mine[same], theirs[same]
    return Match(_row_error(turned, truth, mine, theirs), mine, theirs, error)


def _last(copy: OneHiddenLayer, victim: OneHiddenLayer, tolerance: float, merge: float) -> Match:
    """Match the units of the last layer by hyperplanes and output weights."""
    truth = canonical_form(victim, merge)
    mine, theirs, ours = match(canonical_form(copy, merge), truth)
    same = same_hyperplane(ours, truth, mine, theirs, tolerance)
    error = parameter_error(ours, truth, mine, theirs)
    mine, theirs = mine[same], theirs[same]
    row_error = _row_error(ours, truth, mine, theirs)
    return Match(row_error, ours.units[mine], truth.units[theirs], error)


def _hyperplanes(net: OneHiddenLayer) -> CanonicalForm:
    """The units of a layer without what the next makes of them; rows of norm 1, or zero."""
    norms = np.linalg.norm(net.rows, axis=1)
    norms[norms == 0] = 1.0
    count, width = net.rows.shape
    return CanonicalForm(
        rows=net.rows / norms[:, None],
        offsets=net.offsets / norms,
        outputs=np.zeros((count, 0)),
        affine=np.zeros((0, width)),
        bias=np.zeros(0),
        units=np.arange(count),
    )


def _row_error(ours: CanonicalForm, truth: CanonicalForm, mine: Index, theirs: Index) -> float | None:
    """Return the largest difference of rows and offsets over pairs of units."""
    rows = np.abs(ours.rows[mine] - truth.rows[theirs]).max(initial=0.0)
    offsets = np.abs(ours.offsets[mine] - truth.offsets[theirs]).max(initial=0.0)
    return float(max(rows, offsets)) if len(mine) else None
