"""Two networks of images, compared layer by layer from the input on, filter by filter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index
from divulge.comparison.filter_places import different, moved, one_window, shift
from divulge.comparison.filter_rows import Rows, canonical_rows, doubled, paired, units_alive
from divulge.comparison.image_layers import ImageLayer, ImageNetwork
from divulge.comparison.image_steps import Weighted
from divulge.comparison.layerwise import LayerComparison

# How near filters are by which the next layer is put in order to be drawn.
PAIRED = 1e-3

Pair = tuple[Array, Array | None]


@dataclass(frozen=True)
class FilterComparison:
    """One filter of a victim's convolution against the copy's.

    Attributes:
        layer: of which layer, 1 for the first.
        filter: its number among the victim's.
        copys_filter: the number of its partner in the copy, None where it has none.
        filter_error: max|a - a^| over its entries, both of norm 1 in the order and the scale in which the
            channels before were matched; None without a partner.
        bias_error: |b - b^| in this scale.
    """

    layer: int
    filter: int
    copys_filter: int | None
    filter_error: float | None
    bias_error: float | None


@dataclass(frozen=True)
class FilterwiseComparison:
    """What two networks of images have in common.

    Attributes:
        layers: as far as both have the same layers.
        filters: of convolutions among these.
        max_parameter_error: over all filters, biases and output weights; None where anything is missing.
        effective: units of the victim that may be active.
        notes: where they differ, in words.
    """

    layers: tuple[LayerComparison, ...]
    filters: tuple[FilterComparison, ...]
    max_parameter_error: float | None
    effective: int | None
    notes: tuple[str, ...]


def match_filters(
    copy: ImageNetwork, victim: ImageNetwork, tolerance: float, odds: bool = False
) -> FilterwiseComparison:
    """Match the channels of two networks up to their order and a positive factor each.

    Filters and rows of dense layers behind them are scaled to norm 1, the factors moved to the next layer,
    but for units that are clipped from above. Channels are paired by the Hungarian method on filter and
    bias; they match where both agree to the tolerance. The inputs of a layer are put in the order in which
    the layer before was matched; a channel without a partner is compared with zeros.

    Args:
        copy: the copy.
        victim: the victim.
        tolerance: how near filters of norm 1, and biases relative to 1 + |b|, count as the same.
        odds: whether outputs are known up to one that is added to all of them.
    """
    state = _Matching(copy, victim, tolerance, odds)
    state.run()
    whole = not state.notes and all(layer.units_matched == layer.units_true for layer in state.live)
    return FilterwiseComparison(
        tuple(state.layers),
        tuple(state.filters),
        max(state.errors, default=0.0) if whole else None,
        units_alive(victim),
        tuple(state.notes),
    )


def paired_filters(copy: ImageNetwork, victim: ImageNetwork) -> dict[int, list[Pair]]:
    """Return, of each convolution that both have, the victim's filters and the copy's of them.

    Shape (C, kh, kw), norm 1, in the order and scale in which the channels before were matched. The copy's
    is None where it lacks one.
    """
    state = _Matching(copy, victim, PAIRED, odds=False)
    state.run()
    return state.pairs_shown


class _Matching:
    """Goes from layer to layer as long as both networks have the same."""

    def __init__(self, copy: ImageNetwork, victim: ImageNetwork, tolerance: float, odds: bool) -> None:
        self.copy, self.victim, self.tolerance, self.odds = copy, victim, tolerance, odds
        self.layers: list[LayerComparison] = []
        self.live: list[LayerComparison] = []
        self.filters: list[FilterComparison] = []
        self.errors: list[float] = []
        self.notes: list[str] = []
        self.pairs_shown: dict[int, list[Pair]] = {}
        self.pairs: tuple[Index, Index] | None = None  # channels of copy and victim that are one
        self.handed: list[tuple[Index, Array]] = []  # of each, channels that are alive, and their factors
        self.never_negative = False  # what the next layer is given
        self.shift = 0, 0  # rows and columns that the copy's maps begin before the victim's

    def run(self) -> None:
        """Compare all layers, then what makes the outputs."""
        ours, truth = self.copy.hidden, self.victim.hidden
        for depth, (own, true) in enumerate(zip(ours, truth, strict=False), 1):
            why = different(own, true)
            if why:
                self.notes.append(f"layer {depth}: {why}")
                break
            self._layer(depth, own, true)
        for whose, network in (("victim", self.victim), ("copy", self.copy)):
            if network.ended:
                place = (
                    f"behind hidden layer {len(network.hidden)}"
                    if network.hidden
                    else "from the first layer on"
                )
                self.notes.append(f"the {whose}'s layers cannot be compared {place}: {network.ended}")
        if len(ours) != len(truth) and not (self.copy.ended or self.victim.ended):
            self.notes.append(f"the copy has {len(ours)} hidden layers, the victim {len(truth)}")
        if not self.notes:
            self._outputs(self.copy.layers[-1], self.victim.layers[-1])

    def _layer(self, depth: int, own: ImageLayer, true: ImageLayer) -> None:
        own_weighted, true_weighted = self._aligned(own.weighted, true.weighted)
        self.shift = shift(own.weighted, true.weighted)
        own_weighted, true_weighted = one_window(moved(own_weighted, self.shift), true_weighted)
        ours, truth = (
            canonical_rows(weighted, layer, self.never_negative)
            for weighted, layer in ((own_weighted, own), (true_weighted, true))
        )
        mine, theirs, turned = paired(ours, truth)
        weights = np.abs(ours.weights[mine] - truth.weights[theirs]).max(axis=(1, 2, 3), initial=0.0)
        offsets = np.abs(ours.offsets[mine] - truth.offsets[theirs])
        distance = np.sqrt(((ours.weights[mine] - truth.weights[theirs]) ** 2).sum(axis=(1, 2, 3)))
        same = (distance <= self.tolerance) & (offsets <= self.tolerance * (1 + abs(truth.offsets[theirs])))
        self._say(depth, ours, truth, int((turned & ~same).sum()))
        self.errors += [float(weights.max(initial=0.0)), float(offsets.max(initial=0.0))]
        places = int(np.prod(true.weighted.maps[1:]))
        error = float(max(weights[same].max(initial=0.0), offsets[same].max(initial=0.0)))
        matched = int(same.sum())
        self.layers.append(
            LayerComparison(true.units, own.units, matched * places, error if matched else None, true.words)
        )
        self.live.append(replace(self.layers[-1], units_true=len(truth.numbers) * places))
        if not true.dense:
            partner = {int(j): ours.weights[i] for i, j in zip(mine, theirs, strict=True)}
            self.pairs_shown[depth] = [(row, partner.get(j)) for j, row in enumerate(truth.weights)]
            self._filters(
                depth, len(true.weighted.offsets), ours.numbers[mine], truth.numbers[theirs], weights, offsets
            )
        self.pairs = mine[same], theirs[same]
        self.handed = [(rows.numbers, rows.factors) for rows in (ours, truth)]
        self.never_negative = true.behind[0].name == "ReLU"

    def _filters(
        self, depth: int, count: int, mine: Index, theirs: Index, weights: Array, offsets: Array
    ) -> None:
        """Put the filters of a convolution down in the victim's order."""
        partner = {int(j): k for k, j in enumerate(theirs)}
        for number in range(count):
            k = partner.get(number)
            told = (None, None, None) if k is None else (int(mine[k]), float(weights[k]), float(offsets[k]))
            self.filters.append(FilterComparison(depth, number, *told))

    def _say(self, depth: int, ours: Rows, truth: Rows, turned: int) -> None:
        """Note how a layer of one form differs."""
        if len(ours.numbers) != len(truth.numbers):
            self.notes.append(
                f"layer {depth}: the copy has {len(ours.numbers)} channels that may be on, the victim "
                f"{len(truth.numbers)}"
            )
            same = doubled(truth, self.tolerance)
            if same:
                numbers = ", ".join(map(str, same))
                self.notes.append(
                    f"layer {depth}: the victim's channels {numbers} are each another of these in another "
                    "scale; a copy may hold them as one"
                )
        if turned:
            self.notes.append(
                f"layer {depth}: {turned} of the copy's channels are on where the victim's are off"
            )

    def _aligned(self, own: Weighted, true: Weighted) -> tuple[Weighted, Weighted]:
        """Put the channels that two layers are given in one order and scale."""
        if self.pairs is None:
            return own, true
        (mine, theirs), found = self.pairs, []
        alone = np.setdiff1d(np.arange(len(self.handed[0][0])), mine)
        missed = np.setdiff1d(np.arange(len(self.handed[1][0])), theirs)
        orders = (
            np.concatenate([mine, alone, 0 * missed - 1]),
            np.concatenate([theirs, 0 * alone - 1, missed]),
        )
        for weighted, (live, factors), order in zip((own, true), self.handed, orders, strict=True):
            filters = weighted.filters[:, live] * factors[:, None, None]
            filters = np.pad(filters, ((0, 0), (0, 1), (0, 0), (0, 0)))[:, order]
            found.append(replace(weighted, filters=filters))
        before = (self.shift[0], 0, self.shift[1], 0)  # of a dense layer, which is in one window then
        return (replace(found[0], padding=before) if any(before) else found[0]), found[1]

    def _outputs(self, ours_last: ImageLayer, true_last: ImageLayer) -> None:
        """Compare what makes the outputs."""
        why = different(ours_last, true_last)
        if why or ours_last.weighted.maps != true_last.weighted.maps:
            self.notes.append(f"outputs: {why or 'they are laid out in different ways'}")
            return
        own, true = one_window(*self._aligned(ours_last.weighted, true_last.weighted))
        ours, truth = (_odds(part) if self.odds else part for part in (own, true))
        if ours.filters.shape != truth.filters.shape:
            self.notes.append("outputs are made in different ways")
            return
        for mine, theirs in ((ours.filters, truth.filters), (ours.offsets, truth.offsets)):
            self.errors.append(float(np.abs(mine - theirs).max(initial=0.0)))


def _odds(weighted: Weighted) -> Weighted:
    """Outputs less the first of them; a single one is that of class 1 against 0."""
    filters, offsets = weighted.filters, weighted.offsets
    if len(offsets) == 1:
        filters, offsets = np.concatenate([0 * filters, filters]), np.concatenate([0 * offsets, offsets])
    return replace(weighted, filters=filters - filters[:1], offsets=offsets - offsets[:1])
